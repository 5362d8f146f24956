"""What `tune` does with its options: choose a pilot and a grid, search, report."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from cache import StoreEvent, default_folder, open_store
from core.behaviours.load import check_behaviour
from core.errors import SpecError
from core.headless.estimate import (
    Progress,
    check_dump,
    not_stored,
    parsed_proposal,
    per_million,
    write_table,
)
from core.headless.models import load_checked
from core.judges import behaviour_judge
from core.models.loading import LoadedModel
from core.models.spec import LoadingSpec
from core.proposals import (
    AblateSpec,
    AnyProposalSpec,
    SteerSpec,
    build_proposal,
    measured_direction,
)
from core.queries import QueryFile, evenly_spread, read_query_file
from core.runs.defaults import PILOT_QUERIES, default_rungs, pilot_layers, pilot_queries
from core.runs.request import EstimateRequest, behaviour_direction, means, ready_proposals
from core.sampling.shards import SHARD_ROWS
from core.search.cross_entropy import Objective, SearchResult, search
from core.search.grid import PAPER_STRENGTHS, SearchGrid, published_grid, small_grid
from core.spec import DirectionPosition, GenerationSpec, check_query, within
from core.steering.build import Direction

GRIDS = ("small", "paper")
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
MAX_PILOT_ROWS = 100_000


@dataclass(frozen=True)
class TuneOptions:
    """The options of `tune`, as given: nothing is checked yet.

    queries: a file, of which a pilot_share is asked; query: one query instead. With neither, the
    behaviour's own pilot queries are. proposal: the base proposal as JSON, instead of its kind alone.
    """

    model: str
    loading: Mapping[str, Any]
    behaviour: str
    queries: Path | None = None
    query: str | None = None
    kind: str | None = None
    proposal: str | None = None
    strengths: str | None = None
    layers: str | None = None
    grid: str = "small"
    rows: int = 400
    pilot_share: float = 0.1
    objective: str = "cross_entropy"
    max_new_tokens: int = 40
    seed: int = 0
    cache: Path | None = None
    dump: Path | None = None


@dataclass(frozen=True)
class TuneReport:
    """A search's result with all that is needed to read it and to run it again."""

    options: TuneOptions
    model_fingerprint: str
    objective: Objective
    pilot: tuple[str, ...]
    result: SearchResult
    seconds: float
    events: tuple[StoreEvent, ...] = ()
    file: QueryFile | None = None

    @property
    def best(self) -> AnyProposalSpec | None:
        """The best proposal; None if no pilot draw was harmful."""
        return self.result.best(self.objective) if self.result.found else None

    @property
    def not_stored(self) -> str | None:
        """Why the surfaces could not be kept, in one sentence; None if they were."""
        return not_stored(self.events)

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON of the command-line contract."""
        result, best = self.result, self.best
        return {
            "model": self.options.model,
            "behaviour": self.options.behaviour,
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
            "message": None if result.found else result.no_harm_message(),
            "pilot_queries": list(self.pilot),
            "query_notes": [] if self.file is None else list(self.file.notes),
            "bad_rows": [] if self.file is None else [asdict(bad) for bad in self.file.bad],
            "queries_without_harm": list(result.without_harm),
            "rows": result.rows,
            "hits": result.hits,
            "upper_bound": result.upper_bound,
            "seed": self.options.seed,
            "seconds": self.seconds,
            "model_fingerprint": self.model_fingerprint,
            "notices": [event.message for event in self.events],
        }

    def to_text(self) -> str:
        """Returns a few lines for a person."""
        result, best = self.result, self.best
        asked = f"{len(self.pilot)} pilot {'query' if len(self.pilot) == 1 else 'queries'}"
        lines = [f"{result.grid.points:,} proposals for {self.options.model}, {asked}"]
        if best is None:
            lines.append(result.no_harm_message())
        else:
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
        if not self.result.found:
            return None
        return float(surface[self.result.best_point(self.objective)])


def tune_headless(options: TuneOptions, progress: Progress | None = None) -> TuneReport:
    """Returns the report of one `tune` command.

    Raises:
        TailscopeError: bad input, in one sentence.
    """
    tell = progress or (lambda text: None)
    began = time.perf_counter()
    objective = _check(options)
    base = _base(options)
    file = None if options.queries is None else read_query_file(options.queries)
    pilot = choose_pilot(options, file)
    strengths, layers = _floats(options.strengths), _whole_numbers(options.layers)
    generation = GenerationSpec.build(max_new_tokens=options.max_new_tokens)
    loading = LoadingSpec.build(**options.loading)
    tell("loading the model")
    loaded, _ = load_checked(options.model, loading, SHARD_ROWS, generation.max_new_tokens)
    judge = behaviour_judge(options.behaviour)
    store = open_store(options.cache or default_folder())
    grid = choose_grid(loaded, options, base, strengths, layers)
    ready = ready_proposals(
        loaded,
        EstimateRequest.build(
            query=pilot[0],
            behaviour=options.behaviour,
            method="mis",
            proposal=grid.rungs[0],
            companions=grid.rungs[1:],
        ),
    )
    result: SearchResult | None = None
    for event in search(
        loaded,
        ready,
        grid,
        pilot,
        judge,
        generation,
        store,
        rows=options.rows,
        seed=options.seed,
    ):
        if isinstance(event, SearchResult):
            result = event
        else:
            tell(f"{event.done} of {event.total} pilot queries searched")
    tell("")
    assert result is not None, "a search ends with its result"
    if options.dump is not None:
        write_surface(options.dump, result)
    return TuneReport(
        options=options,
        model_fingerprint=loaded.fingerprint,
        objective=objective,
        pilot=pilot,
        result=result,
        seconds=time.perf_counter() - began,
        events=tuple(store.drain_events()),
        file=file,
    )


def choose_pilot(options: TuneOptions, file: QueryFile | None) -> tuple[str, ...]:
    """Returns the queries to ask: a share of the file's, evenly spread, but six if it has so many."""
    if options.query is not None:
        return (check_query(options.query),)
    if file is None:
        return pilot_queries(options.behaviour)
    queries = [query.text for query in file.queries]
    count = max(PILOT_QUERIES, math.ceil(options.pilot_share * len(queries)))
    return evenly_spread(queries, count)


