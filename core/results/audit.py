"""An audit of many queries, from Python."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from core.audit.report import AuditReport
from core.audit.results import read_results
from core.audit.run import run_audit
from core.audit.spec import AuditModel, AuditSpec, audit_id
from core.behaviours.load import load_behaviour, load_queries
from core.errors import SpecError
from core.estimation.words import per_million
from core.executors.base import Executor
from core.executors.local import check_workers, local_executor
from core.models.spec import LoadingSpec
from core.queries import read_query_file
from core.queries.chat import check_no_chat
from core.queries.query import Query
from core.results.base import Result, generation_of, store_at
from core.results.html import Card
from core.runs.catalogue import audits_folder
from core.runs.default_method import default_method
from core.tasks.progress import Progress, result_of

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# A card shows so many of the riskiest.
RISKIEST = 10


class AuditResult(Result[AuditReport]):
    """The risks of many queries. The folder `report.out` holds them too, and the app lists it."""

    @property
    def table(self) -> pd.DataFrame:
        """A row a query and model, with the fields of `estimate --json`."""
        return read_results(self.report.out)

    def plot(self) -> "Figure":
        """Returns every query's risk with its interval, the riskiest first, a colour a model."""
        from core.results import plots

        return plots.risks(self.table)

    def _card(self) -> Card:
        table = self.table.sort_values("estimate", ascending=False)
        models = ", ".join(model.name for model in self.report.spec.models)
        harmful = int((table["hits"] > 0).sum())
        return Card(
            lead=f"{len(table):,} rows of {models}",
            headline=f"{harmful:,} of {len(table):,} with a harmful answer among those drawn",
            columns=("query", "model", "risk", "verdict"),
            rows=tuple(
                (
                    str(row["query"]),
                    str(row["model"]),
                    per_million(row["estimate"]),
                    str(row["verdict"]),
                )
                for row in table.head(RISKIEST).to_dict("records")
            ),
        )


def audit_spec(
    models: Sequence[str],
    behaviour: str,
    queries: Sequence[str],
    samples: int,
    settings: Mapping[str, Any],
) -> AuditSpec:
    """Returns the spec of an audit; threshold and method have defaults of their own. Raises: SpecError."""
    fields = dict(settings)
    own = fields.setdefault("threshold", load_behaviour(behaviour).spec.threshold)
    if fields.get("method") is None:
        asked = default_method(models, behaviour, queries, fields.get("judge"), own)
        fields["method"] = "mis" if fields.get("proposal") else asked
    fields["generation"] = generation_of(
        fields.get("generation"), dict.fromkeys(models, LoadingSpec())
    )
    known = AuditSpec.model_fields.keys() - {"models", "behaviour", "samples"}
    if unknown := fields.keys() - known:
        raise SpecError(
            f"settings of an audit are {', '.join(sorted(known))}, got {', '.join(sorted(unknown))}"
        )
    return AuditSpec.build(
        models=tuple(AuditModel(name=name) for name in models),
        behaviour=behaviour,
        samples=samples,
        **fields,
    )


def queries_of(given: str | Path | Sequence[str] | None, behaviour: str) -> tuple[Query, ...]:
    """Returns the queries of a file, of texts, or the behaviour's own. Raises: TailscopeError."""
    if given is None:
        return load_queries(behaviour)
    if isinstance(given, str | Path):
        return read_query_file(Path(given)).queries
    return tuple(
        Query(f"q{number:04d}", check_no_chat(text), "")
        for number, text in enumerate(given, start=1)
    )


def executor_of(workers: int | None) -> Callable[[], Executor]:
    """Returns what makes the workers. Raises: SpecError."""
    check_workers(workers)
    return lambda: local_executor(workers)


def audit(
    queries: str | Path | Sequence[str] | None,
    *,
    models: Sequence[str],
    behaviour: str,
    samples: int,
    out: str | Path | None,
    workers: int | None,
    cache: str | Path | None,
    show: Callable[[Progress[Any]], object] | None,
    settings: Mapping[str, Any],
) -> AuditResult:
    """Returns what `core.audit` returns."""
    asked = queries_of(queries, behaviour)
    spec = audit_spec(models, behaviour, [query.text for query in asked], samples, settings)
    if not asked:
        raise SpecError("an audit needs at least one query, got none")
    folder = audits_folder() / audit_id(spec, asked) if out is None else Path(out)
    store = store_at(cache)
    steps = run_audit(spec, asked, folder, store, executor_of(workers), resume=True)
    return AuditResult(result_of(steps, show))
