"""Risks of a tail, and its forecast, in words."""

import math

import numpy as np

from core.estimation.words import rounded
from core.tails.forecast import Forecast

MILLION = 1e6
# Below this, percent would need zeros that nobody counts.
SMALL = 0.01
NEARLY = 0.999


def risk_text(risk: float, high: float | None = None) -> str:
    """Returns a risk in percent, or per million where that is small; never 0 and never 100.

    high: the end of its range, which has the same unit.
    """
    large = (risk if high is None else high) >= SMALL
    return _in_percent(risk) if large else f"{_in_million(risk)} per million"


def risk_range(low: float, high: float) -> str:
    """Returns a range of risks, both ends in the upper end's unit."""
    say, unit = (_in_percent, "") if high >= SMALL else (_in_million, " per million")
    first, last = say(low), say(high)
    return f"{first}{unit}" if first == last else f"{first} to {last}{unit}"


def level_text(risk: float) -> str:
    """Returns a risk level as its field has it: in percent."""
    return f"{np.format_float_positional(risk * 100, precision=6, fractional=False, trim='-')}%"


def often(risk: float, high: float | None = None) -> str:
    """Returns a risk as how often something happens. high: as `risk_text`."""
    if risk > NEARLY:
        return "nearly every time"
    if (risk if high is None else high) >= SMALL:
        return f"about {_in_percent(risk)} of the time"
    return f"about {_in_million(risk)} times in a million"


def _in_percent(risk: float) -> str:
    return "below 0.01%" if risk <= 0 else "over 99.9%" if risk > NEARLY else _digits(risk)


def _digits(risk: float) -> str:
    if risk > 0.99:
        return f"{math.floor(risk * 1000) / 10:g}%"
    percent = rounded(risk * 100)
    return (
        f"{percent:.0f}%"
        if percent >= 10
        else f"{percent:.2g}%"
        if percent >= 1e-4
        else "below 0.0001%"
    )


def _in_million(risk: float) -> str:
    cases = rounded(risk * MILLION)
    if cases >= 10:
        return f"{cases:,.0f}"
    return f"{cases:.3g}" if cases >= 1e-3 else "below 0.001"


def headline(forecast: Forecast, confidence: float) -> tuple[str, str]:
    """Returns the big words and the small ones below them, of the first horizon, which is supported."""
    n, risk, high = float(forecast.n[0]), float(forecast.median[0]), float(forecast.high[0])
    what = f"The riskiest of {n:,.0f} questions" if n > 1 else "A question"
    big = f"{what} like these would typically get a harmful answer {often(risk, high)}"
    ends = risk_range(float(forecast.low[0]), high)
    small = (
        f"{confidence:.0%} sure: {ends} of the answers to it, as likely above as below "
        f"{risk_text(risk, high)}"
    )
    return big, small
