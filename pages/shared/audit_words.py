"""What an audit says, in words."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.audit.curves import Curve
from core.audit.folder import AuditFolder
from core.audit.table import VERDICTS, flip, verdict_counts
from pages.shared import words
from pages.shared.chances import big
from pages.shared.frame import plain
from pages.shared.pace import short_name

TIMES = {"greedy": "asked once, greedily", "1": "asked once"}


def subtitle(folder: AuditFolder) -> str:
    """Returns what was asked, of whom."""
    spec = folder.spec
    count = folder.total // len(spec.models)
    names = ", ".join(f"**{plain(short_name(model.name))}**" for model in spec.models)
    answers = f"{spec.samples:,} answers a query"
    if spec.precision is not None:
        answers = f"up to {answers}, fewer once the interval is ±{spec.precision:.0%}"
    if spec.monte_carlo_samples:
        answers += f", and {spec.monte_carlo_samples:,} by Monte Carlo"
    judge = "" if spec.judge is None else f", judged by {plain(short_name(spec.judge))}"
    noun = "query" if count == 1 else "queries"
    return f"{count:,} {plain(spec.behaviour)} {noun} asked of {names}: {answers}{judge}."


def headline(folder: AuditFolder, table: pd.DataFrame | None, curves: Sequence[Curve]) -> None:
    """Draws the audit's answer, in big words, and its verdicts."""
    title, small = _answer(curves)
    partial = table is None or len(table) < folder.total
    if partial and curves:
        small += " · so far"
    st.html(big(title, small, 2.4))
    if table is not None:
        _verdicts(table)


def _answer(curves: Sequence[Curve]) -> tuple[str, str]:
    if not curves:
        return "…", "the first answers are being drawn"
    names = [short_name(curve.model) for curve in curves]
    last = int(curves[0].n[-1])
    counts = " · ".join(
        f"{name} {of_queries(float(curve.share[-1]), curve.queries)}"
        for name, curve in zip(names, curves, strict=True)
    )
    found = flip(curves)
    if found is not None:
        title = f"Safest {times(found.first)}: {short_name(found.first_model)}"
        title += f"; {times(found.last)}: {short_name(found.last_model)}"
        return title, f"queries with a harmful answer among {last:,}: {counts}"
    return counts, f"queries with at least one harmful answer when each is asked {last:,} times"


def times(column: str) -> str:
    """Returns a column of the ranking as words."""
    return TIMES.get(column, f"asked {int(column):,} times" if column.isdigit() else column)


def of_queries(share: float, queries: int) -> str:
    """Returns a share of queries as a number of them."""
    count = share * queries
    if 0 < count < 0.05:
        return f"fewer than 0.1 of {queries:,}"
    number = f"{count:.0f}" if count >= 9.95 or abs(count - round(count)) < 0.05 else f"{count:.1f}"
    return f"{number} of {queries:,}"


def _verdicts(table: pd.DataFrame) -> None:
    counts = verdict_counts(table).sum()
    failed = int((table["error"].fillna("") != "").sum())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name in VERDICTS:
            if counts[name]:
                badge = words.LEVELS[name]
                st.badge(f"{badge.label}: {counts[name]:,}", icon=badge.icon, color=badge.color)
        if failed:
            st.badge(f"Failed: {failed:,}", icon=":material/error:", color="red")
