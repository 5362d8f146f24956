"""What a risk means in use: at a number of queries a day, a share of them like this one, over some days.

Uncertainty about the risk is two half-normals on the log scale, so that an asymmetric interval keeps both its
ends: on each side the wider of standard error and interval. Counts are binomial at a known risk, and a
mixture of binomials over that uncertainty.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import field_validator, model_validator
from scipy import stats

from core.errors import SpecError
from core.estimation.record import Estimate
from core.spec import Finite, Number, Spec

DENOMINATORS = (1_000, 1_000_000)
# Below this number of marks, rounding to whole marks loses too much.
LEAST_MARKS = 2
GRID = 1_000
# A smaller risk has no usable logarithm.
LEAST_RISK = 1e-300
CURVE_POINTS = 60
MOST_A_DAY, MOST_DAYS = 1e12, 36_500.0
Array = NDArray[np.float64]


class Traffic(Spec):
    """a_day: all queries a day. share: of queries like this one, in (0, 1]. days: the period."""

    a_day: Number = 100_000
    share: Number = 0.001
    days: Number = 30

    @field_validator("a_day")
    @classmethod
    def _a_day(cls, value: float) -> float:
        if not 1 <= value <= MOST_A_DAY:
            raise ValueError(f"queries a day must be in 1..{MOST_A_DAY:,.0f}, got {value:g}")
        return value

    @field_validator("share")
    @classmethod
    def _share(cls, value: float) -> float:
        if not 0 < value <= 1:
            raise ValueError(
                f"the share of queries like this one must be above 0 and at most 1, got {value:g}"
            )
        return value

    @field_validator("days")
    @classmethod
    def _days(cls, value: float) -> float:
        if not 1 <= value <= MOST_DAYS:
            raise ValueError(f"days must be in 1..{MOST_DAYS:,.0f}, got {value:g}")
        return value

    @property
    def like_this_a_day(self) -> float:
        """Queries a day like this one."""
        return self.a_day * self.share

    @property
    def like_this(self) -> float:
        """Queries like this one over the whole period."""
        return self.like_this_a_day * self.days


class Risk(Spec):
    """A risk and its interval. value 0: no hit, and only the upper end means anything.

    relative_error: standard error over value, None if unknown.
    """

    value: Number
    low: Number
    high: Number
    relative_error: Finite | None = None
    confidence: Finite = 0.95

    @model_validator(mode="after")
    def _ordered(self) -> "Risk":
        numbers = (self.value, self.low, self.high)
        given = f"got {self.value:g} with {self.low:g} to {self.high:g}"
        if not all(0 <= number <= 1 for number in numbers):
            raise ValueError(f"a risk and its range must be in 0..1, {given}")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"a risk must lie within its range, {given}")
        if self.high == 0:
            raise ValueError(f"the upper end of a risk's range must be above 0, {given}")
        if self.value > 0 and self.low == 0 and not self.relative_error:
            raise ValueError(
                f"the lower end of a range must be above 0 for a risk above 0, {given}"
            )
        return self

    @classmethod
    def of(cls, estimate: Estimate) -> "Risk":
        """Returns an estimate's risk. Raises: SpecError if the estimate should not be used."""
        if estimate.verdict == "do not use":
            reasons = " ".join(reason.message for reason in estimate.reasons)
            raise SpecError(f"this estimate should not be used. {reasons}")
        if estimate.hits == 0:
            high = max(estimate.ci_high, estimate.upper_bound_free)
            return cls.build(value=0.0, low=0.0, high=high, confidence=estimate.confidence)
        return cls.build(
            value=estimate.estimate,
            low=estimate.ci_low,
            high=estimate.ci_high,
            relative_error=estimate.standard_error / estimate.estimate,
            confidence=estimate.confidence,
        )

    @property
    def only_bound(self) -> bool:
        """Whether there was no hit, so that only upper bounds are known."""
        return self.value == 0

    def times(self, factor: float) -> "Risk":
        """Returns the risk with value and interval multiplied. Raises: SpecError if it leaves 0..1."""
        fields = self.model_dump() | {
            name: getattr(self, name) * factor for name in ("value", "low", "high")
        }
        return Risk.build(**fields)


