"""How a tail is to be fitted."""

from typing import Literal, Self

from pydantic import field_validator, model_validator

from core.spec import Spec, within
from core.tails.bootstrap import BOOTSTRAPS

FitName = Literal["gumbel", "pot", "gev", "lognormal", "empirical"]
FIT_NAMES = ("gumbel", "pot", "gev", "lognormal", "empirical")
EstimatorName = Literal["posterior", "ml", "pwm"]
ESTIMATORS = ("posterior", "ml", "pwm")
# Tails with a free shape, which a few dozen estimates say little of.
SHAPED = ("pot", "gev")
MAX_BOOTSTRAPS = 10_000


class TailSpec(Spec):
    """How to fit: the tail, and where it starts.

    pot is the default: in the backtest its forecasts are about as near as the Gumbel line's, and its interval
    holds 95% of the worst queries where the line's holds 71% (benchmarks/tails.py, backtest and coverage).

    largest: fit so many of the largest. threshold: or those above this risk. Neither: ten groups' worth for
    gumbel; for pot the automatic threshold, or the upper half where queries are too few to test one.
    noise_corrected: take the estimates' noise out of the forecast. estimator: of pot and gev: with a prior on
    the shape (posterior), by maximum likelihood, or by probability-weighted moments; the last two get their
    uncertainty from refits.
    """

    fit: FitName = "pot"
    estimator: EstimatorName = "posterior"
    largest: int | None = None
    threshold: float | None = None
    confidence: float = 0.95
    bootstraps: int = BOOTSTRAPS
    noise_corrected: bool = True
    seed: int = 0

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

    @field_validator("largest")
    @classmethod
    def _largest(cls, value: int | None) -> int | None:
        if value is not None and value < 5:
            raise ValueError(f"largest must be 5 or more, got {value}")
        return value

    @field_validator("threshold")
    @classmethod
    def _threshold(cls, value: float | None) -> float | None:
        if value is not None and not 0 < value < 1:
            raise ValueError(f"threshold is a risk and must be above 0 and below 1, got {value:g}")
        return value

    @field_validator("confidence")
    @classmethod
    def _confidence(cls, value: float) -> float:
        return within("confidence", value, 0.5, 0.999)

    @field_validator("bootstraps")
    @classmethod
    def _bootstraps(cls, value: int) -> int:
        return int(within("bootstraps", value, 50, MAX_BOOTSTRAPS))
