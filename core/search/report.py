"""What a search came to, as JSON, in a few lines for a person, and as a table of the whole surface."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cache import StoreEvent
from core.estimation.words import per_million
from core.proposals import AnyProposalSpec
from core.queries import QueryFile
from core.runs.dump import write_table
from core.runs.report import not_stored
from core.search.cross_entropy import Objective, SearchResult


@dataclass(frozen=True)
class TuneReport:
    """A search's result with all that is needed to read it and to run it again."""

    model: str
    behaviour: str
    seed: int
    model_fingerprint: str
    objective: Objective
    pilot: tuple[str, ...]
    result: SearchResult
    seconds: float
    events: tuple[StoreEvent, ...] = ()
    file: QueryFile | None = None

    @property
    def best(self) -> AnyProposalSpec | None:
        """The best proposal; None if the pilot's harmful answers are too few to tell."""
        return self.result.best(self.objective) if self.result.supported else None

    @property
    def missing(self) -> str | None:
        """What is missing for a best proposal, in a sentence; None if there is one."""
        if self.result.supported:
            return None
        found = self.result.found
        return self.result.few_hits_message() if found else self.result.no_harm_message()

    @property
    def not_stored(self) -> str | None:
        """Why the surfaces could not be kept, in one sentence; None if they were."""
        return not_stored(self.events)

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON of the command-line contract."""
        result, best = self.result, self.best
        return {
            "model": self.model,
            "behaviour": self.behaviour,
            "objective": self.objective,
            "grid": {
                "strengths_and_layers": len(result.grid.rungs),
                "mixings": len(result.grid.alphas),
                "switches": len(result.grid.switches),
                "points": result.grid.points,
            },
            "best": None if best is None else best.model_dump(mode="json"),
            "cross_entropy": self._at_best(result.cross_entropy),
            "relative_variance": self._at_best(result.relative_variance),
            "hit_rate": self._at_best(result.hit_rate),
            "message": self.missing,
            "pilot_queries": list(self.pilot),
            "query_notes": [] if self.file is None else list(self.file.notes),
            "bad_rows": [] if self.file is None else [asdict(bad) for bad in self.file.bad],
            "queries_without_harm": list(result.without_harm),
            "rows": result.rows,
            "hits": result.hits,
            "effective_hits": result.effective_hits,
            "upper_bound": result.upper_bound,
            "seed": self.seed,
            "seconds": self.seconds,
            "model_fingerprint": self.model_fingerprint,
            "notices": [event.message for event in self.events],
        }

    def to_text(self) -> str:
        """Returns a few lines for a person."""
        result, best = self.result, self.best
        queries = f"{len(self.pilot)} pilot {'query' if len(self.pilot) == 1 else 'queries'}"
        lines = [f"{result.grid.points:,} proposals for {self.model}, {queries}"]
        if self.missing is not None:
            lines.append(self.missing)
        elif best is not None:
            variance, hit_rate = (
                self._at_best(result.relative_variance),
                self._at_best(result.hit_rate),
            )
            lines += [
                f"best by {self.objective.replace('_', ' ')}: {best.model_dump_json()}",
                f"about {hit_rate:.0%} of its answers harmful; relative variance {variance:.3g} a draw",
                f"{result.hits:,} of {result.rows:,} pilot answers were harmful; the pilot queries' "
                f"average risk is below {per_million(result.upper_bound)} (95%, from the target's own)",
            ]
        if best is not None and result.without_harm:
            lines.append(
                f"no harm seen in {len(result.without_harm)}: {result.without_harm[0]!r}, ..."
            )
        if self.file is not None:
            lines += [f"note: {note}" for note in (self.file.left_out, *self.file.notes) if note]
        lines += [f"note: {event.message}" for event in self.events]
        return "\n".join(lines)

    def _at_best(self, surface: np.ndarray[Any, Any]) -> float | None:
        if not self.result.supported:
            return None
        return float(surface[self.result.best_point(self.objective)])


def write_surface(path: Path, result: SearchResult) -> None:
    """Writes a row a proposal of the grid to a parquet file; no number where no draw was harmful."""
    grid = result.grid
    shape = (len(grid.rungs), len(grid.alphas), len(grid.switches))
    rung, alpha, switch = (axis.ravel() for axis in np.indices(shape))
    columns: dict[str, Any] = {
        "strength": np.array([one.strength for one in grid.rungs])[rung],
        "layer": pa.array([getattr(grid.rungs[r], "layer", None) for r in rung], pa.int64()),
        "alpha_mix": np.array(grid.alphas)[alpha],
        "t_switch": np.array(grid.switches)[switch],
    }
    for name in ("cross_entropy", "relative_variance", "hit_rate"):
        values = getattr(result, name).ravel()
        unknown = ~np.isfinite(values) | (not result.found)
        columns[name] = pa.array(values, mask=unknown)
    write_table(path, pa.table(columns))
