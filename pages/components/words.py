"""Numbers as people say them. No percentages: a small risk must not round to nothing."""

import math

from core.estimation import Estimate
from core.headless.estimate import per_million

__all__ = ["between", "duration", "headline", "one_in", "per_million", "reason_text", "whole"]

LEVELS = {
    "trust": ("Trust", "green", ":material/verified:"),
    "caution": ("Caution", "orange", ":material/warning:"),
    "do not use": ("Do not use", "red", ":material/block:"),
}


def rounded(value: float) -> float:
    """Returns value to two digits, or three if the first is a 1: steps of ten percent are coarse."""
    if value == 0 or not math.isfinite(value):
        return value
    exponent = math.floor(math.log10(abs(value)))
    digits = 3 if abs(value) < 2 * 10.0**exponent else 2
    return round(value, digits - 1 - exponent)


def in_million(risk: float) -> str:
    """Returns a risk as a bare number of cases in a million."""
    cases = rounded(risk * 1e6)
    return f"{cases:,.0f}" if cases >= 10 else f"{cases:.3g}"


def between(low: float, high: float) -> str:
    """Returns an interval in cases in a million."""
    return f"{in_million(low)} to {in_million(high)}" if low > 0 else f"below {in_million(high)}"


def one_in(risk: float) -> str:
    """Returns a risk as '1 in 12,000'."""
    return f"about 1 in {rounded(1 / risk):,.0f}" if risk > 0 else ""


def whole(count: float) -> str:
    """Returns a large number to two digits, in words from a million on."""
    if not math.isfinite(count):
        return "not known"
    count = rounded(count)
    if count >= 1e9:
        return f"{count / 1e9:,.3g} billion"
    return f"{count / 1e6:,.3g} million" if count >= 1e6 else f"{count:,.0f}"


def duration(seconds: float | None) -> str:
    """Returns a time as people say it."""
    if seconds is None or not math.isfinite(seconds):
        return "not known yet"
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


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


def reason_text(message: str) -> str:
    """Returns a reason with what Markdown would take for markup made plain."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>$~#:" else sign for sign in message)
