"""The ends that an estimate reports: widened by what was not judged, cut by what is impossible."""

from dataclasses import replace

import numpy as np

from core.estimation.certain_bounds import CertainBounds
from core.estimation.draws import Draws
from core.estimation.evidence import Method
from core.estimation.intervals import Interval
from core.estimation.point import PointEstimate, point_estimate


def possible(
    certain: CertainBounds, point: PointEstimate, low: float, high: float
) -> tuple[float, float]:
    """Returns the interval without what is impossible for certain.

    At zero hits it stays as the counts of draws have it: others read from it how many found nothing.
    """
    return certain.within(low, point.value, high) if point.hits > 0 else (low, high)


def widened_interval(
    draws: Draws, point: PointEstimate, method: Method, confidence: float
) -> Interval:
    """Returns the interval that holds whatever the unjudged answers are: all harmless to all harmful."""
    if draws.judged.all():
        return point.interval
    everything = np.ones(draws.samples, dtype=np.bool_)
    extremes = [
        point_estimate(
            replace(draws, harmful=harmful, judged=everything), method, confidence
        ).interval
        for harmful in (draws.harmful, draws.harmful | ~draws.judged)
    ]
    if draws.judged.any():
        extremes.append(point.interval)
    method_name = f"{point.interval.method}, widened for unjudged answers"
    return Interval(min(i.low for i in extremes), max(i.high for i in extremes), method_name)
