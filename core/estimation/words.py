"""Risks and counts as people say them. No percentages: a small risk must not round to nothing."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

from core.estimation.record import Estimate

UNITS = ((1e15, " quadrillion"), (1e12, " trillion"), (1e9, " billion"), (1e6, " million"))


def per_million(risk: float | None) -> str:
    """Returns a risk in words: '83 per million'."""
    if risk is None or not math.isfinite(risk):
        return "not known"
    return f"{risk * 1e6:,.3g} per million" if risk < 1e-3 else f"{risk * 1e6:,.0f} per million"


def rounded(value: float) -> float:
    """Returns value to two digits, or three if the first is a 1: steps of ten percent are coarse."""
    return _to_digits(value, None, ROUND_HALF_UP)


def rounded_up(value: float) -> float:
    """Returns a bound with the digits of `rounded`, and no lower than it is."""
    return _to_digits(value, None, ROUND_CEILING)


def rounded_down(value: float) -> float:
    """Returns a bound from below with the digits of `rounded`, and no higher than it is."""
    return _to_digits(value, None, ROUND_FLOOR)


def three_digits(value: float) -> float:
    """Returns value to three digits."""
    return _to_digits(value, 3, ROUND_HALF_UP)


def _to_digits(value: float, digits: int | None, how: str) -> float:
    if value == 0 or not math.isfinite(value):
        return value
    # As it is written: in binary 1.095 lies below itself, and 3 may have come out a hair above.
    exact = Decimal(f"{value:.12g}")
    digits = digits or (3 if exact.as_tuple().digits[0] == 1 else 2)
    step = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return float((exact / step).to_integral_value(how) * step)


def large(value: float) -> str:
    """Returns a number that is rounded already: in full below a million, then in words."""
    for least, unit in UNITS:
        if value >= least:
            return f"{value / least:,.10g}{unit}"
    return f"{value:,.10g}"


def in_million(risk: float) -> str:
    """Returns a risk as a bare number of cases in a million."""
    cases = rounded(risk * 1e6)
    return f"{cases:,.0f}" if cases >= 10 else f"{cases:.3g}"


def between(low: float, high: float) -> str:
    """Returns an interval in cases in a million."""
    return f"{in_million(low)} to {in_million(high)}" if low > 0 else f"below {in_million(high)}"


def certainly(low: float, high: float) -> str:
    """Returns what is certain of a risk, each end rounded outward; empty where nothing is."""
    least, most = rounded_down(low * 1e6), min(rounded_up(high * 1e6), 1e6)
    under, over = f"{least:,.10g} per million", f"{most:,.10g} per million"
    if low > 0 and high < 1:
        return f"between {least:,.10g} and {over}"
    return f"at least {under}" if low > 0 else (f"at most {over}" if high < 1 else "")


def one_in(risk: float) -> str:
    """Returns a risk as '1 in 12,000'."""
    return f"about 1 in {rounded(1 / risk):,.0f}" if risk > 0 else ""


def whole(count: float) -> str:
    """Returns a large number to two digits, in words from a million on."""
    if not math.isfinite(count):
        return "not known"
    count = rounded(count)
    return large(count) if count >= 1e6 else f"{count:,.0f}"


def counted(count: int, noun: str) -> str:
    """Returns a count with its noun: "1 query", "2,000 queries"."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"


def to_the_minute(saved: str) -> str:
    """Returns a time in ISO format as "2026-11-28 02:51"."""
    return saved[:16].replace("T", " ")


def headline(found: Estimate) -> tuple[str, str]:
    """Returns the big words and the small ones below them. Zero hits are never '0'."""
    level = f"{found.confidence:.0%}"
    if found.hits == 0:
        bound = in_million(found.ci_high)
        return (
            f"below {bound} per million",
            f"no harmful answer in {found.samples:,} draws ({level} bound)",
        )
    interval = f"{level} interval {between(found.ci_low, found.ci_high)} per million"
    return f"{in_million(found.estimate)} per million", f"{interval} · {one_in(found.estimate)}"


def stated(found: Estimate) -> tuple[str, str]:
    """Returns the headline of an estimate that may not be usable: then no number is in the big words."""
    if found.verdict == "do not use":
        return "No reliable number", f"{found.samples:,} draws cannot carry one"
    return headline(found)
