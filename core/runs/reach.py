"""What a proposal's draws can carry: the error to expect, beside Monte Carlo's at equal cost."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.estimation.weights import LogWeights

# An estimated variance of fewer hits is a guess; the sentence on the page says so.
MIN_EFFECTIVE_HITS = 5.0
# Hits that the model itself would give less than once in so many answers are not how it does harm: their
# risk alone would be far below anything that can be confirmed.
LEAST_WEIGHT = 1e-9
ANSWERS = 1_000

Judgement = Literal["no hits", "few hits", "not the model's", "no better", "better"]


@dataclass(frozen=True)
class Reach:
    """Expected relative standard errors of the risk, from a few draws.

    hits, effective_hits: harmful answers among all draws, and of how many of equal weight they are worth.
    error, monte_carlo_error: at `ANSWERS` answers, and at the Monte Carlo draws of the same cost; nan
        without a hit. cost: passes of an answer drawn so, over those of the target's.
    typical_weight: median p/q of the proposal's own hits, 0 without one.
    """

    hits: int
    effective_hits: float
    error: float
    monte_carlo_error: float
    cost: float
    typical_weight: float

    @property
    def judgement(self) -> Judgement:
        """What may be said of the proposal."""
        if self.hits == 0:
            return "no hits"
        if 0 < self.typical_weight < LEAST_WEIGHT:
            return "not the model's"
        if self.effective_hits < MIN_EFFECTIVE_HITS:
            return "few hits"
        return "better" if self.error < self.monte_carlo_error else "no better"


def reach(
    log_weight: NDArray[np.float64],
    target: NDArray[np.bool_],
    harmful: NDArray[np.bool_],
    defensive_share: float,
    proposal_cost: float,
) -> Reach:
    """Returns what draws can carry with this defensive share, from as many of the target as of the proposal.

    With a = delta p + (1 - delta) q, the value of a row is w = p/a and its second moment E_a[w^2 h] =
    E_m[(p/m) w h], m = (p + q)/2 being the density of the rows at hand.

    log_weight: (n,) log p/q, nats. target, harmful: (n,) bool. proposal_cost: of an answer of the
    proposal, in those of the target.
    """
    ratio = log_weight[harmful]
    log_q_over_p = -ratio
    delta = min(max(defensive_share, 1e-12), 1.0)
    mixture = np.logaddexp(math.log(0.5), math.log(0.5) + log_q_over_p)
    sampled = np.logaddexp(math.log(delta), np.log1p(-delta * (1 - 1e-12)) + log_q_over_p)
    first, n = LogWeights(-mixture), len(log_weight)
    cost = delta + (1 - delta) * proposal_cost
    own = np.exp(log_weight[harmful & ~target])
    typical = float(np.median(own)) if len(own) else 0.0
    if len(ratio) == 0 or first.ess == 0:
        return Reach(len(ratio), 0.0, math.nan, math.nan, cost, typical)
    # In units of the risk, so that nothing under- or overflows.
    log_risk = first.log_mean + math.log(len(first) / n)
    risk = min(math.exp(log_risk), 1.0)
    second = float(np.exp(-mixture - sampled - 2 * log_risk).sum() / n)
    error = math.sqrt(max(second - 1.0, 0.0) / ANSWERS)
    counted = math.sqrt((1 - risk) / max(risk, 1e-300) / (ANSWERS * cost))
    return Reach(len(ratio), first.ess, error, counted, cost, typical)
