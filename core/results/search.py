"""A search for a proposal, from Python."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import SpecError
from core.models.spec import LoadingSpec
from core.queries import read_query_file
from core.queries.chat import check_no_chat
from core.results.base import Result, generation_of, store_at
from core.results.html import Card
from core.search.report import TuneReport
from core.search.tune import TuneSpec, pilot_of
from core.search.tune import tune as search
from core.tasks.progress import Progress, result_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from core.proposals import AnyProposalSpec

# Of a file's queries so many are asked, as on the command line.
PILOT_SHARE = 0.1


class SearchOutcome(Result[TuneReport]):
    """What a search found; `best` is a proposal to give to `core.estimate`."""

    @property
    def best(self) -> "AnyProposalSpec | None":
        """The best proposal; None if the pilot's harmful answers are too few to tell."""
        return self.report.best

    def plot(self) -> "Figure":
        """Returns the surface of the objective over strength and switch, at the best mixing."""
        from core.results import plots

        return plots.surface(self.report.result, self.report.objective)

    def _card(self) -> Card:
        result, best = self.report.result, self.report.best
        return Card(
            lead=f"{result.grid.points:,} proposals for {self.report.model}",
            headline="no proposal is recommended" if best is None else f"best kind: {best.kind}",
            interval=self.report.missing or ("" if best is None else best.model_dump_json()),
            rows=(
                ("pilot answers", f"{result.rows:,}"),
                ("harmful among them", f"{result.hits:,}"),
            ),
        )


def tune(
    queries: str | Path | Sequence[str] | None,
    *,
    model: str,
    behaviour: str,
    cache: str | Path | None,
    show: Callable[[Progress[Any]], object] | None,
    settings: Mapping[str, Any],
) -> SearchOutcome:
    """Returns what `core.tune` returns."""
    if queries is None or isinstance(queries, str | Path):
        file = None if queries is None else read_query_file(Path(queries))
        pilot = pilot_of(file, behaviour, PILOT_SHARE)
    else:
        pilot = tuple(map(check_no_chat, queries))
    loading = {model: settings.get("loading", LoadingSpec())}
    fields = {**settings, "generation": generation_of(settings.get("generation"), loading)}
    known = TuneSpec.model_fields.keys() - {"model", "behaviour", "pilot"}
    if unknown := fields.keys() - known:
        raise SpecError(
            f"settings of a search are {', '.join(sorted(known))}, got {', '.join(sorted(unknown))}"
        )
    spec = TuneSpec.build(model=model, behaviour=behaviour, pilot=pilot, **fields)
    return SearchOutcome(result_of(search(spec, store_at(cache)), show))
