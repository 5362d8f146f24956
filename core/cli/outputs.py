"""The JSON that `--json` prints, one model a command: its published schema is made of these.

What a result in `core` holds already is not declared again: `published` makes its model.
"""

from dataclasses import fields, is_dataclass
from functools import reduce
from operator import or_
from types import GenericAlias, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from core.estimation.record import Estimate
from core.judges.identity import JudgeIdentity
from core.models.findings import Finding
from core.models.listing import ListedModel
from core.models.spec import LoadingSpec
from core.proposals import KINDS
from core.sensitivity.summary import Averaged, Spread
from core.spec import GenerationSpec

# A proposal of any kind.
PROPOSAL: Any = reduce(or_, (kind.spec for kind in KINDS.values()))


class Output(BaseModel):
    """Base of what commands print: every field is there, and no other."""

    model_config = ConfigDict(extra="forbid")


def published(result: type) -> type[Output]:
    """Returns the model of a result's JSON: its fields, where a number that is not finite is null."""
    hints = get_type_hints(result)
    content = {field.name: _published_type(hints[field.name]) for field in fields(result)}
    return _made(result.__name__, result.__doc__, Output, content)


def _published_type(hint: Any) -> Any:
    if hint is float:
        return float | None
    if isinstance(hint, type) and is_dataclass(hint):
        return published(hint)
    if get_origin(hint) in (Union, UnionType):
        parts = [_published_type(part) for part in get_args(hint)]
        return reduce(or_, parts)
    if get_origin(hint) is tuple and get_args(hint)[1:] == (...,):
        return GenericAlias(list, (_published_type(get_args(hint)[0]),))
    return hint


def _joined(name: str, doc: str, base: type[Output], **content: Any) -> type[Output]:
    """Returns the model with the fields of `base` and some more."""
    return _made(name, doc, base, content)


def _made(name: str, doc: str | None, base: type[Output], content: dict[str, Any]) -> type[Output]:
    definitions: dict[str, Any] = {field: (hint, ...) for field, hint in content.items()}
    return create_model(name, __base__=base, __doc__=doc, **definitions)


ESTIMATE = _joined(
    "EstimateOutput",
    "What `estimate --json` prints.",
    published(Estimate),
    query=str,
    model=str,
    loading=LoadingSpec,
    behaviour=str,
    proposal=or_(PROPOSAL, None),
    companions=GenericAlias(list, (PROPOSAL,)),
    defensive_share=float | None,
    generation=GenerationSpec,
    template_date=str | None,
    own_settings_unused=dict[str, Any],
    judge=published(JudgeIdentity),
    threshold=float,
    seed=int,
    model_fingerprint=str,
    reference=float | None,
    notices=list[str],
)


class Grid(Output):
    """How much a search looked through."""

    strengths_and_layers: int
    mixings: int
    switches: int
    points: int


class BadRow(Output):
    """A row of a file that was left out."""

    row: int
    reason: str


TUNE = _joined(
    "TuneOutput",
    "What `tune --json` prints. best and what follows from it are null if no pilot answer was harmful.",
    Output,
    model=str,
    behaviour=str,
    objective=str,
    grid=Grid,
    best=or_(PROPOSAL, None),
    cross_entropy=float | None,
    relative_variance=float | None,
    hit_rate=float | None,
    message=str | None,
    pilot_queries=list[str],
    query_notes=list[str],
    bad_rows=list[BadRow],
    queries_without_harm=list[str],
    rows=int,
    hits=int,
    effective_hits=float,
    upper_bound=float,
    seed=int,
    seconds=float,
    model_fingerprint=str,
    notices=list[str],
)


class RiskiestOutput(Output):
    """The query with the highest estimate among those with a hit that may be used."""

    query_id: str
    query: str
    estimate: float
    ci_low: float
    ci_high: float
    hits: int
    verdict: str


class ModelSummary(Output):
    """One model's part of an audit. median: null where a query without a hit is in the middle.

    median_low, median_high: what the queries' intervals allow. highest_bound: the highest upper end.
    """

    queries: int
    greedy_harmful: int
    median: float | None
    median_low: float | None
    median_high: float | None
    zero_hits: int
    unusable: int
    riskiest: RiskiestOutput | None
    highest: float | None
    highest_bound: float | None
    confidence: float | None
    verdicts: dict[str, int]


class CategoryOutput(Output):
    """The mean risk of one category's queries for one model, as a benchmark's file names them.

    low, high: what the estimates leave open. choice_low, choice_high: over the choice of queries too.
    """

    model: str
    category: str
    queries: int
    zero_hits: int
    risk: float
    low: float
    high: float
    choice_low: float
    choice_high: float


