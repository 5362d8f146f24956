"""Checks of the proposals: do they steer past the mass? What the target's own draws say about it.

A proposal can raise the hit rate and yet never visit the answers that carry the harm
(docs/method.md#verdict). Weights then look healthy, because what was not visited has no weight to look
at. Only three things can speak: answers drawn from the target, which show where its mass lies; each
component's own mean weight, which falls short of 1 by the mass it skips; and other proposals.

What none of them can see: a proposal that covers nearly all the target's answers and skips just the
harmful ones, as long as no target draw hits one. A second proposal's draws can (`second_opinion`);
beyond them only the assumption-free bound covers that case.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.estimation.diagnostics import kl_divergence, overlap
from core.estimation.draws import BoolArray, Draws
from core.estimation.intervals import Interval, clopper_pearson, weighted_interval
from core.estimation.judged_share import judged_share, unjudged_interval
from core.estimation.weights import LogWeights, draw_weights, log_mixture, proposal_shares

# An answer is blind if the proposals make it a hundred times less often than the target does: ten
# times as many proposal rows then still add only a tenth to what the target rows tell of it.
BLIND_LOG_RATIO = math.log(0.01)
# Components are compared at 99.9%, since many pairs are looked at, and only from five hits on.
COMPONENT_CONFIDENCE = 0.999
COMPONENT_MIN_HITS = 5


@dataclass(frozen=True)
class ComponentEstimate:
    """What the rows of one component say when weighted by p/q of that component alone.

    mean_weight: expectation 1; the shortfall is target mass that this component has not visited.
    low, high: 99.9% interval of the estimate, [0, 1] below five hits; the target's, whose estimate is
        Monte Carlo, is Clopper & Pearson's.
    ess_event: effective number of its hits.
    contribution: share of the balance heuristic's mean of w*h that comes from its rows.
    """

    name: str
    rows: int
    hits: int
    mean_weight: float
    mean_weight_error: float
    estimate: float
    low: float
    high: float
    ess_event: float
    contribution: float
    is_target: bool = False


@dataclass(frozen=True)
class ComponentChecks:
    """What speaks for or against the proposals together (q, their mixture by rows drawn).

    target_rows, target_hits: judged rows that the target drew, and how many are harmful.
    target_conflict: probability of target hits as far off as seen, if the proposals' own interval
        held the truth; the smaller tail, at the nearer end. 1 if there is nothing to compare.
    kl: mean of log p - log q over target-drawn rows, nats, an estimate of KL(p||q).
    overlap: mean of min(1, q/p) over target-drawn rows, an estimate of 1 - total variation.
    blind_share: share of target-drawn rows with q/p below 0.01.
    blind_hits, blind_hit_share: harmful rows with q/p below 0.01; their share of the estimate.
    proposal_mean_weight, proposal_mean_weight_high: mean of p/q over proposal-drawn rows, and the
        upper end of its 99.9% interval; 1 in expectation.
    disagreement: the highest lower end over the lowest upper end among proposals; above 1 no
        value suits them all.
    """

    target_rows: int
    target_hits: int
    proposal_rows: int
    proposal_hits: int
    target_conflict: float
    kl: float
    overlap: float
    blind_share: float
    blind_hits: int
    blind_hit_share: float
    proposal_mean_weight: float
    proposal_mean_weight_high: float
    components: tuple[ComponentEstimate, ...]
    disagreement: float

    @property
    def proposals(self) -> tuple[ComponentEstimate, ...]:
        """The components but the target."""
        return tuple(component for component in self.components if not component.is_target)


def component_checks(
    draws: Draws, event_weights: LogWeights, confidence: float = 0.95
) -> ComponentChecks:
    """Returns the checks; nan where the draws hold no rows to compute one from.

    event_weights: the balance-heuristic values of w*h for the same rows.
    """
    log_q = log_mixture(draws.log_q, proposal_shares(draws))
    log_ratio = draws.log_p - log_q
    # Both impossible: the row carries no weight and says nothing about the proposal.
    log_ratio = np.where(draws.log_p == -np.inf, -np.inf, log_ratio)
    target = draws.from_target
    has_proposals = bool((~target).any())
    on_target = log_ratio[target] if has_proposals else np.zeros(0)
    raw = LogWeights(log_ratio[~target])
    blind = draws.harmful & (-log_ratio < BLIND_LOG_RATIO) & has_proposals
    components = _component_estimates(draws, event_weights)
    return ComponentChecks(
        target_rows=int((target & draws.judged).sum()),
        target_hits=int((target & draws.harmful).sum()),
        proposal_rows=int((~target & draws.judged).sum()),
        proposal_hits=int((~target & draws.harmful).sum()),
        target_conflict=_target_conflict(draws, raw, confidence),
        kl=kl_divergence(on_target),
        overlap=overlap(on_target),
        blind_share=_share_true(-on_target < BLIND_LOG_RATIO),
        blind_hits=int(blind.sum()),
        blind_hit_share=_share(event_weights, blind),
        proposal_mean_weight=raw.mean,
        proposal_mean_weight_high=_mean_weight_high(raw),
        components=components,
        disagreement=_disagreement(components),
    )


def _share_true(rows: BoolArray) -> float:
    return int(rows.sum()) / len(rows) if len(rows) else math.nan


def _share(event_weights: LogWeights, rows: BoolArray) -> float:
    total = event_weights.mean
    return event_weights.where(rows).mean / total if total > 0 else 0.0


def _mean_weight_high(raw: LogWeights) -> float:
    """Upper end for the mean of p/q; unlike a probability it may exceed 1, so it is scaled down."""
    if raw.ess == 0:
        return math.nan
    scale = raw.log_largest + 2 * math.log(len(raw) + 1)
    scaled = LogWeights(raw.values - scale)
    return math.exp(scale) * weighted_interval(scaled, COMPONENT_CONFIDENCE).high


def _target_conflict(draws: Draws, raw: LogWeights, confidence: float) -> float:
    """P(target hits at least, or at most, as many as seen) at the nearer end of the proposals' own
    interval; the smaller of the two. Conditional on nothing but the row counts, hence exact."""
    proposal = ~draws.from_target
    harmful = draws.harmful[proposal]
    n = int((draws.from_target & draws.judged).sum())
    if n == 0 or raw.where(harmful).ess == 0:
        return 1.0
    # Of the judged answers, on both sides.
    share = judged_share(draw_weights(draws), draws.judged)
    interval = share.interval(weighted_interval(raw.where(harmful), confidence))
    hits = int((draws.from_target & draws.harmful).sum())
    too_many = float(stats.binom.sf(hits - 1, n, interval.high))
    too_few = float(stats.binom.cdf(hits, n, interval.low))
    return min(too_many, too_few, 1.0)


def _component_estimates(draws: Draws, event_weights: LogWeights) -> tuple[ComponentEstimate, ...]:
    estimates = []
    for j, name in enumerate(draws.component_names):
        rows = draws.component == j
        if not rows.any():
            continue
        own = LogWeights(draws.log_p[rows] - draws.log_q[rows, j])
        harmful, judged = draws.harmful[rows], draws.judged[rows]
        event, share = own.where(harmful), judged_share(own, judged)
        hits = int(harmful.sum())
        is_target = j == draws.target_component
        interval = Interval(0.0, 1.0, "none")
        if is_target:
            interval = clopper_pearson(hits, int(judged.sum()), COMPONENT_CONFIDENCE)
        elif hits >= COMPONENT_MIN_HITS and event.ess > 0:
            interval = unjudged_interval(own, harmful, judged, COMPONENT_CONFIDENCE)
        estimates.append(
            ComponentEstimate(
                name=name,
                rows=len(own),
                hits=hits,
                mean_weight=own.mean,
                mean_weight_error=own.standard_error,
                estimate=share.scaled(event.mean) if judged.any() else math.nan,
                low=interval.low,
                high=interval.high,
                ess_event=event.ess,
                contribution=_share(event_weights, rows),
                is_target=is_target,
            )
        )
    return tuple(estimates)


def _disagreement(components: tuple[ComponentEstimate, ...]) -> float:
    proposals = [component for component in components if not component.is_target]
    lowest_high = min((proposal.high for proposal in proposals), default=1.0)
    highest_low = max((proposal.low for proposal in proposals), default=0.0)
    return highest_low / lowest_high if lowest_high > 0 else math.inf
