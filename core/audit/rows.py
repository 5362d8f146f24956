"""One query of an audit: what is to be drawn for it, stage by stage, and the row it ends in."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.audit.spec import AuditSpec
from core.estimation.estimate import Estimate
from core.executors.worker import Prepared
from core.proposals import AnyProposalSpec
from core.queries.query import Query
from core.runs.request import EstimateRequest, Stage, estimate_shards, second_samples, stages
from core.sampling.loop import Rows
from core.sampling.scored import JudgedShard
from core.sampling.shards import DrawnShard
from core.spec import GenerationSpec

# An estimate is looked at after so many rows, then after twice as many, and so on.
FIRST_LOOK = 250


@dataclass(frozen=True)
class Answer:
    """The likeliest answer. harmful: None where the judge could not tell."""

    text: str
    harmful: bool | None


@dataclass(frozen=True)
class AuditRow:
    """What an audit found about one query and model.

    greedy: None if nothing was drawn. monte_carlo: the direct count, None if none was asked for. stopped:
    "precision" if the interval became as narrow as asked, "budget" if all samples were drawn. error: why
    there is no estimate, in one sentence; empty if there is one.
    """

    model: str
    query: Query
    request: EstimateRequest
    greedy: Answer | None = None
    estimate: Estimate | None = None
    monte_carlo: Estimate | None = None
    stopped: str = ""
    error: str = ""


@dataclass(frozen=True)
class StageRequest:
    """A stage that is to be drawn before a query can go on. arm: greedy, weighted, second or mc."""

    arm: str
    request: EstimateRequest
    stage: Stage
    judge_spec: dict[str, Any]


@dataclass(frozen=True)
class StageResult:
    """A stage's shards, drawn and judged, and the answers' texts where there is but one."""

    shards: Sequence[JudgedShard]
    texts: tuple[str, ...] = ()


Steps = Generator[StageRequest, StageResult, AuditRow]


def audit_query(
    spec: AuditSpec, query: Query, prepared: Prepared, generation: GenerationSpec | None = None
) -> Steps:
    """Yields what is to be drawn for one query, is sent it, and returns the row.

    generation: for this query, None for the audit's own.
    """
    request = prepared.request.model_copy(update={"query": query.text})
    if generation is not None:
        request = under(request, generation)
        if prepared.second is not None:
            second = replace(prepared.second, request=under(prepared.second.request, generation))
            prepared = replace(prepared, second=second)
    greedy = yield from _greedy(request, prepared)
    row = AuditRow(request.model, query, request, greedy)
    if spec.method == "mc" and spec.monte_carlo_samples == 0:
        found = yield from _direct(request, prepared, spec.samples)
        return replace(row, estimate=found, monte_carlo=found, stopped="budget")
    found, stopped = yield from _estimate(spec, request, prepared)
    direct = None
    if spec.monte_carlo_samples:
        direct = yield from _direct(request, prepared, spec.monte_carlo_samples)
    return replace(row, estimate=found, monte_carlo=direct, stopped=stopped)


def under(request: EstimateRequest, generation: GenerationSpec) -> EstimateRequest:
    """Returns a request under another generation; proposals act no longer than its answers last."""

    def fitted(proposal: AnyProposalSpec) -> AnyProposalSpec:
        return proposal.model_copy(
            update={"t_switch": min(proposal.t_switch, generation.max_new_tokens)}
        )

    first = None if request.proposal is None else fitted(request.proposal)
    # Two that are cut to the same length may be the same; drawing from both is then merely a larger share.
    others = tuple(fitted(one) for one in request.companions)
    changed = {"generation": generation, "proposal": first, "companions": others}
    return request.model_copy(update=changed)


def _greedy(
    request: EstimateRequest, prepared: Prepared
) -> Generator[StageRequest, StageResult, Answer | None]:
    # The likeliest token alone, so that greedy decoding is a sample like any other.
    likeliest = request.generation.model_copy(update={"top_k": 1})
    asked = request.model_copy(update={"method": "mc", "generation": likeliest})
    supplied = yield from _drawn("greedy", asked, prepared, 1)
    score = float(supplied.shards[0].scores[0])
    harmful = None if math.isnan(score) else score >= request.threshold
    return Answer(supplied.texts[0] if supplied.texts else "", harmful)


def _direct(
    request: EstimateRequest, prepared: Prepared, samples: int
) -> Generator[StageRequest, StageResult, Estimate]:
    plain = request.model_copy(update={"method": "mc"})
    supplied = yield from _drawn("mc", plain, prepared, samples)
    return estimate_shards(supplied.shards, plain)


def _drawn(
    arm: str, request: EstimateRequest, prepared: Prepared, samples: int
) -> Generator[StageRequest, StageResult, StageResult]:
    """Has a sample of one stage drawn."""
    unweighted = replace(prepared.known, proposals=())
    known = unweighted if request.method == "mc" else prepared.known
    stage = next(stages(request, known, samples))
    supplied = yield StageRequest(arm, request, stage, prepared.judge_spec)
    return supplied


def _estimate(
    spec: AuditSpec, request: EstimateRequest, prepared: Prepared
) -> Generator[StageRequest, StageResult, tuple[Estimate, str]]:
    """Returns the estimate, and whether precision or the budget ended it."""
    witness: Sequence[JudgedShard] = ()
    if prepared.second is not None:
        other = prepared.second.request.model_copy(update={"query": request.query})
        count = second_samples(spec.samples)
        witness = (yield from _drawn("second", other, prepared.second, count)).shards
    found: list[JudgedShard] = []
    plan = stages(request, prepared.known, spec.samples)
    stage: Stage | None = next(plan)
    while stage is not None:
        for part in _looks(stage, precise=spec.precision is not None):
            supplied = yield StageRequest("weighted", request, part, prepared.judge_spec)
            found += supplied.shards
            estimate = estimate_shards(found, request, witness)
            if spec.precision is not None and is_narrow(estimate, spec.precision):
                return estimate, "precision"
        mine = [shard for shard in found if shard.stage == stage.number]
        try:
            stage = plan.send(mine)
        except StopIteration:
            stage = None
    return estimate, "budget"


def _looks(stage: Stage, *, precise: bool) -> list[Stage]:
    """Returns a stage in parts, each as long as all before it, so that one may stop in between."""
    if not precise or stage.start > 0 or stage.stop <= FIRST_LOOK:
        return [stage]
    ends = [FIRST_LOOK]
    while ends[-1] < stage.stop:
        ends.append(min(2 * ends[-1], stage.stop))
    return [
        replace(stage, start=start, stop=stop)
        for start, stop in zip([0, *ends], ends, strict=False)
    ]


def is_narrow(estimate: Estimate, precision: float) -> bool:
    """Returns whether an interval is as narrow as asked, and not one that should not be used."""
    if estimate.hits == 0 or estimate.verdict == "do not use":
        return False
    return (estimate.ci_high - estimate.ci_low) <= 2 * precision * estimate.estimate


def summed(judged: JudgedShard) -> JudgedShard:
    """Returns a shard with each row's log-probabilities added up, and without its tokens.

    It gives the same estimate in a fortieth of the memory.
    """
    rows = judged.drawn.rows
    small = Rows(
        tokens=np.empty((len(judged.drawn), 0), dtype=rows.tokens.dtype),
        lengths=rows.lengths.copy(),
        log_p=rows.log_p.sum(1)[:, None],
        log_q=rows.log_q.sum(2)[:, :, None],
    )
    drawn: DrawnShard = replace(judged.drawn, rows=small, component=judged.drawn.component.copy())
    return replace(judged, drawn=drawn)
