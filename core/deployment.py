"""What a risk means in use: so many queries a day, a share of them like this one, for so many days.

Doubt about the risk is a normal in two pieces on the log scale, so that a lopsided range keeps both its
ends: on each side the wider of what its standard error and its interval say. Counts are binomial at a
known risk, and a mixture of binomials over that doubt.
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
from core.estimation.estimate import Estimate
from core.spec import Finite, Number, Spec

DENOMINATORS = (1_000, 1_000_000)
# With fewer marks than these, rounding to whole ones tells too little.
LEAST_MARKS = 2
GRID = 1_000
# Below these a risk's logarithm is lost.
LEAST_RISK = 1e-300
CURVE_POINTS = 60
MOST_A_DAY, MOST_DAYS = 1e12, 36_500.0
Array = NDArray[np.float64]


class Traffic(Spec):
    """a_day: queries a day, all together. share: of them like this one, in (0, 1]. days: how long."""

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
        """Queries like this one, a day."""
        return self.a_day * self.share

    @property
    def like_this(self) -> float:
        """Queries like this one, in all."""
        return self.like_this_a_day * self.days


class Risk(Spec):
    """A risk and its interval. value 0: nothing was found, and only the upper end means anything.

    relative_error: standard error over value, where known.
    """

    value: Number
    low: Number
    high: Number
    relative_error: Finite | None = None
    confidence: Finite = 0.95

    @model_validator(mode="after")
    def _ordered(self) -> "Risk":
        numbers = (self.value, self.low, self.high)
        said = f"got {self.value:g} with {self.low:g} to {self.high:g}"
        if not all(0 <= number <= 1 for number in numbers):
            raise ValueError(f"a risk and its range must be in 0..1, {said}")
        if not self.low <= self.value <= self.high:
            raise ValueError(f"a risk must lie within its range, {said}")
        if self.high == 0:
            raise ValueError(f"the upper end of a risk's range must be above 0, {said}")
        if self.value > 0 and self.low == 0 and not self.relative_error:
            raise ValueError(f"the lower end of a range must be above 0 for a risk above 0, {said}")
        return self

    @classmethod
    def of(cls, found: Estimate) -> "Risk":
        """Returns an estimate's risk. Raises: SpecError if the estimate should not be used."""
        if found.verdict == "do not use":
            reasons = " ".join(reason.message for reason in found.reasons)
            raise SpecError(f"this estimate should not be used. {reasons}")
        if found.hits == 0:
            high = max(found.ci_high, found.upper_bound_free)
            return cls.build(value=0.0, low=0.0, high=high, confidence=found.confidence)
        return cls.build(
            value=found.estimate,
            low=found.ci_low,
            high=found.ci_high,
            relative_error=found.standard_error / found.estimate,
            confidence=found.confidence,
        )

    @property
    def only_bound(self) -> bool:
        """Whether nothing was found, so that there are only upper statements."""
        return self.value == 0

    def times(self, factor: float) -> "Risk":
        """Returns the risk with value and interval multiplied. Raises: SpecError if it leaves 0..1."""
        fields = self.model_dump() | {
            name: getattr(self, name) * factor for name in ("value", "low", "high")
        }
        return Risk.build(**fields)


@dataclass(frozen=True)
class Range:
    """A number and where it may lie. value: None where only the ends are known."""

    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Outlook:
    """What a risk comes to.

    expected: harmful answers, its range from the risk's alone. by_chance: the count's range if the risk were
    exactly its value. count: the range of the count with doubt and chance together. any: the chance of at
    least one, at the risk and the ends of its range; any_averaged: over the doubt, with risks beyond these
    ends taken as the ends. mean_days, median_days:
    until the first harmful answer; inf where it may never come.
    """

    expected: Range
    by_chance: Range
    count: Range
    any: Range
    any_averaged: float | None
    mean_days: Range
    median_days: Range


def outlook(risk: Risk, traffic: Traffic) -> Outlook:
    """Returns what a risk comes to under this traffic. With `only_bound` there are upper statements alone."""
    asked, a_day = traffic.like_this, traffic.like_this_a_day
    ends = (risk.low, risk.high)
    value = None if risk.only_bound else risk.value
    low, high = (asked * end for end in ends)
    expected = Range(None if value is None else asked * value, low, high)
    whole = _whole(asked)
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
        # What lies beyond the range's ends is the model's guess; it must not carry the average out of them.
        averaged = float(np.mean(at_least_one(np.clip(possible, *ends), asked)))
    some = at_least_one(np.array([*ends, value or 0.0]), asked)
    return Outlook(
        expected=expected,
        by_chance=by_chance,
        count=count,
        any=Range(None if value is None else float(some[2]), float(some[0]), float(some[1])),
        any_averaged=averaged,
        mean_days=_days(risk, lambda p: 1 / p / a_day),
        median_days=_days(risk, lambda p: math.log(2) / _rate(p) / a_day),
    )


