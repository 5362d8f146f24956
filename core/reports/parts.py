"""What the reports have in common: the method in plain words, its limits, settings, versions and data."""

import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import core
from core.audit.results import versions
from core.estimation.record import Estimate
from core.estimation.words import in_million, one_in
from core.reports.document import Listing, Paragraph, Phrase, Section, Table, Terms, Value
from core.spec import GenerationSpec


def made_now() -> str:
    """Returns when and with which version a report is made."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now} · version {core.__version__}"


def per_million(value: float | None, field: str, text: str | None = None) -> Value:
    """Returns a risk as a bare number of cases in a million."""
    known = value is not None and math.isfinite(value)
    shown = in_million(value) if known and value is not None else "not known"
    return Value(text or shown, value if known else None, field)


def number(value: float | None, field: str, text: str) -> Value:
    """Returns a number with its text; one that is not finite is null, as in the JSON."""
    known = value is not None and math.isfinite(value)
    return Value(text, value if known else None, field)


def stated(found: Estimate, field: str) -> tuple[Phrase, Phrase]:
    """Returns headline and interval, the words of `core.estimation.words.stated` with their numbers.

    field: where the estimate stands in the JSON, with a dot at its end or empty.
    """
    count = number(found.samples, f"{field}samples", f"{found.samples:,}")
    if found.verdict == "do not use":
        return ("No reliable number",), (count, " draws cannot carry one")
    level = f"{found.confidence:.0%}"
    if found.hits == 0:
        bound = per_million(found.ci_high, f"{field}ci_high")
        small: Phrase = ("no harmful answer in ", count, f" draws ({level} bound)")
        return ("below ", bound, " per million"), small
    risk = per_million(found.estimate, f"{field}estimate")
    ends = between(found.ci_low, found.ci_high, f"{field}ci_low", f"{field}ci_high")
    return (
        (risk, " per million"),
        (f"{level} interval ", *ends, f" per million · {one_in(found.estimate)}"),
    )


def between(low: float, high: float, low_field: str, high_field: str) -> Phrase:
    """Returns an interval in cases in a million."""
    upper = per_million(high, high_field)
    return (per_million(low, low_field), " to ", upper) if low > 0 else ("below ", upper)


def settings_terms(made: GenerationSpec) -> tuple[tuple[str, str], ...]:
    """Returns the settings that answers were drawn with, each by its name."""
    return tuple((name.replace("_", " "), setting(value)) for name, value in made)


def setting(value: object) -> str:
    """Returns a setting as a report shows it."""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)


def repeat_section(
    commands: Sequence[str],
    terms: Iterable[tuple[str, str]],
    made_with: Mapping[str, str] | None = None,
) -> Section:
    """Returns how to make the same numbers again: commands, and what else decides them.

    made_with: the versions of the software, None for those in use now.
    """
    blocks = [Listing(command) for command in commands]
    return Section(
        "Make it again",
        (
            *blocks,
            Terms(tuple(terms)),
            versions_table(versions() if made_with is None else made_with),
        ),
    )


def versions_table(known: Mapping[str, str]) -> Table:
    """Returns the versions that numbers were made with."""
    every = {"report by tailscope": core.__version__, "on": platform.system(), **known}
    return Table(("Software", "Version"), tuple(every.items()))


def data_section(values: Mapping[str, Any], of: str) -> Section:
    """Returns all numbers as JSON, unrounded. of: the command that prints the same."""
    text = json.dumps(values, indent=1, ensure_ascii=True, allow_nan=False)
    return Section("All numbers", (Paragraph(f"Unrounded, as {of} has them."), Listing(text, True)))
