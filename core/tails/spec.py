"""How a tail is to be fitted."""

from typing import Annotated, Literal, Self

from pydantic import field_validator, model_validator

from core.spec import Number, Seed, Spec, Whole, at_least, in_range
from core.tails.bootstrap import BOOTSTRAPS

FitName = Literal["gumbel", "jones", "pot", "gev", "lognormal", "empirical"]
FIT_NAMES = ("gumbel", "jones", "pot", "gev", "lognormal", "empirical")
EstimatorName = Literal["posterior", "ml", "pwm"]
ESTIMATORS = ("posterior", "ml", "pwm")
# Lines through the largest scores.
LINES = ("gumbel", "jones")
# Tails with a free shape, which a few dozen estimates say little of.
SHAPED = ("pot", "gev")
MAX_BOOTSTRAPS = 10_000


class TailSpec(Spec):
    """How to fit: the tail, and where it starts.

    gumbel and jones are lines through the largest; jones is that of Jones et al. (2025) as published, without
    noise taken out, gumbel has unbiased plotting positions.

    pot is the default: in the backtest its forecasts are about as near as the Gumbel line's, and its interval
    holds 95% of the worst queries where the line's holds 71% (benchmarks/tails.py, backtest and coverage).

    largest: fit so many of the largest. threshold: or those above this risk. Neither: ten groups' worth for
    gumbel; ten for jones; for pot the automatic threshold, or the upper half where queries are too few to
    test one.
    noise_corrected: take the estimates' noise out of the forecast. estimator: of pot and gev: with a prior on
    the shape (posterior), by maximum likelihood, or by probability-weighted moments; the last two get their
    uncertainty from refits.
    """

    fit: FitName = "pot"
    estimator: EstimatorName = "posterior"
    largest: Annotated[Whole, at_least(5)] | None = None
    threshold: Number | None = None
    confidence: Annotated[Number, in_range(0.5, 0.999)] = 0.95
    bootstraps: Annotated[Whole, in_range(50, MAX_BOOTSTRAPS)] = BOOTSTRAPS
    noise_corrected: bool = True
    seed: Seed = 0

    @field_validator("fit", mode="before")
    @classmethod
    def _fit(cls, value: object) -> object:
        if value not in FIT_NAMES:
            raise ValueError(f"fit must be one of {', '.join(FIT_NAMES)}, got {value!r}")
        return value

    @field_validator("estimator", mode="before")
    @classmethod
    def _estimator(cls, value: object) -> object:
        if value not in ESTIMATORS:
            raise ValueError(f"estimator must be one of {', '.join(ESTIMATORS)}, got {value!r}")
        return value

    @model_validator(mode="after")
    def _has_shape(self) -> Self:
        if self.estimator != "posterior" and self.fit not in SHAPED:
            raise ValueError(
                f"estimator {self.estimator!r} is for {' and '.join(SHAPED)}, got fit {self.fit!r}"
            )
        return self

    @field_validator("threshold")
    @classmethod
    def _threshold(cls, value: float | None) -> float | None:
        if value is not None and not 0 < value < 1:
            raise ValueError(f"threshold is a risk and must be above 0 and below 1, got {value:g}")
        return value
