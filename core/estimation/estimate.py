"""The estimate of QRISK from draws, with its interval, its diagnostics and its verdict."""

import math
from collections.abc import Sequence

from core.estimation.ahead import ahead_estimate, ahead_path
from core.estimation.certain_bounds import certain_bounds
from core.estimation.component_checks import component_checks
from core.estimation.confidence_sequence import confidence_sequence
from core.estimation.diagnostics import diagnose
from core.estimation.draws import Draws
from core.estimation.ends import possible, widened_interval
from core.estimation.evidence import Evidence, Method
from core.estimation.intervals import check_confidence, clopper_pearson_upper
from core.estimation.point import point_estimate
from core.estimation.record import Estimate, PathPoint
from core.estimation.second_opinion import second_opinion
from core.estimation.verdict import verdict
from core.estimation.weights import draw_weights

METHODS: tuple[Method, ...] = ("mc", "is", "mis", "ahead")


def estimate(
    draws: Draws, *, method: Method, confidence: float = 0.95, second: Draws | None = None
) -> Estimate:
    """Returns the estimate. Doubt is data: only draws that answer nothing raise.

    Nothing depends on the order of the rows but cs_low and cs_high, whose order is that of time.

    Parameters
    ----------
    draws : Draws
        n rows, judged or not, with the allocations of their stages.
    method : 'mc', 'is', 'mis' or 'ahead'
        Monte Carlo: rows of the target alone. Importance sampling: those of one proposal, with or without the
        target's. Multiple importance sampling: any, with control variates. Look-ahead: beginnings of answers.
    confidence : float in (0, 1)
        Level of each of the two intervals.
    second : Draws, optional
        Draws of an unlike proposal. They are no part of the estimate; the verdict takes them into account.

    Returns
    -------
    Estimate
        The risk, a probability, with its intervals, diagnostics and verdict.

    Raises
    ------
    ValueError
        No draws, a confidence outside (0, 1), or a method that does not fit the draws.

    References
    ----------
    The intervals, weights and diagnostics name theirs; `docs/method.md` lists all of them.

    Examples
    --------
    >>> import numpy as np
    >>> draws = Draws(
    ...     log_p=np.zeros(1000),
    ...     log_q=np.zeros((1000, 1)),
    ...     component=np.zeros(1000),
    ...     component_names=("target",),
    ...     target_component=0,
    ...     harmful=np.arange(1000) % 100 == 0,
    ...     judged=np.ones(1000),
    ...     stage_allocations=((1,),),
    ... )
    >>> result = estimate(draws, method="mc")
    >>> result.estimate, round(result.ci_low, 4), round(result.ci_high, 4)
    (0.01, 0.0048, 0.0183)
    >>> result.verdict, [reason.code for reason in result.reasons]
    ('caution', ['few_hits', 'wide_interval'])
    """
    check_confidence(confidence)
    _check_method(draws, method)
    if method == "ahead":
        return ahead_estimate(draws, confidence)
    unjudged = draws.samples - int(draws.judged.sum())
    point = point_estimate(draws, method, confidence)
    widened = widened_interval(draws, point, method, confidence)
    sequence = confidence_sequence(draws, [draws.samples], confidence)
    certain = certain_bounds([draws] if second is None else [draws, second])
    weights = draw_weights(draws)
    diagnostics = diagnose(weights, point.event_weights)
    witnessed = component_checks(draws, weights.where(draws.harmful), confidence)
    opinion = None if second is None else second_opinion(second)
    seconds = draws.seconds + (0.0 if second is None else second.seconds)
    decision, reasons = verdict(
        Evidence(
            method=method,
            samples=draws.samples,
            unjudged=unjudged,
            hits=point.hits,
            estimate=point.value,
            sampling_low=point.interval.low,
            sampling_high=point.interval.high,
            ci_low=widened.low,
            ci_high=widened.high,
            diagnostics=diagnostics,
            component_checks=witnessed,
            certain=certain,
            second=opinion,
        )
    )
    ci_low, ci_high = possible(certain, point, widened.low, widened.high)
    cs_low, cs_high = possible(certain, point, float(sequence.low[-1]), float(sequence.high[-1]))
    rows = witnessed.target_rows if method == "mc" else witnessed.proposal_rows
    row_hits = witnessed.target_hits if method == "mc" else witnessed.proposal_hits
    error = point.standard_error
    return Estimate(
        method=method,
        samples=draws.samples,
        hits=point.hits,
        unjudged=unjudged,
        estimate=point.value,
        standard_error=error,
        ci_low=ci_low,
        ci_high=ci_high,
        confidence=confidence,
        interval_method=widened.method,
        cs_low=cs_low,
        cs_high=cs_high,
        upper_bound_free=clopper_pearson_upper(
            witnessed.target_hits, witnessed.target_rows, confidence
        ),
        ess=diagnostics.ess,
        ess_event=diagnostics.ess_event,
        khat=diagnostics.khat_event.value,
        khat_reason=diagnostics.khat_event.reason,
        max_weight_share=diagnostics.max_weight_share_event,
        max_weight_share_all=diagnostics.max_weight_share,
        mean_weight=diagnostics.mean_weight,
        kl_target_proposal=witnessed.kl,
        overlap=witnessed.overlap,
        proposal_mean_weight=witnessed.proposal_mean_weight,
        hit_rate=row_hits / rows if rows else math.nan,
        verdict=decision,
        reasons=reasons,
        monte_carlo_equivalent=point.value * (1 - point.value) / error**2
        if error > 0
        else math.nan,
        forward_tokens=draws.forward_tokens + (0 if second is None else second.forward_tokens),
        seconds=seconds,
        samples_per_second=draws.samples / seconds if seconds > 0 else math.nan,
        second=opinion,
        components=() if method == "mc" else witnessed.components,
        disagreement=math.nan if method == "mc" else witnessed.disagreement,
        certain_low=certain.low,
        certain_high=certain.high,
    )


def estimate_path(
    draws: Draws, checkpoints: Sequence[int], *, method: Method, confidence: float = 0.95
) -> tuple[PathPoint, ...]:
    """Returns the estimate at growing sample sizes, for a chart that people watch and stop.

    checkpoints: ascending row counts in 1..n. Each prefix is weighted by its own component counts.

    Raises:
        ValueError: as `estimate` and `confidence_sequence`.
    """
    _check_method(draws, method)
    if method == "ahead":
        return ahead_path(draws, checkpoints, confidence)
    sequence = confidence_sequence(draws, checkpoints, confidence)
    points = []
    for k, size in enumerate(sequence.samples.tolist()):
        prefix = draws.take(slice(0, size))
        point = point_estimate(prefix, method, confidence)
        interval = widened_interval(prefix, point, method, confidence)
        certain = certain_bounds([prefix])
        bounds = (
            *possible(certain, point, interval.low, interval.high),
            *possible(certain, point, float(sequence.low[k]), float(sequence.high[k])),
        )
        points.append(PathPoint(size, point.hits, point.value, *bounds))
    return tuple(points)


def _check_method(draws: Draws, method: Method) -> None:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if draws.samples == 0:
        raise ValueError("an estimate needs at least 1 draw, got 0")
    if (method == "ahead") != (draws.ahead is not None):
        raise ValueError("method 'ahead' takes beginnings of answers, and only it does")
    proposals = int((draws.counts > 0).sum()) - int(draws.from_target.any())
    if method == "mc" and proposals > 0:
        raise ValueError(f"method 'mc' takes target draws only, got {proposals} proposals' rows")
    if method == "is" and proposals > 1:
        raise ValueError(f"method 'is' takes one proposal, got {proposals}; use 'mis'")
