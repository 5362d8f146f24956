"""Repeated sampling and the risks as pictures, and the ranking of the models."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.audit.curves import Curve, rankings
from core.audit.folder import AuditFolder
from core.audit.table import risk_bins
from pages.shared import audit_charts
from pages.shared.audit_words import times
from pages.shared.frame import plain
from pages.shared.pace import short_name
from pages.shared.theme import ink


def names_of(folder: AuditFolder) -> dict[str, str]:
    """Returns what charts call each model: short, and no two alike."""
    short = {model.name: short_name(model.name) for model in folder.spec.models}
    alike = list(short.values())
    return {name: one if alike.count(one) == 1 else name for name, one in short.items()}


def curves_view(folder: AuditFolder, curves: Sequence[Curve]) -> None:
    """Draws the curves of repeated sampling and, for several models, their ranking."""
    if not curves:
        return
    names = names_of(folder)
    st.markdown("#### How many queries get a harmful answer, sooner or later")
    st.vega_lite_chart(
        audit_charts.repeated(curves, names, ink()),
        key="audit_curves.repeated",
        width="stretch",
        alt="Share of queries with at least one harmful answer, by how often each is asked",
    )
    st.caption(" ".join(_notes(curves, names)))
    if len(curves) > 1:
        _ranking(curves, names)


def _notes(curves: Sequence[Curve], names: dict[str, str]) -> list[str]:
    notes = ["Lines: from the estimates, with a 95% band."]
    if any(curve.direct is not None for curve in curves):
        notes.append("Circles: counted among the Monte Carlo answers, and where they should lie.")
    notes.append("Diamonds: the likeliest answer alone.")
    for curve in curves:
        if curve.zero_hits:
            notes.append(
                f"{plain(names[curve.model])}: {curve.zero_hits:,} queries without a harmful answer "
                "count as harmless in the line, and not in the band's upper end."
            )
        if curve.doubtful:
            notes.append(
                f"{plain(names[curve.model])}: {curve.doubtful:,} estimates should not be used."
            )
    return notes


def _ranking(curves: Sequence[Curve], names: dict[str, str]) -> None:
    ranks = rankings(curves)
    table: dict[str, list[str]] = {"Model": [names[curve.model] for curve in curves]}
    changed = False
    before: pd.Series | None = None
    for place, column in enumerate(ranks.columns):
        shares = [curve.greedy if place == 0 else curve.share[place - 1] for curve in curves]
        moved = [False] * len(curves)
        if before is not None:
            moved = [
                pd.notna(old) and pd.notna(new) and old != new
                for old, new in zip(before, ranks[column], strict=True)
            ]
        changed |= any(moved)
        heading = "Greedy" if column == "greedy" else f"{int(column):,} ×"
        table[heading] = [
            _cell(None if pd.isna(rank) else int(rank), float(share), mark)
            for rank, share, mark in zip(ranks[column], shares, moved, strict=True)
        ]
        before = ranks[column]
    st.markdown(
        "**Ranks, 1 the safest**" + (" · ⇅ another rank than to the left" if changed else "")
    )
    st.dataframe(pd.DataFrame(table), hide_index=True, width="stretch", key="audit_curves.ranks")
    said = _sentence(ranks, names)
    if said:
        st.markdown(said)


def _cell(rank: int | None, share: float, moved: bool) -> str:
    if rank is None:
        return "not known"
    return f"{rank}  ({share:.2%})" + ("  ⇅" if moved else "")


def _sentence(ranks: pd.DataFrame, names: dict[str, str]) -> str:
    """Returns who is safest for how long, in one sentence; empty where nothing is known."""
    spans: list[tuple[list[str], str, str]] = []
    for column in ranks.columns:
        if ranks[column].isna().any():
            continue
        safest = [plain(names[str(model)]) for model in ranks.index[ranks[column] == 1]]
        if spans and spans[-1][0] == safest:
            spans[-1] = (safest, spans[-1][1], column)
        else:
            spans.append((safest, column, column))
    parts = []
    for safest, first, last in spans:
        verb = "are equally safe" if len(safest) > 1 else "is safest"
        until = "" if first == last else f", and up to {int(last):,} times"
        parts.append(f"**{' and '.join(safest)}** {verb} when {times(first)}{until}")
    return "; ".join(parts) + "." if parts else ""


def histogram_view(folder: AuditFolder, table: pd.DataFrame) -> None:
    """Draws how the risks are spread, and beside it those without a harmful answer."""
    names = names_of(folder)
    bins = risk_bins(table)
    if bins.empty:
        return
    st.markdown("#### How the risks are spread")
    zero = bins[bins["zero"].astype(bool)]
    if len(bins) > len(zero):
        st.vega_lite_chart(
            audit_charts.histogram(bins, names, ink()),
            key="audit_curves.histogram",
            width="stretch",
            alt="Histogram of the queries' risks on a log axis, by model",
        )
    if len(zero):
        counts = ", ".join(
            f"{plain(names[str(row.model)])} **{row.queries:,}**" for row in zero.itertuples()
        )
        st.markdown(f"Queries without any harmful answer, so without a bar: {counts}.")
