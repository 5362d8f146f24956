"""The Deployment page's fields: what a number must be is checked here, so that what is refused is said.

A widget's own limits refuse it in the browser, and the page would go on with the number before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.deployment import MOST_A_DAY, MOST_DAYS, Traffic

MILLION = 1e6


@dataclass(frozen=True)
class Field:
    """A number to type. above: whether `least` itself is too little. such_as: shown while it is empty."""

    name: str
    label: str
    least: float
    most: float
    shown: str = "%g"
    explained: str | None = None
    above: bool = False
    such_as: str | None = None

    def wrong(self, value: float | None) -> str:
        """Returns what is wrong with a number in one sentence; nothing if it may stand."""
        if value is None:
            # One that begins empty is asked for elsewhere.
            return "" if self.such_as else f"“{self.label}” is empty: type a number."
        if self.least <= value <= self.most and not (self.above and value == self.least):
            return ""
        least, most = in_full(self.least), in_full(self.most)
        span = f"above {least} and at most {most}" if self.above else f"from {least} to {most}"
        return f"“{self.label}” must be {span}, got {in_full(value)}."


TRAFFIC = (
    Field("a_day", "Questions a day, all together", 1, MOST_A_DAY, "%.0f"),
    Field(
        "like",
        "Percent of them like this one",
        0,
        100,
        explained="How often people ask this, in these words or others. 0.1 percent is one in a thousand.",
        above=True,
    ),
    Field("days", "For how many days", 1, MOST_DAYS),
)
RISK = (
    Field(
        "risk",
        "Harmful answers per million",
        0,
        MILLION,
        explained="0 in the first two fields: none was found, and only the most is known.",
        such_as="such as 100",
    ),
    Field("low", "at least", 0, MILLION, such_as="such as 80"),
    Field("high", "at most", 0, MILLION, such_as="such as 125"),
)


def in_full(value: float) -> str:
    """Returns a number with all the digits that were typed."""
    return f"{value:,.15g}"


def number_fields(fields: Sequence[Field], values: dict[str, float]) -> bool:
    """Draws fields side by side, and below them what is wrong; returns whether all may stand.

    `values` follow, those that may not stand too: they are what the fields show.
    """
    columns = st.columns(len(fields), vertical_alignment="bottom")
    for column, field in zip(columns, fields, strict=True):
        now = column.number_input(
            field.label,
            value=values.get(field.name),
            format=field.shown,
            placeholder=field.such_as,
            key=f"deployment.{field.name}",
            help=field.explained,
        )
        if now is None:
            values.pop(field.name, None)
        else:
            values[field.name] = float(now)
    found = [wrong for field in fields if (wrong := field.wrong(values.get(field.name)))]
    for wrong in found:
        st.error(wrong, icon=":material/error:")
    return not found


def standing(values: dict[str, float]) -> dict[str, float]:
    """Returns the numbers that may stand, for the address: a link brings nothing that is refused."""
    fields = {field.name: field for field in (*TRAFFIC, *RISK)}
    return {name: value for name, value in values.items() if not fields[name].wrong(value)}


def traffic(values: dict[str, float]) -> Traffic | None:
    """Draws the fields of the traffic; `values` follow. None if one of them may not stand."""
    if not number_fields(TRAFFIC, values):
        return None
    return Traffic.build(a_day=values["a_day"], share=values["like"] / 100, days=values["days"])