@dataclass(frozen=True)
class Range:
    """A number and its range. value: None if only the ends are known."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """The consequences of a risk.

    expected: number of harmful answers; its range is that of the risk alone. by_chance: range of the count
    if the risk were exactly its value. count: range of the count from uncertainty and chance together. any:
    chance of at least one, at the risk and at the ends of its range. any_averaged: the same averaged over
    the uncertainty, with risks cut at these ends. mean_days, median_days: until the first harmful answer,
    in whole queries; inf if it may never come.
    """

    expected: Range
    by_chance: Range
    count: Range
    any: Range
    any_averaged: float | None
    mean_days: Range
    median_days: Range


def outlook(risk: Risk, traffic: Traffic) -> Outlook:
    """Returns the consequences of a risk under this traffic.

    Parameters
    ----------
    risk
        Probability of harm of one answer, with its range.
    traffic
        Queries a day, the share like this one, and the days.

    Returns
    -------
    Outlook
        Counts, chances and waiting times in days, each with a range at the risk's confidence. For a risk with
        `only_bound`, upper ends only.
    """
    queries, a_day = traffic.like_this, traffic.like_this_a_day
    ends = (risk.low, risk.high)
    value = None if risk.only_bound else risk.value
    low, high = (queries * end for end in ends)
    expected = Range(None if value is None else queries * value, low, high)
    whole = _whole(queries)
    tails = (1 - risk.confidence) / 2
    averaged = None
    if value is None:
        most = float(stats.binom.ppf(1 - tails, whole, risk.high))
        by_chance = count = Range(None, 0.0, most)
    else:
        possible = possible_risks(risk)
        by_chance = Range(
            expected.value,
            float(stats.binom.ppf(tails, whole, value)),
            float(stats.binom.ppf(1 - tails, whole, value)),
        )
        count = _both(risk, traffic, by_chance, possible)
        # Beyond the range's ends the distribution is an assumption; it must not move the average out of them.
        averaged = float(np.mean(at_least_one(np.clip(possible, *ends), queries)))
    chances = at_least_one(np.array([*ends, value or 0.0]), queries)
    return Outlook(
        expected=expected,
        by_chance=by_chance,
        count=count,
        any=Range(
            None if value is None else float(chances[2]), float(chances[0]), float(chances[1])
        ),
        any_averaged=averaged,
        mean_days=_days(risk, lambda p: 1 / p / a_day),
        median_days=_days(risk, lambda p: median_queries(p) / a_day),
    )


def at_least_one(risks: Array, answers: float) -> Array:
    """Returns the chance that at least one of n answers is harmful: 1 - (1 - p)^n, elementwise."""
    if answers == 0:
        return np.zeros_like(risks)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(answers * np.log1p(-risks)))


def chance_curve(risk: Risk, traffic: Traffic) -> pd.DataFrame:
    """Returns day, chance (nan with a bound alone), low and high, from the first day to the last."""
    days = np.linspace(0, traffic.days, CURVE_POINTS + 1)
    queries = days * traffic.like_this_a_day
    table = {"day": days}
    for name, p in (("chance", risk.value), ("low", risk.low), ("high", risk.high)):
        table[name] = np.array([float(at_least_one(np.array([p]), n)[0]) for n in queries])
    if risk.only_bound:
        table["chance"] = np.full(len(days), math.nan)
    return pd.DataFrame(table)


def denominator(risk: Risk) -> int:
    """Returns the denominator to state a risk with: 1,000, or 1,000,000 where 1,000 would show too few."""
    shown = risk.high if risk.only_bound else risk.value
    fitting = [of for of in DENOMINATORS if shown * of >= LEAST_MARKS]
    return fitting[0] if fitting else DENOMINATORS[-1]


def possible_risks(risk: Risk) -> Array:
    """Returns equally likely risks in ascending order, (GRID,): quantiles of the uncertainty.

    On the log scale it is two half-normals that meet at the value: half of the risks lie below it, and each
    side reaches its own end of the range. A risk above 1 counts as 1.
    """
    low, high = _ends(risk)
    deviations = stats.norm.ppf((np.arange(GRID) + 0.5) / GRID)
    at_end = float(stats.norm.ppf((1 + risk.confidence) / 2))
    below, above = math.log(risk.value / low) / at_end, math.log(high / risk.value) / at_end
    logs = math.log(risk.value) + deviations * np.where(deviations < 0, below, above)
    return np.asarray(np.exp(np.minimum(logs, 0.0)))


def _ends(risk: Risk) -> tuple[float, float]:
    """Returns the ends of the uncertainty: on each side the wider of interval and standard error."""
    low, high = risk.low or risk.value, risk.high
    if risk.relative_error:
        mean = min(risk.value, 1 - 1e-9)
        together = max((1 - mean) / (mean * risk.relative_error**2) - 1, 1e-3 / mean)
        tails = (1 - risk.confidence) / 2
        beta = stats.beta(mean * together, (1 - mean) * together)
        low, high = min(low, float(beta.ppf(tails))), max(high, float(beta.ppf(1 - tails)))
    return max(low, min(LEAST_RISK, risk.value)), high


def _both(risk: Risk, traffic: Traffic, by_chance: Range, possible: Array) -> Range:
    """Returns the count's range from uncertainty and chance together, no narrower than either alone.

    Averages below 1 do not widen it: an average of 0.2 does not mean that 1 is to be expected.
    """
    queries, tails = traffic.like_this, (1 - risk.confidence) / 2
    whole = _whole(queries)
    low, high = queries * risk.low, queries * risk.high
    return Range(
        by_chance.value,
        min(_quantile(tails, whole, possible), by_chance.low, math.floor(low)),
        max(
            _quantile(1 - tails, whole, possible),
            by_chance.high,
            float(min(whole, math.ceil(high))) if high >= 1 else 0.0,
        ),
    )


def _whole(answers: float) -> int:
    return max(1, round(answers))


def _quantile(level: float, answers: int, possible: Array) -> float:
    """Returns the count's quantile at a level, averaged over possible risks."""
    low, high = -1, answers
    while high - low > 1:
        middle = (low + high) // 2
        if float(np.mean(stats.binom.cdf(middle, answers, possible))) >= level:
            high = middle
        else:
            low = middle
    return float(high)


def median_queries(p: float) -> float:
    """Returns the median of the geometric number of queries until the first harmful answer.

    The least whole k with 1 - (1 - p)^k >= 1/2, 1 or more. p: risk of one answer, in (0, 1].
    """
    if p >= 0.5:
        return 1.0
    # Rounding must not push a whole number of queries up to the next one.
    return float(math.ceil(-math.log(2) / math.log1p(-p) * (1 - 1e-12)))


def _days(risk: Risk, until: Callable[[float], float]) -> Range:
    """Returns a waiting time in days; the longest belongs to the lowest risk."""
    value = None if risk.only_bound else until(risk.value)
    return Range(value, until(risk.high), until(risk.low) if risk.low > 0 else math.inf)