def choose_grid(
    loaded: LoadedModel,
    options: TuneOptions,
    base: AnyProposalSpec,
    strengths: Sequence[float],
    layers: Sequence[int],
) -> SearchGrid:
    """Returns the grid asked for; strengths and layers that were left out are those worth a try.

    Raises:
        SpecError: the model has no such layer, or the grid is too large.
    """
    if not layers and "layer" in base.model_fields_set:
        layers = (base.model_dump()["layer"],)
    if options.grid == "paper":
        # The published grid has no layers: one is enough, and the middle a fair guess.
        if not layers and "layer" in type(base).model_fields:
            among = pilot_layers(len(loaded.blocks))
            layers = (among[len(among) // 2],)
        strengths = strengths or PAPER_STRENGTHS
    chosen = default_rungs(
        loaded,
        base,
        lambda position: _direction(loaded, options.behaviour, base, position),
        strengths,
        layers,
    )
    make = published_grid if options.grid == "paper" else small_grid
    return make(chosen, options.max_new_tokens)


def _direction(
    loaded: LoadedModel, behaviour: str, base: AnyProposalSpec, position: DirectionPosition
) -> Direction:
    """Returns what a base goes along: the direction of its file, or the behaviour's."""
    if isinstance(base, SteerSpec | AblateSpec) and base.direction_file is not None:
        return measured_direction(loaded, base, means(loaded, behaviour))
    return behaviour_direction(loaded, behaviour, position)


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


def _check(options: TuneOptions) -> Objective:
    """Returns the objective. Raises SpecError for what can be seen to be wrong before a model is loaded."""
    check_behaviour(options.behaviour)
    if options.query is not None and options.queries is not None:
        raise SpecError(
            f"query and queries exclude each other, got {options.query!r} and {str(options.queries)!r}"
        )
    if options.grid not in GRIDS:
        raise SpecError(f"grid must be one of {', '.join(GRIDS)}, got {options.grid!r}")
    if not 1 <= options.rows <= MAX_PILOT_ROWS:
        raise SpecError(f"rows must be in 1..{MAX_PILOT_ROWS:,}, got {options.rows:,}")
    try:
        within("pilot_share", options.pilot_share, 0.0, 1.0)
        if options.query is not None:
            check_query(options.query)
    except ValueError as error:
        raise SpecError(str(error)) from None
    check_dump(options.dump)
    for objective in OBJECTIVES:
        if objective == options.objective:
            return objective
    raise SpecError(f"objective must be one of {', '.join(OBJECTIVES)}, got {options.objective!r}")


def _base(options: TuneOptions) -> AnyProposalSpec:
    """Returns the proposal to start from."""
    if options.proposal is None:
        return build_proposal({} if options.kind is None else {"kind": options.kind})
    base = parsed_proposal(options.proposal)
    if options.kind is not None and options.kind != base.kind:
        raise SpecError(
            f"kind and proposal must agree, got {options.kind!r} and {options.proposal!r}"
        )
    return base


def _floats(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise SpecError(f"strengths must be numbers like 0.5,1,2, got {text!r}") from None


def _whole_numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise SpecError(f"layers must be whole numbers like 1,2, got {text!r}") from None
