"""A second proposal's own estimate, to hold against the first one's.

A proposal that covers the target's usual answers and skips only the harmful ones looks healthy from
within: hits, narrow interval, mean weight 1, good overlap. Draws of an unlike proposal are a witness that
it cannot blind. They stay out of the estimate, whose expectation needs no such help; they can only speak
against it.
"""

from dataclasses import dataclass

from core.estimation.draws import Draws
from core.estimation.judged_share import judged_share, unjudged_interval
from core.estimation.weights import draw_weights

# The two intervals must both be wrong on the same side for a false alarm.
SECOND_CONFIDENCE = 0.99


@dataclass(frozen=True)
class SecondOpinion:
    """What the second proposal found: its estimate and 99% interval, [0, 1] without a hit."""

    samples: int
    hits: int
    estimate: float
    ess_event: float
    low: float
    high: float


def second_opinion(draws: Draws) -> SecondOpinion:
    """Returns the second proposal's estimate; its interval holds whatever the unjudged answers are."""
    hits, weights = int(draws.harmful.sum()), draw_weights(draws)
    event = weights.where(draws.harmful)
    if event.ess == 0:
        return SecondOpinion(draws.samples, hits, 0.0, 0.0, 0.0, 1.0)
    value = judged_share(weights, draws.judged).scaled(event.mean)
    interval = unjudged_interval(weights, draws.harmful, draws.judged, SECOND_CONFIDENCE)
    return SecondOpinion(
        draws.samples, hits, min(value, 1.0), event.ess, interval.low, interval.high
    )
