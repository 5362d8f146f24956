"""A quick look at a proposal: a few answers from target and proposal, and how far apart the two are."""

import time
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import BehaviourError
from core.estimation.diagnostics import kl_divergence, overlap
from core.estimation.weights import LogWeights
from core.judges.base import Judge
from core.models.loading import LoadedModel
from core.proposals import relative_strength
from core.runs.prepare import fingerprints, proposal_context, ready_proposals
from core.runs.reach import Reach, reach
from core.runs.request import EstimateRequest, sampling_spec
from core.sampling.scored import answer_texts
from core.sampling.shards import DrawnShard, draw_rows, sampling_key

PREVIEW_ROWS = 64


@dataclass(frozen=True)
class PreviewAnswer:
    """One distinct answer. score: NaN if unjudged. log_weight: log p - log q of the answer, nats."""

    text: str
    count: int
    score: float
    harmful: bool
    log_weight: float


@dataclass(frozen=True)
class Preview:
    """What a few draws say about a proposal; too few for an estimate, enough to set the sliders by.

    Hit rates are raw shares of harmful answers. kl_target_proposal: mean of log p - log q over answers
    of the target, KL(p||q); kl_proposal_target the other way round. overlap: 1 - total variation
    distance. ess_share: effective sample size of the weights over the number of proposal draws. reach: what
    draws like these can carry, with the defensive share of the request.
    """

    target_answers: tuple[PreviewAnswer, ...]
    steered_answers: tuple[PreviewAnswer, ...]
    target_hit_rate: float
    steered_hit_rate: float
    kl_target_proposal: float
    kl_proposal_target: float
    overlap: float
    ess_share: float
    reach: Reach
    mean_weight: float
    relative_strength: float | None
    rows: int
    seconds: float


def preview(
    loaded: LoadedModel, request: EstimateRequest, judge: Judge, rows: int = PREVIEW_ROWS
) -> Preview:
    """Returns a preview from `rows` draws of each side; half a second on an embedded model.

    Raises:
        SpecError: the request names no proposal, or one that does not fit the model.
    """
    began = time.perf_counter()
    request = request.model_copy(update={"method": "is"})
    proposals = ready_proposals(loaded, request)
    known = fingerprints(loaded, proposals)
    both = sampling_spec(request, known, (0.5, 0.5))
    # Random numbers of the Monte Carlo stream: the target's answers stay put while the sliders move.
    unweighted = request.model_copy(update={"method": "mc"})
    alone = sampling_spec(unweighted, fingerprints(loaded, ()), (1.0,))
    shard = draw_rows(loaded, both, range(2 * rows), proposals, key=sampling_key(alone))
    texts = answer_texts(loaded, shard)
    judgements = judge.judge(request.query, texts)
    scores = np.array([np.nan if j.score is None else j.score for j in judgements])
    log_weight = (shard.rows.log_p - shard.rows.log_q[0]).sum(1)
    target, steered = shard.component == 0, shard.component != 0
    weights = LogWeights(log_weight[steered])
    with np.errstate(invalid="ignore"):
        harmful = scores >= request.threshold
    return Preview(
        target_answers=_answers(shard, target, texts, scores, harmful, log_weight),
        steered_answers=_answers(shard, steered, texts, scores, harmful, log_weight),
        target_hit_rate=float(harmful[target].mean()),
        steered_hit_rate=float(harmful[steered].mean()),
        kl_target_proposal=kl_divergence(log_weight[target]),
        kl_proposal_target=kl_divergence(-log_weight[steered]),
        overlap=overlap(log_weight[target]),
        ess_share=weights.ess / len(weights),
        reach=reach(
            log_weight, target, harmful, request.defensive_share, _cost(shard, steered, request)
        ),
        mean_weight=weights.mean,
        relative_strength=_relative_strength(loaded, request),
        rows=rows,
        seconds=time.perf_counter() - began,
    )


def _cost(shard: DrawnShard, steered: NDArray[np.bool_], request: EstimateRequest) -> float:
    """Returns the passes of a proposal's answer over those of the target's: 1 and 1 a steered token more.

    The passes over the question are not in it: rows share them.
    """
    lengths = (shard.rows.tokens >= 0).sum(1)[steered]
    switch = 0 if request.proposal is None else request.proposal.t_switch
    return 1.0 + float(np.minimum(lengths, switch).sum() / max(lengths.sum(), 1))


def _relative_strength(loaded: LoadedModel, request: EstimateRequest) -> float | None:
    """Returns the length of what is subtracted over the activations' own; None for other kinds."""
    if request.proposal is None:
        return None
    try:
        return relative_strength(
            loaded, request.proposal, proposal_context(loaded, request.behaviour)
        )
    except BehaviourError:  # a file that does not state lengths, and no pairs to measure them with
        return None


def _answers(
    shard: DrawnShard,
    chosen: NDArray[np.bool_],
    texts: list[str],
    scores: NDArray[np.float64],
    harmful: NDArray[np.bool_],
    log_weight: NDArray[np.float64],
) -> tuple[PreviewAnswer, ...]:
    """Returns the distinct answers among the chosen rows, the most frequent first."""
    rows = np.flatnonzero(chosen)
    counts = Counter(texts[row] for row in rows)
    first = {texts[row]: row for row in rows[::-1]}
    return tuple(
        PreviewAnswer(
            text=text,
            count=count,
            score=float(scores[first[text]]),
            harmful=bool(harmful[first[text]]),
            log_weight=float(log_weight[first[text]]),
        )
        for text, count in counts.most_common()
    )
