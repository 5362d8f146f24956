"""A tail's forecast as JSON and in a few sentences for a person."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.errors import SpecError
from core.tails.analysis import (
    NOISE_UP_TO,
    FittedTail,
    fit_tail,
    goodness_of_fit,
    parameter_intervals,
    profile_intervals,
)
from core.tails.exceedance import chances_above, shares_above
from core.tails.forecast import Forecast
from core.tails.maximum import forecasts
from core.tails.notices import warnings_of
from core.tails.reading import ReadSample
from core.tails.sample import to_score
from core.tails.spec import SHAPED, TailSpec

TAUS = (1e-4, 1e-3, 1e-2, 1e-1)
MAX_HORIZON = 10**12


@dataclass(frozen=True, eq=False)
class TailsReport:
    """A fit, its forecasts as told and with the noise left in, and what must be said of them."""

    fitted: FittedTail
    told: Forecast
    as_estimated: Forecast
    taus: tuple[float, ...]
    read: ReadSample
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON of the command line; the fields of the first horizon stand on top."""
        fitted, sample = self.fitted, self.fitted.sample
        every = [self._at(place) for place in range(len(self.told.n))]
        table, tested = fitted.table, goodness_of_fit(fitted)
        return {
            "fit": fitted.fit.name,
            "estimator": fitted.spec.estimator if fitted.fit.name in SHAPED else None,
            "threshold": _risk_of(fitted.fit.threshold),
            "parameters": fitted.fit.parameters,
            **every[0],
            "confidence": fitted.spec.confidence,
            "queries": len(sample),
            "groups": len(set(sample.group.tolist())),
            "zero_hit_queries": int(sample.censored.sum()),
            "exceedances": fitted.fit.exceedances,
            "parameter_intervals": parameter_intervals(fitted),
            "profile_intervals": profile_intervals(fitted),
            "goodness_of_fit": None if tested is None else asdict(tested),
            "supported_horizon": self.told.supported,
            "forecasts": every,
            "share_above": {f"{tau:g}": self._share(tau) for tau in self.taus},
            "threshold_choice": None if table is None else table.why,
            "seed": fitted.spec.seed,
            "warnings": list(self.warnings),
        }

    def _at(self, place: int) -> dict[str, Any]:
        n = float(self.told.n[place])
        supported = n <= self.told.supported
        return {
            "horizon": int(n),
            "worst_qrisk": _number(self.told.median[place]),
            "ci_low": _number(self.told.low[place]),
            "ci_high": _number(self.told.high[place]),
            "level": _number(self.told.level[place]),
            "exceedance": {
                f"{tau:g}": self._chance(n, tau) if supported else None for tau in self.taus
            },
            "at_least_one": _number(self.told.at_least_one[place]),
            "at_least_one_low": _number(self.told.at_least_one_low[place]),
            "at_least_one_high": _number(self.told.at_least_one_high[place]),
            "noise_left_in": {
                "worst_qrisk": _number(self.as_estimated.median[place]),
                "ci_low": _number(self.as_estimated.low[place]),
                "ci_high": _number(self.as_estimated.high[place]),
            },
        }

    def _chance(self, n: float, tau: float) -> float:
        return float(chances_above(self.fitted, n, np.array([tau]))[0])

    def _share(self, tau: float) -> dict[str, float | None]:
        found = shares_above(self.fitted, to_score(np.array([tau])))
        ends = [_number(one[0]) for one in found]
        return dict(zip(("share", "ci_low", "ci_high"), ends, strict=True))

    def to_text(self) -> str:
        """Returns a few sentences for a person."""
        found = self.to_dict()
        confidence = f"{self.fitted.spec.confidence:.0%}"
        queries = f"{found['queries']:,} queries"
        if found["groups"] < found["queries"]:
            queries += f" in {found['groups']:,} groups"
        lines = []
        for one in found["forecasts"]:
            if one["worst_qrisk"] is None:
                lines.append(f"No forecast for {one['horizon']:,} queries: too far.")
                continue
            lines.append(
                f"The worst of {one['horizon']:,} queries not seen yet has a risk of about "
                f"{one['worst_qrisk']:.2g} ({confidence} interval {one['ci_low']:.2g} to "
                f"{one['ci_high']:.2g})."
            )
            chances = ", ".join(
                f"{float(tau):g}: {_percent(chance)}" for tau, chance in one["exceedance"].items()
            )
            lines.append(f"  Chance that it is above {chances}.")
            if one["at_least_one"] is not None:
                lines.append(
                    f"  Chance of at least one harmful answer when each is asked once: "
                    f"{_chance(one['at_least_one'])} ({_chance(one['at_least_one_low'])} to "
                    f"{_chance(one['at_least_one_high'])})."
                )
        lines.append(
            f"Fitted: {found['fit']}, to {found['exceedances']:,} of {queries}, from a risk of "
            f"{found['threshold']:.2g} on. It may be trusted up to {found['supported_horizon']:,.0f} queries."
        )
        if found["threshold_choice"]:
            lines.append(f"Threshold: {found['threshold_choice']}.")
        lines += [f"note: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def forecast_report(
    read: ReadSample, spec: TailSpec, horizons: Sequence[int], taus: Sequence[float] = TAUS
) -> TailsReport:
    """Returns the forecast of the worst of so many new queries, from the estimates of some.

    horizons: numbers of new queries. taus: risks whose chance of being exceeded is reported.

    Raises:
        TailscopeError: bad input, or no tail can be fitted; one sentence that says what to do.
    """
    _check_horizons(horizons)
    _check_taus(taus)
    fitted = fit_tail(read.sample, spec, furthest=max(NOISE_UP_TO, *horizons))
    told, as_estimated = forecasts(fitted, [float(n) for n in horizons])
    warnings = (*read.notes, *warnings_of(fitted, told, as_estimated, read.queries))
    return TailsReport(fitted, told, as_estimated, tuple(taus), read, warnings)


def _check_horizons(horizons: Sequence[int]) -> None:
    if not horizons:
        raise SpecError("give a horizon, the number of queries to forecast for")
    for n in horizons:
        if not 1 <= n <= MAX_HORIZON:
            raise SpecError(f"horizon must be in 1..{MAX_HORIZON:,}, got {n:,}")


def _check_taus(taus: Sequence[float]) -> None:
    for tau in taus:
        if not 0 < tau < 1:
            raise SpecError(f"tau must be above 0 and below 1, got {tau:g}")


def _percent(chance: float) -> str:
    """Returns a chance that is neither 0% nor 100%: no forecast is certain."""
    return "below 1%" if chance < 0.01 else "above 99%" if chance > 0.99 else f"{chance:.0%}"


def _chance(chance: float) -> str:
    """Returns a chance that may be small; it is never 1."""
    return "above 0.99" if chance > 0.99 else f"{chance:.2g}"


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _risk_of(score: float) -> float:
    return math.exp(-math.exp(-score))
