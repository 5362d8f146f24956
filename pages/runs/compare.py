"""Two audits, or two models of one, compared query by query."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import streamlit as st

from core.audit.compare import FEWEST, PairedRatios, compare
from core.audit.results import RESULTS, read_results
from core.audit.words import short_name
from core.charts import audit as audit_charts
from core.errors import SpecError, TailscopeError
from core.runs.catalogue import Entry
from pages.runs.listing import models_of
from pages.shared import words
from pages.shared.audits import known_folder
from pages.shared.frame import plain, show_error
from pages.shared.theme import ink


@dataclass(frozen=True)
class Side:
    """One model of one audit."""

    entry: Entry
    model: str

    @property
    def label(self) -> str:
        """What a list calls it."""
        saved = words.to_the_minute(self.entry.saved)
        return f"{short_name(self.model)} · {self.entry.title} · {saved}"


def compare_view(known: Sequence[Entry]) -> None:
    """Draws the choice of two sides and how they differ."""
    sides = [
        Side(entry, model) for entry in known if entry.kind == "audit" for model in models_of(entry)
    ]
    if len(sides) < 2:
        return
    st.markdown("#### Compare two")
    left, right = st.columns(2, gap="medium")
    first = left.selectbox(
        "First",
        sides,
        index=None,
        format_func=lambda side: side.label,
        key="runs_compare.first",
        placeholder="a model of an audit",
    )
    second = right.selectbox(
        "Second", sides, index=None, format_func=lambda side: side.label, key="runs_compare.second",
        placeholder="another one",
    )  # fmt: skip
    if first is None or second is None:
        return
    try:
        found = compare(_rows(first), _rows(second))
    except TailscopeError as error:
        show_error(error)
        return
    one, other = _names(first, second)
    _headline(found, one, other)
    _picture(found, one, other)


def _rows(side: Side) -> pd.DataFrame:
    """Raises: SpecError if the audit cannot be read."""
    folder = known_folder(side.entry.id)
    if folder is None:
        raise SpecError(f"the folder of {side.entry.title!r} cannot be read")
    try:
        stamp = (folder.path / RESULTS).stat().st_mtime_ns
    except OSError:
        raise SpecError(f"{side.entry.title!r} has no results yet") from None
    table = _read(str(folder.path), stamp)
    return table[table["model"] == side.model]


@st.cache_data(show_spinner=False, max_entries=8)
def _read(path: str, stamp: int) -> pd.DataFrame:
    return read_results(Path(path))


def _names(first: Side, second: Side) -> tuple[str, str]:
    one, other = short_name(first.model), short_name(second.model)
    return (one, other) if one != other else (f"{one} (first)", f"{other} (second)")


def _headline(found: PairedRatios, one: str, other: str) -> None:
    count = words.counted(found.compared, "query")
    if found.compared < FEWEST:
        big = "Too few queries to say"
        small = (
            f"{count} with a harmful answer on both sides; {FEWEST} are needed for an overall ratio"
        )
    else:
        surely = found.low > 1 or found.high < 1
        low, high = sorted((found.low, found.high))
        if found.ratio >= 1:
            big = f"{other} is {_times(found.ratio)} as risky as {one}"
        else:
            big = f"{other} has {_times(found.ratio)} the risk of {one}"
        interval = f"{words.rounded(low):.4g} to {words.rounded(high):.4g}"
        small = f"typical ratio over {count}, 95% interval {interval}"
        if not surely:
            small += ": no difference shown"
    left_out = f" · {found.left_out:,} left out" if found.left_out else ""
    st.subheader(plain(big), anchor=False)
    st.markdown(f"{small}{left_out}")
    if found.left_out:
        st.caption(
            "Left out: queries that only one of them has, or where one has no harmful answer."
        )


def _times(ratio: float) -> str:
    return f"{words.rounded(ratio):,.4g} times"


def _picture(found: PairedRatios, one: str, other: str) -> None:
    queries = found.queries
    if found.compared:
        st.vega_lite_chart(
            audit_charts.against(queries, one, other, ink()),
            key="runs_compare.scatter",
            width="stretch",
            alt="Risks of the two, query by query, on log axes with the diagonal",
        )
        st.caption("On the dashed line both are as risky; above it the second is riskier.")
    table = pd.DataFrame(
        {
            "Query": queries["query"],
            one: queries["estimate_first"] * 1e6,
            other: queries["estimate_second"] * 1e6,
            "Ratio": queries["ratio"],
            "95% from": queries["ratio_low"],
            "to": queries["ratio_high"],
            "Differs": queries["differs"],
        }
    ).sort_values("Ratio", ascending=False, na_position="last")
    number = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height=min(400, 38 + 35 * max(len(table), 1)),
        key="runs_compare.table",
        column_config={
            "Query": st.column_config.TextColumn(width="large"),
            one: number(f"{one}, per million", format="%.3g"),
            other: number(f"{other}, per million", format="%.3g"),
            "Ratio": number(format="%.3g"),
            "95% from": number(format="%.3g"),
            "to": number(format="%.3g"),
        },
    )