class AuditOutput(Output):
    """What `audit --json` prints; the estimates themselves are in the folder's results.parquet."""

    out: str
    rows: int
    failed: int
    drawn: int
    from_store: int
    seconds: float
    left_out: str | None
    notes: list[str]
    models: dict[str, ModelSummary]
    categories: list[CategoryOutput]


class VariantOutput(Output):
    """A way to ask a query that has no estimate; error says why."""

    id: str
    kind: str
    label: str
    text: str
    generation: GenerationSpec
    error: str


ESTIMATED_VARIANT = _joined(
    "EstimatedVariantOutput",
    "A way to ask a query, with its estimate.",
    published(Estimate),
    id=str,
    kind=str,
    label=str,
    text=str,
    generation=GenerationSpec,
    error=str,
)
SENSITIVITY = _joined(
    "SensitivityOutput",
    "What `sensitivity --json` prints. spread, averaged: null where there is none, with the reason in notes.",
    Output,
    query=str,
    model=str,
    behaviour=str,
    variants=GenericAlias(list, (or_(ESTIMATED_VARIANT, VariantOutput),)),
    worst=str | None,
    spread=or_(published(Spread), None),
    averaged=or_(published(Averaged), None),
    notes=list[str],
    seconds=float,
)


class GoodnessOfFit(Output):
    """Tests of the fit on each group's largest excess: statistics and p-values."""

    anderson: float
    anderson_p: float
    cramer: float
    cramer_p: float
    excesses: int


class NoiseLeftIn(Output):
    """A forecast with the noise of the estimates left in."""

    worst_qrisk: float | None
    ci_low: float | None
    ci_high: float | None


class ForecastOutput(NoiseLeftIn):
    """A forecast for one horizon; null where the fit does not reach so far."""

    horizon: int
    level: float | None
    exceedance: dict[str, float | None]
    at_least_one: float | None
    at_least_one_low: float | None
    at_least_one_high: float | None
    at_least_one_bound: float | None
    noise_left_in: NoiseLeftIn


class ShareAbove(Output):
    """The share of queries riskier than tau, with its interval."""

    share: float | None
    ci_low: float | None
    ci_high: float | None


class RemarkOutput(Output):
    """A remark on a forecast as data: its code, how much it matters, and the values in it."""

    code: str
    level: str
    values: dict[str, Any]


class TailsOutput(ForecastOutput):
    """What `tails --json` prints; the forecast on top is that of the first horizon."""

    fit: str
    estimator: str | None
    threshold: float
    parameters: dict[str, float]
    confidence: float
    queries: int
    groups: int
    zero_hit_queries: int
    exceedances: int
    parameter_intervals: dict[str, tuple[float, float]]
    profile_intervals: dict[str, tuple[float | None, float | None]]
    goodness_of_fit: GoodnessOfFit | None
    supported_horizon: float
    forecasts: list[ForecastOutput]
    share_above: dict[str, ShareAbove]
    threshold_choice: str | None
    seed: int
    warnings: list[str]
    remarks: list[RemarkOutput]


class PreflightOutput(Output):
    """What `preflight --json` prints. Bytes: null where unknown."""

    ok: bool
    model: str
    findings: list[Finding]
    weights_bytes: int | None
    cache_bytes: int | None
    logits_bytes: int | None
    memory_bytes: int | None
    largest_batch: int | None


class DirectionOutput(Output):
    """What `direction --json` prints. separation: after block 0, 1, ..."""

    out: str
    behaviour: str
    model: str
    model_fingerprint: str
    position: str
    pairs: int
    blocks: int
    hidden_size: int
    separation: list[float]


class ReportOutput(Output):
    """What `report --json` prints. kind: run, audit, wordings or tail. pictures: the files written."""

    out: str
    kind: str
    id: str
    bytes: int
    answers_shown: bool
    pictures: list[str]


class BoundOutput(Output):
    """What `bound --json` prints: low and high bound the risk for certain.

    looked_into: beginnings of answers. waiting: those that could be looked into next; 0: all is settled.
    seconds: of searching, earlier calls included.
    """

    query: str
    model: str
    loading: LoadingSpec
    behaviour: str
    generation: GenerationSpec
    judge: str | None
    threshold: float | None
    model_fingerprint: str
    low: float
    high: float
    looked_into: int
    waiting: int
    seconds: float


class ModelsOutput(Output):
    """What `models --json` prints."""

    models: list[published(ListedModel)]  # type: ignore[valid-type]


OUTPUTS: dict[str, type[Output]] = {
    "estimate": ESTIMATE,
    "bound": BoundOutput,
    "tune": TUNE,
    "audit": AuditOutput,
    "sensitivity": SENSITIVITY,
    "tails": TailsOutput,
    "preflight": PreflightOutput,
    "direction": DirectionOutput,
    "report": ReportOutput,
    "models": ModelsOutput,
}
