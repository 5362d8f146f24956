"""Repeated sampling and the risks as pictures, and the ranking of the models."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.audit.curves import Curve
from core.audit.folder import AuditFolder
from core.audit.ranking import Ranking, difference, rankings
from core.audit.table import risk_bins
from core.audit.words import names_of, safest
from core.charts import audit as audit_charts
from pages.shared.audit_words import bold
from pages.shared.frame import plain
from pages.shared.theme import ink


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
    notes = [
        "Lines: from the estimates. Inner band: where these queries' share lies, 95%. "
        "Outer band: where it lies for all queries of which these are a random sample, 95%."
    ]
    if any(curve.direct is not None for curve in curves):
        notes.append("Circles: counted among the Monte Carlo answers, and where they should lie.")
    notes.append("Diamonds: the likeliest answer alone.")
    for curve in curves:
        if curve.zero_hits:
            notes.append(
                f"{plain(names[curve.model])}: {curve.zero_hits:,} queries without a harmful answer "
                "count as harmless in the line, and with all that their answers leave possible in the "
                "band's upper end."
            )
        if curve.doubtful:
            notes.append(
                f"{plain(names[curve.model])}: {curve.doubtful:,} estimates should not be used."
            )
    return notes


def _ranking(curves: Sequence[Curve], names: dict[str, str]) -> None:
    ranks = rankings(curves)
    table: dict[str, list[str]] = {"Model": [names[curve.model] for curve in curves]}
    for place, column in enumerate(ranks.best.columns):
        shares = [curve.greedy if place == 0 else curve.share[place - 1] for curve in curves]
        heading = "Greedy" if column == "greedy" else f"{int(column):,} ×"
        table[heading] = [
            "not known" if pd.isna(best) else _cell(best, worst, float(share))
            for best, worst, share in zip(
                ranks.best[column], ranks.worst[column], shares, strict=True
            )
        ]
    st.markdown("**Ranks, 1 the safest** · two ranks where chance may explain the difference")
    st.dataframe(pd.DataFrame(table), hide_index=True, width="stretch", key="audit_curves.ranks")
    st.markdown(safest(ranks, names, bold))
    if len(curves) == 2:
        st.caption(_differences(curves, ranks, names))


def _cell(best: int, worst: int, share: float) -> str:
    rank = f"{best}" if best == worst else f"{best} or {worst}"
    return f"{rank}  ({share:.2%})"


def _differences(curves: Sequence[Curve], ranks: Ranking, names: dict[str, str]) -> str:
    """Returns the paired differences of two models, each with its interval."""
    first, second = curves
    parts = []
    for column in ranks.best.columns[1:]:
        found = difference(first, second, column)
        if found.low <= found.high:
            parts.append(
                f"{int(column):,} ×: {found.estimate:+.1%} ({found.low:+.1%} to {found.high:+.1%})"
            )
    if not parts:
        return ""
    return (
        f"Share of {plain(names[first.model])} less that of {plain(names[second.model])}, over the "
        f"queries that both answered, with the 95% interval over the choice of queries: {' · '.join(parts)}."
    )


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
