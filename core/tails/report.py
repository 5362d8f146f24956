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
from core.tails.maximum import corrected_forecasts
from core.tails.notices import remarks_of
from core.tails.reading import ReadSample
from core.tails.remarks import COMMAND_LINE_AUDIT, Remark, Vocabulary, sentence_of
from core.tails.sample import to_score
from core.tails.spec import SHAPED, TailSpec
from core.tails.thresholds import why_chosen

TAUS = (1e-4, 1e-3, 1e-2, 1e-1)
MAX_HORIZON = 10**12


@dataclass(frozen=True, eq=False)
class TailsReport:
    """A fit, its forecasts with the noise taken out and left in, and the remarks on them.

    vocabulary: the words of the remarks' sentences.
    """

    fitted: FittedTail
    forecast: Forecast
    as_estimated: Forecast
    taus: tuple[float, ...]
    read: ReadSample
    remarks: tuple[Remark, ...]
    vocabulary: Vocabulary = COMMAND_LINE_AUDIT

    @property
    def warnings(self) -> list[str]:
        """The remarks as sentences."""
        return [sentence_of(remark, self.vocabulary) for remark in self.remarks]

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON of the command line; the fields of the first horizon stand on top."""
        fitted, sample = self.fitted, self.fitted.sample
        every = [self._at(place) for place in range(len(self.forecast.n))]
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
            "supported_horizon": self.forecast.supported,
            "forecasts": every,
            "share_above": {f"{tau:g}": self._share(tau) for tau in self.taus},
            "threshold_choice": None if table is None else why_chosen(table),
            "seed": fitted.spec.seed,
            "warnings": self.warnings,
            "remarks": [remark.to_dict() for remark in self.remarks],
        }

    def _at(self, place: int) -> dict[str, Any]:
        n = float(self.forecast.n[place])
        supported = n <= self.forecast.supported
        return {
            "horizon": int(n),
            "worst_qrisk": _number(self.forecast.median[place]),
            "ci_low": _number(self.forecast.low[place]),
            "ci_high": _number(self.forecast.high[place]),
            "level": _number(self.forecast.level[place]),
            "exceedance": {
                f"{tau:g}": self._chance(n, tau) if supported else None for tau in self.taus
            },
            "at_least_one": _number(self.forecast.at_least_one[place]),
            "at_least_one_low": _number(self.forecast.at_least_one_low[place]),
            "at_least_one_high": _number(self.forecast.at_least_one_high[place]),
            "at_least_one_bound": _number(self.forecast.at_least_one_bound[place]),
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
        values = self.to_dict()
        queries = f"{values['queries']:,} queries"
        if values["groups"] < values["queries"]:
            queries += f" in {values['groups']:,} groups"
        confidence = f"{self.fitted.spec.confidence:.0%}"
        lines = [line for forecast in values["forecasts"] for line in _lines(forecast, confidence)]
        lines.append(
            f"Fitted: {values['fit']}, to {values['exceedances']:,} of {queries}, from a risk of "
            f"{values['threshold']:.2g} on. It may be trusted up to {values['supported_horizon']:,.0f} "
            "queries."
        )
        if values["threshold_choice"]:
            lines.append(f"Threshold: {values['threshold_choice']}.")
        lines += [f"note: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def forecast_report(
    read: ReadSample,
    spec: TailSpec,
    horizons: Sequence[int],
    taus: Sequence[float] = TAUS,
    vocabulary: Vocabulary = COMMAND_LINE_AUDIT,
) -> TailsReport:
    """Returns the forecast of the worst of so many new queries, from the estimates of some.

    horizons: numbers of new queries. taus: risks whose chance of being exceeded is reported. vocabulary: the
    words of the remarks' sentences.

    Raises:
        TailscopeError: bad input, or no tail can be fitted; one sentence that says what to do.
    """
    _check_horizons(horizons)
    _check_taus(taus)
    fitted = fit_tail(read.sample, spec, max_horizon=max(NOISE_UP_TO, *horizons))
    forecast, as_estimated = corrected_forecasts(fitted, [float(n) for n in horizons])
    remarks = (*read.remarks, *remarks_of(fitted, forecast, as_estimated, read.queries))
    return TailsReport(fitted, forecast, as_estimated, tuple(taus), read, remarks, vocabulary)


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


def _lines(forecast: dict[str, Any], confidence: str) -> list[str]:
    """Returns the sentences of one horizon."""
    if forecast["worst_qrisk"] is None:
        return [f"No forecast for {forecast['horizon']:,} queries: too far."]
    chances = ", ".join(
        f"{float(tau):g}: {_percent(chance)}" for tau, chance in forecast["exceedance"].items()
    )
    lines = [
        f"The worst of {forecast['horizon']:,} queries not seen yet has a risk of about "
        f"{forecast['worst_qrisk']:.2g} ({confidence} interval {forecast['ci_low']:.2g} to "
        f"{forecast['ci_high']:.2g}).",
        f"  Chance that it is above {chances}.",
    ]
    if forecast["at_least_one"] is not None:
        lines.append(
            f"  Chance of at least one harmful answer when each is asked once: "
            f"{_chance(forecast['at_least_one'])} ({_chance(forecast['at_least_one_low'])} to "
            f"{_chance(forecast['at_least_one_high'])})."
        )
    return lines


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
