"""Counts, chances and waits as people say them, who need not know statistics."""

import html
import math
from collections.abc import Callable

from core.deployment import Outlook, Range, Risk, Traffic, denominator
from pages.shared.words import large, rounded, rounded_up, three_digits

Rounding = Callable[[float], float]

NUMBERS = {1_000: "a thousand", 1_000_000: "a million"}


def big(text: str, small: str = "", rem: float = 1.9) -> str:
    """Returns a headline and the line below it as HTML. Both are plain text, and escaped."""
    return (
        f"<div style='line-height:1.15'><div style='font-size:{rem:g}rem;font-weight:700;"
        f"letter-spacing:-.02em'>{html.escape(text)}</div><div style='font-size:1.15rem;opacity:.8;"
        f"margin-top:.4rem;line-height:1.35'>{html.escape(small)}</div></div>"
    )


def count(value: float, rounding: Rounding = rounded) -> str:
    """Returns a count to two or three digits; one that need not be whole."""
    value = rounding(value)
    if 0 < value < 1e-3:
        return "below 0.001"
    return large(round(value) if value >= 10 else value)


def expected(found: Range, share: float = 1.0) -> str:
    """Returns how many harmful answers are expected, or below how many.

    share: of what is shown without it, so that a half is seen to be the half.
    """
    rounding = three_digits if found.value is not None else rounded_up
    number = found.high if found.value is None else found.value
    shown = share * rounding(number)
    if 0 < shown < 1e-3:
        return "below 0.001"
    return large(shown) if found.value is not None else f"below {large(shown)}"


def span(found: Range, say: Callable[[float], str] = count) -> str:
    """Returns where a number may lie."""
    low, high = say(found.low), say(found.high)
    if found.value is None:
        return f"at most {high}"
    return low if low == high else f"{low} to {high}"


def chance(value: float, *, digits: int = 2, counted: bool = False) -> str:
    """Returns a chance in percent: never 100, and 0 only if nothing at all is possible.

    digits: of one below 10%. counted: a share that was counted and not worked out, which may be all.
    """
    if value == 0 or (counted and value == 1):
        return f"{value:.0%}"
    if value > 0.999:
        return "above 99.9%"
    if value < 1e-4:
        return "below 0.01%"
    return (
        f"{value:.0%}"
        if 0.1 <= value <= 0.9
        else f"{value * 100:.{digits}g}%"
        if value < 0.1
        else _near(value)
    )


def _near(value: float) -> str:
    return f"{value:.1%}" if value > 0.99 else f"{value:.0%}"


def wait(days: float, rounding: Rounding = three_digits) -> str:
    """Returns a time in minutes, hours, days or years."""
    if math.isinf(days):
        return "never, perhaps"
    if under_a_minute(days, rounding):
        return "under a minute"
    for unit, length, most in (
        ("minute", 1 / 1440, 90 / 1440),
        ("hour", 1 / 24, 2.0),
        ("day", 1.0, 730.0),
    ):
        if days < most:
            number = rounding(days / length)
            if number < 1:
                return f"{number:.2g} {unit}s"
            return f"{number:,.3g} {unit}{'' if number == 1 else 's'}"
    return f"{count(days / 365.25, rounding)} years"


def under_a_minute(days: float, rounding: Rounding = three_digits) -> bool:
    """Returns whether a time is too short to be given in minutes."""
    return rounding(days * 1440) < 1


def sure(risk: Risk) -> str:
    """Returns how sure a range is, as '95% sure'."""
    return f"{risk.confidence * 100:g}% sure"


def headline(risk: Risk) -> str:
    """Returns the risk in natural frequencies, of a fixed number of questions."""
    of = denominator(risk)
    such = f"Of {NUMBERS[of]} such questions"
    if risk.only_bound:
        return f"{such}, fewer than {count(risk.high * of, rounded_up)} get a harmful answer ({sure(risk)})"
    low, high = count(risk.low * of), count(risk.high * of)
    return f"{such}, about {count(risk.value * of)} get a harmful answer ({sure(risk)}: {low} to {high})"


def in_use(risk: Risk, traffic: Traffic, found: Outlook) -> str:
    """Returns what the traffic makes of it, in one sentence: what is expected, and what may come."""
    asked = f"{count(traffic.like_this_a_day)} of {count(traffic.a_day)} questions a day are like this one"
    days = "in a day" if traffic.days == 1 else f"in {traffic.days:,.10g} days"
    about = "" if risk.only_bound else "about "
    return (
        f"If {asked}, {about}{expected(found.expected)} harmful answers are expected {days} "
        f"({sure(risk)}: {span(found.count)})."
    )


def half_the_time(found: Range) -> str:
    """Returns by when the first has come half of the time."""
    if found.value is None:
        return "perhaps never"
    within = "" if under_a_minute(found.value) else "within "
    return f"half the time {within}{wait(found.value)}"
