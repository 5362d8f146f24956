"""The estimate by look-ahead: from what beginnings of answers are worth to a risk and its verdict."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import ndtri

from core.estimation.confidence_sequence import ConfidenceSequence, mean_sequence
from core.estimation.draws import Ahead, Draws, FloatArray
from core.estimation.evidence import Reason, Verdict, above, below, reason
from core.estimation.intervals import Interval, clopper_pearson_upper, weighted_interval
from core.estimation.pareto import Khat, khat_threshold, pareto_khat
from core.estimation.record import Estimate, PathPoint
from core.estimation.verdict import (
    MAX_CI_RATIO,
    MAX_SHARE,
    MIN_ESS_EVENT,
    USABLE_CI_RATIO,
    USABLE_ESS_EVENT,
    USABLE_KHAT,
    USABLE_SHARE,
)
from core.estimation.weights import LogWeights
from core.estimation.words import per_million

# The interval claims so many times more than the draws alone rule out.
MAX_CLAIM = 3.0
# A sum of rounded probabilities may be off by this share of itself.
ROUNDING = 1e-9


def ahead_estimate(draws: Draws, confidence: float = 0.95) -> Estimate:
    """Returns the estimate from beginnings of answers that the target drew.

    The exact part, which is the same in every row, is taken off first: what remains of a row's value lies in
    0..largest - exact and gets the interval of weighted draws with that bound. Where nothing remains in any
    row, the upper end is that of no hit in so many draws, each worth as much as it can be. The anytime-valid
    bounds are those of betting on what remains.

    Where fewer than 15 rows' worth carries what remains, the interval reaches at least as far as if no row
    had met harm, and the standard error is that of the interval.

    A beginning that no draw met may be worth as much as a row can be. No interval made of the rows knows of
    it; `upper_bound_free` does.

    Parameters
    ----------
    draws : Draws
        n beginnings, with `ahead`.
    confidence : float in (0, 1)
        Level of each of the two intervals.

    Returns
    -------
    Estimate
        The risk, a probability. What belongs to proposals is nan.

    Raises
    ------
    ValueError
        No draws, or a value outside exact..largest, with its row.

    References
    ----------
    Hammersley & Handscomb (1964), "Monte Carlo Methods", section 5.4 (conditional Monte Carlo).
    Maurer & Pontil (2009), "Empirical Bernstein bounds and sample-variance penalization", theorem 4.

    Examples
    --------
    A hundred beginnings, each worth exactly what is known without them:

    >>> import numpy as np
    >>> draws = Draws.of_beginnings(Ahead(np.log(np.full(100, 0.25)), exact=0.25, largest=1.0))
    >>> found = ahead_estimate(draws)
    >>> found.estimate, found.ci_low, round(found.ci_high, 3)
    (0.25, 0.25, 0.272)
    """
    known = _known(draws)
    rest, room, count = _rest(known), known.largest - known.exact, draws.samples
    weights = _log_weights(rest)
    value, error, interval = _point(known, rest, weights, confidence)
    sequence = _sequence(known, rest, [count], confidence)
    share = float(rest.max(initial=0.0)) / count / value if value > 0 else math.nan
    khat = pareto_khat(weights)
    free = interval.high
    if weights.ess > 0:
        free = min(known.exact + _empirical_bernstein(rest, room, confidence), known.certain_high)
    decision, reasons = _verdict(known, value, interval, weights.ess, share, khat, count, free)
    return Estimate(
        method="ahead",
        samples=count,
        hits=int((known.log_values > -np.inf).sum()),
        unjudged=0,
        estimate=value,
        standard_error=error,
        ci_low=interval.low,
        ci_high=interval.high,
        confidence=confidence,
        interval_method=interval.method,
        cs_low=float(sequence.low[-1]),
        cs_high=float(sequence.high[-1]),
        upper_bound_free=free,
        ess=math.nan,
        ess_event=(value / error) ** 2 if error > 0 else float(count),
        khat=khat.value,
        khat_reason=khat.reason,
        max_weight_share=share,
        max_weight_share_all=math.nan,
        mean_weight=math.nan,
        kl_target_proposal=math.nan,
        overlap=math.nan,
        proposal_mean_weight=math.nan,
        hit_rate=math.nan,
        verdict=decision,
        reasons=reasons,
        monte_carlo_equivalent=value * (1 - value) / error**2 if error > 0 else math.nan,
        forward_tokens=draws.forward_tokens,
        seconds=draws.seconds,
        samples_per_second=count / draws.seconds if draws.seconds > 0 else math.nan,
        exact=known.exact,
        certain_low=known.certain_low,
        certain_high=known.certain_high,
    )


def ahead_path(
    draws: Draws, checkpoints: Sequence[int], confidence: float = 0.95
) -> tuple[PathPoint, ...]:
    """Returns the estimate at growing sample sizes. checkpoints: ascending row counts in 1..n.

    Raises:
        ValueError: as `ahead_estimate` and `confidence_sequence`.
    """
    known = _known(draws)
    rest = _rest(known)
    sequence = _sequence(known, rest, checkpoints, confidence)
    points = []
    for k, size in enumerate(sequence.samples.tolist()):
        head = rest[:size]
        value, _, interval = _point(known, head, _log_weights(head), confidence)
        hits = int((known.log_values[:size] > -np.inf).sum())
        bounds = float(sequence.low[k]), float(sequence.high[k])
        points.append(PathPoint(size, hits, value, interval.low, interval.high, *bounds))
    return tuple(points)


def _known(draws: Draws) -> Ahead:
    """Returns what the rows are worth, checked."""
    known = draws.ahead
    if known is None:
        raise ValueError("look-ahead needs beginnings of answers, got whole ones")
    if len(known.log_values) == 0:
        raise ValueError("look-ahead needs at least 1 beginning, got 0")
    values, slack = np.exp(known.log_values), ROUNDING
    bad = ~((values >= known.exact - slack) & (values <= known.largest + slack))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"values must be in {known.exact:g}..{known.largest:g}, got {values[row]:g} in row {row}"
        )
    return known


def _rest(known: Ahead) -> FloatArray:
    """Returns what each row is worth beyond the exact part, (n,)."""
    rest = np.clip(np.exp(known.log_values) - known.exact, 0.0, known.largest - known.exact)
    # What is left of a difference of equal numbers is rounding.
    rest[rest <= ROUNDING * known.exact] = 0.0
    return np.asarray(rest)


def _log_weights(rest: FloatArray) -> LogWeights:
    with np.errstate(divide="ignore"):
        return LogWeights(np.log(rest))


def _point(
    known: Ahead, rest: FloatArray, weights: LogWeights, confidence: float
) -> tuple[float, float, Interval]:
    """Returns value, standard error and interval."""
    count, room = len(rest), known.largest - known.exact
    value = min(known.exact + float(rest.mean()), known.certain_high)
    error = float(rest.std(ddof=1) / count**0.5) if count > 1 else 0.0
    if weights.ess == 0:
        high = known.exact + room * clopper_pearson_upper(0, count, confidence)
        interval = Interval(known.exact, high, "Clopper-Pearson on beginnings")
    else:
        within = weighted_interval(weights, confidence, room)
        most = within.high
        if weights.ess < MIN_ESS_EVENT:
            # So few rows carry the rest that it might as well not have been met: then it is as likely
            # elsewhere, where no row was.
            most = max(most, room * clopper_pearson_upper(0, count, confidence))
        interval = Interval(known.exact + within.low, known.exact + most, within.method)
    ends = min(interval.low, value), max(min(interval.high, known.certain_high), value)
    if weights.ess < MIN_ESS_EVENT:
        error = max(error, (ends[1] - ends[0]) / (2 * float(ndtri((1 + confidence) / 2))))
    return value, error, Interval(*ends, interval.method)


def _sequence(
    known: Ahead, rest: FloatArray, checkpoints: Sequence[int], confidence: float
) -> ConfidenceSequence:
    """Returns anytime-valid bounds on the risk: those of betting on what remains."""
    room = known.largest - known.exact
    if room == 0:
        points = np.asarray(checkpoints, dtype=np.int64)
        same = np.full(len(points), known.exact)
        return ConfidenceSequence(points, same, same, confidence)
    found = mean_sequence(_log_weights(rest).values, room, checkpoints, confidence)
    low, high = known.exact + found.low, np.minimum(known.exact + found.high, known.certain_high)
    return ConfidenceSequence(found.samples, low, high, confidence)


def _empirical_bernstein(rest: FloatArray, room: float, confidence: float) -> float:
    """Returns a one-sided bound on the mean of values in 0..room (Maurer & Pontil 2009, theorem 4)."""
    count = len(rest)
    if count < 2:
        return room
    log_term = math.log(2 / (1 - confidence))
    spread = math.sqrt(2 * float(rest.var(ddof=1)) * log_term / count)
    return float(rest.mean()) + spread + 7 * room * log_term / (3 * (count - 1))


def _verdict(
    known: Ahead,
    value: float,
    interval: Interval,
    ess: float,
    share: float,
    khat: Khat,
    count: int,
    free: float,
) -> tuple[Verdict, tuple[Reason, ...]]:
    """Returns the verdict and the reasons, worst first. ess, share, khat: of what the draws add."""
    reasons = list(_reasons(known, value, interval, ess, share, khat, count, free))
    reasons.sort(key=lambda doubt: doubt.level == "caution")
    return (reasons[0].level if reasons else "trust"), tuple(reasons)


def _reasons(
    known: Ahead,
    value: float,
    interval: Interval,
    ess: float,
    share: float,
    khat: Khat,
    count: int,
    free: float,
) -> Iterator[Reason]:
    if value == 0:
        message = "No token was met that would settle harm: only an upper bound is known."
        yield reason("zero_hits", "caution", message, 0, 1)
        return
    ratio = interval.high / interval.low if interval.low > 0 else math.inf
    message = f"The interval's upper end is {ratio:.3g} times its lower end."
    yield from above("wide_interval", ratio, MAX_CI_RATIO, USABLE_CI_RATIO, message)
    if known.certain_high <= MAX_CI_RATIO * known.exact:
        # Whatever the draws add, the number is known for certain well enough.
        return
    # Softmax gives every token some mass, so rows that met nothing are worth a little, and agree: a model
    # that opens one answer in 200 in a way that leads to harm looked settled at half of the truth.
    message = (
        "A way to harm that no beginning has met is in no interval: the draws rule out no more than a risk "
        f"above {per_million(free)}."
    )
    yield from above("unmet", free, MAX_CLAIM * interval.high, math.inf, message)
    message = f"What the draws add rests on {ess:.1f} draws' worth of equal value."
    least = 0.0 if known.exact > value / 2 else USABLE_ESS_EVENT
    yield from below("few_hits", ess, MIN_ESS_EVENT, least, message)
    message = f"A single beginning holds {share:.0%} of the estimate."
    yield from above("largest_share", share, MAX_SHARE, USABLE_SHARE, message)
    limit = min(khat_threshold(count), USABLE_KHAT)
    message = f"What beginnings are worth has a heavy tail (Pareto k-hat {khat.value:.2f})."
    yield from above("khat", khat.value, limit, math.inf, message)
