"""One query of an audit as a state: which rows to draw next, and the row that it ends in.

    state = init(spec, query, prepared, planning_threshold)
    while (wanted := next_rows(state)) is not None:
        state = update(state, StageResult(shards of these rows, drawn and judged))
    state.row

A query has several samples, its arms. Each is a state of the adaptive sampler; they are drawn one after
the other, and a precision is looked at in between.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from core.audit.rows import Answer, AuditRow
from core.audit.spec import AuditSpec, under_system
from core.estimation.record import Estimate
from core.executors.worker import Prepared
from core.proposals import AnyProposalSpec
from core.queries.query import Query
from core.runs.estimate import estimate_shards, second_samples
from core.runs.request import EstimateRequest, Fingerprints, sampling_plan
from core.sampling import adaptive
from core.sampling.adaptive import Stage
from core.sampling.scored import JudgedShard
from core.spec import UNWEIGHTED, GenerationSpec

# The likeliest answer; the second proposal's sample; the estimate's; the direct count's.
ArmName = Literal["greedy", "second", "weighted", "mc"]
# An estimate is looked at after so many rows, then after twice as many, and so on.
FIRST_LOOK = 250


@dataclass(frozen=True)
class StageRequest:
    """Rows that are to be drawn and judged before a query can go on."""

    arm: ArmName
    request: EstimateRequest
    stage: Stage
    judge_spec: dict[str, Any]


@dataclass(frozen=True)
class StageResult:
    """The shards of a `StageRequest`, in any order. texts: the answer's text where there is but one."""

    shards: Sequence[JudgedShard]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arm:
    """One of a query's samples."""

    name: ArmName
    request: EstimateRequest
    sample: adaptive.State


@dataclass(frozen=True)
class QueryState:
    """Where a query stands.

    row: what is known so far. waiting: the arms that are not finished; the first one is being drawn.
    second: the second proposal's shards, once they are there. precision: as in `AuditSpec`.
    """

    row: AuditRow
    waiting: tuple[Arm, ...]
    judge_spec: dict[str, Any]
    precision: float | None
    second: tuple[JudgedShard, ...] = ()


def init(
    spec: AuditSpec,
    query: Query,
    prepared: Prepared,
    planning_threshold: float,
    generation: GenerationSpec | None = None,
) -> QueryState:
    """Returns the state before the first row.

    planning_threshold: the behaviour's own. generation: for this query, None for the audit's own.

    Raises:
        SpecError: the query cannot be asked like this.
    """

    def asked(request: EstimateRequest) -> EstimateRequest:
        own = under_system(generation or request.generation, query.system)
        return under(request.model_copy(update={"query": query.text}), own)

    def arm(
        name: ArmName, request: EstimateRequest, samples: int, known: Fingerprints = prepared.known
    ) -> Arm:
        if request.method in UNWEIGHTED:
            known = replace(known, proposals=())
        plan = sampling_plan(request, known, samples, planning_threshold)
        return Arm(name, request, adaptive.init(plan))

    request = asked(prepared.request)
    direct = request.model_copy(update={"method": "mc"})
    # The likeliest token alone, so that greedy decoding is a sample like any other.
    likeliest = request.generation.model_copy(update={"top_k": 1})
    arms = [arm("greedy", direct.model_copy(update={"generation": likeliest}), 1)]
    if spec.method == "mc" and spec.monte_carlo_samples == 0:
        arms.append(arm("mc", direct, spec.samples))
    else:
        if prepared.second is not None:
            second, count = asked(prepared.second.request), second_samples(spec.samples)
            arms.append(arm("second", second, count, prepared.second.known))
        arms.append(arm("weighted", request, spec.samples))
        if spec.monte_carlo_samples:
            arms.append(arm("mc", direct, spec.monte_carlo_samples))
    row = AuditRow(request.model, query, request)
    return QueryState(row, tuple(arms), prepared.judge_spec, spec.precision)


def next_rows(state: QueryState) -> StageRequest | None:
    """Returns the rows that the query waits for; None once its row is whole."""
    for arm in state.waiting:
        stage = adaptive.next_rows(arm.sample)
        if stage is not None:
            if arm.name == "weighted" and state.precision is not None:
                # Each look takes as many rows as all before it, so that one may stop in between.
                look = max(FIRST_LOOK, 2 * stage.start)
                stage = replace(stage, stop=min(stage.stop, look))
            return StageRequest(arm.name, arm.request, stage, state.judge_spec)
    return None


def update(state: QueryState, result: StageResult) -> QueryState:
    """Returns the state with the rows that `next_rows` has asked for.

    Raises:
        ValueError: they are of other rows.
    """
    first, *later = state.waiting
    arm = replace(first, sample=adaptive.update(first.sample, result.shards))
    whole = adaptive.next_rows(arm.sample) is None
    grown = replace(state, waiting=(arm, *later))
    if arm.name == "weighted":
        return _looked_at(grown, arm, whole=whole)
    return _finished(grown, arm, result.texts) if whole else grown


def _looked_at(state: QueryState, arm: Arm, *, whole: bool) -> QueryState:
    """Returns the state after a look at the estimate, which ends the arm if it is precise enough."""
    if state.precision is None and not whole:
        return state
    estimate = estimate_shards(arm.sample.shards, arm.request, state.second)
    narrow = state.precision is not None and is_narrow(estimate, state.precision)
    if not narrow and not whole:
        return state
    row = replace(state.row, estimate=estimate, stopped="precision" if narrow else "budget")
    return replace(state, row=row, waiting=state.waiting[1:])


def _finished(state: QueryState, arm: Arm, texts: tuple[str, ...]) -> QueryState:
    """Returns the state with what a whole arm says; the arm itself is dropped."""
    row, shards = state.row, arm.sample.shards
    later = replace(state, waiting=state.waiting[1:])
    if arm.name == "second":
        return replace(later, second=shards)
    if arm.name == "greedy":
        score = float(shards[0].scores[0])
        harmful = None if math.isnan(score) else score >= arm.request.threshold
        return replace(later, row=replace(row, greedy=Answer(texts[0] if texts else "", harmful)))
    count = estimate_shards(shards, arm.request)
    if row.estimate is None:  # the direct count is the estimate
        row = replace(row, estimate=count, stopped="budget")
    return replace(later, row=replace(row, monte_carlo=count))


def is_narrow(estimate: Estimate, precision: float) -> bool:
    """Returns whether neither end of the interval is further from the estimate than this share of it.

    Each end by itself: a lopsided interval may be narrow as a whole and yet reach far up. Never of an
    estimate that should not be used.
    """
    if estimate.hits == 0 or estimate.verdict == "do not use":
        return False
    reach = precision * estimate.estimate
    return (
        estimate.ci_high - estimate.estimate <= reach
        and estimate.estimate - estimate.ci_low <= reach
    )


def under(request: EstimateRequest, generation: GenerationSpec) -> EstimateRequest:
    """Returns a request under another generation; proposals act no longer than its answers last."""

    def fitted(proposal: AnyProposalSpec) -> AnyProposalSpec:
        return proposal.model_copy(
            update={"t_switch": min(proposal.t_switch, generation.max_new_tokens)}
        )

    first = None if request.proposal is None else fitted(request.proposal)
    # Two that are cut to the same length may be the same; drawing from both is then merely a larger share.
    others = tuple(fitted(other) for other in request.companions)
    changed = {"generation": generation, "proposal": first, "companions": others}
    return request.model_copy(update=changed)
