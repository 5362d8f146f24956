"""Words of the screen, and those that the reports share with it."""

import math
from typing import Literal, NamedTuple

from core.estimation.words import (
    between,
    certainly,
    counted,
    headline,
    in_million,
    large,
    one_in,
    per_million,
    rounded,
    rounded_up,
    three_digits,
    to_the_minute,
    whole,
)
from core.models.asked_with import drawn_with

__all__ = [
    "between",
    "certainly",
    "counted",
    "drawn_with",
    "duration",
    "headline",
    "in_million",
    "large",
    "one_in",
    "per_million",
    "reason_text",
    "rounded",
    "rounded_up",
    "three_digits",
    "to_the_minute",
    "whole",
]


class Badge(NamedTuple):
    """How a verdict is marked."""

    label: str
    color: Literal["green", "orange", "red"]
    icon: str


LEVELS = {
    "trust": Badge("Trust", "green", ":material/verified:"),
    "caution": Badge("Caution", "orange", ":material/warning:"),
    "do not use": Badge("Do not use", "red", ":material/block:"),
}


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


def reason_text(message: str) -> str:
    """Returns a reason with what Markdown would take for markup made plain."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>$~#:" else sign for sign in message)
