"""The limits of the Tails page's number fields, and the sentences for a value outside them."""

import math

MOST_QUESTIONS = 1e9


def horizon_fault(value: float | None) -> str:
    """Returns what is wrong with a number of questions; empty if nothing is."""
    if value is not None and 1 <= value <= MOST_QUESTIONS:
        return ""
    return f"Number of questions must be 1 to {MOST_QUESTIONS:,.0f}, got {_written(value)}."


def level_fault(percent: float | None) -> str:
    """Returns what is wrong with a risk level in percent; empty if nothing is."""
    if percent is not None and 0 < percent < 100:
        return ""
    return f"Risk level must be above 0 and below 100 percent, got {_written(percent)}."


def _written(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "no number"
    return f"{value:,.12g}" if abs(value) < 1e15 else f"{value:g}"