def at_least_one(risks: Array, asked: float) -> Array:
    """Returns the chance that at least one of so many answers is harmful: 1 - (1 - p)^n, elementwise."""
    if asked == 0:
        return np.zeros_like(risks)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(asked * np.log1p(-risks)))


def chance_curve(risk: Risk, traffic: Traffic) -> pd.DataFrame:
    """Returns day, chance (nan with a bound alone), low and high, from the first day to the last."""
    days = np.linspace(0, traffic.days, CURVE_POINTS + 1)
    asked = days * traffic.like_this_a_day
    table = {"day": days}
    for name, p in (("chance", risk.value), ("low", risk.low), ("high", risk.high)):
        table[name] = np.array([float(at_least_one(np.array([p]), n)[0]) for n in asked])
    if risk.only_bound:
        table["chance"] = np.full(len(days), math.nan)
    return pd.DataFrame(table)


def denominator(risk: Risk) -> int:
    """Returns of how many questions to speak: 1,000, or 1,000,000 where that would show too few."""
    shown = risk.high if risk.only_bound else risk.value
    fitting = [of for of in DENOMINATORS if shown * of >= LEAST_MARKS]
    return fitting[0] if fitting else DENOMINATORS[-1]


def possible_risks(risk: Risk) -> Array:
    """Returns (GRID,) equally likely risks, rising: the middles of as many parts of the doubt.

    On the log scale it is two halves of normals that meet at the value: half of the risks lie below it, and
    each side has its own end of the range where the range says. A risk above 1 is 1.
    """
    low, high = _ends(risk)
    deviations = stats.norm.ppf((np.arange(GRID) + 0.5) / GRID)
    at_end = float(stats.norm.ppf((1 + risk.confidence) / 2))
    below, above = math.log(risk.value / low) / at_end, math.log(high / risk.value) / at_end
    logs = math.log(risk.value) + deviations * np.where(deviations < 0, below, above)
    return np.asarray(np.exp(np.minimum(logs, 0.0)))


def _ends(risk: Risk) -> tuple[float, float]:
    """Returns the doubt's ends: on each side the wider of what interval and standard error say."""
    low, high = risk.low or risk.value, risk.high
    if risk.relative_error:
        mean = min(risk.value, 1 - 1e-9)
        together = max((1 - mean) / (mean * risk.relative_error**2) - 1, 1e-3 / mean)
        tails = (1 - risk.confidence) / 2
        doubt = stats.beta(mean * together, (1 - mean) * together)
        low, high = min(low, float(doubt.ppf(tails))), max(high, float(doubt.ppf(1 - tails)))
    return max(low, min(LEAST_RISK, risk.value)), high


def _both(risk: Risk, traffic: Traffic, by_chance: Range, possible: Array) -> Range:
    """Returns the count's range with doubt and chance together: no narrower than either alone.

    Averages below 1 do not widen it: that a count may be 0.2 on average says not that 1 is to be expected.
    """
    asked, tails = traffic.like_this, (1 - risk.confidence) / 2
    whole = _whole(asked)
    low, high = asked * risk.low, asked * risk.high
    return Range(
        by_chance.value,
        min(_quantile(tails, whole, possible), by_chance.low, math.floor(low)),
        max(
            _quantile(1 - tails, whole, possible),
            by_chance.high,
            float(min(whole, math.ceil(high))) if high >= 1 else 0.0,
        ),
    )


def _whole(asked: float) -> int:
    return max(1, round(asked))


def _quantile(level: float, asked: int, possible: Array) -> float:
    """Returns the smallest count whose chance, averaged over possible risks, reaches the level."""
    low, high = -1, asked
    while high - low > 1:
        middle = (low + high) // 2
        if float(np.mean(stats.binom.cdf(middle, asked, possible))) >= level:
            high = middle
        else:
            low = middle
    return float(high)


def _rate(p: float) -> float:
    """Returns -ln(1 - p), which is p where p is small."""
    return math.inf if p >= 1 else -math.log1p(-p)


def _days(risk: Risk, until: Callable[[float], float]) -> Range:
    """Returns days, the longest at the lowest risk."""
    value = None if risk.only_bound else until(risk.value)
    return Range(value, until(risk.high), until(risk.low) if risk.low > 0 else math.inf)
