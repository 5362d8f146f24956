"""An audit's headline on screen, and its words as Markdown."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.audit.curves import Curve
from core.audit.folder import AuditFolder
from core.audit.table import VERDICTS, verdict_counts
from core.audit.words import answer, subtitle
from pages.shared import words
from pages.shared.chances import big
from pages.shared.frame import plain


def bold(name: str) -> str:
    """Returns a name in bold; what it holds is no markup."""
    return f"**{plain(name)}**"


def asked(folder: AuditFolder) -> str:
    """Returns what was asked, of whom, as Markdown."""
    return subtitle(folder, bold, plain)


def headline(folder: AuditFolder, table: pd.DataFrame | None, curves: Sequence[Curve]) -> None:
    """Draws the audit's answer, in big words, and its verdicts."""
    title, small = answer(curves)
    partial = table is None or len(table) < folder.total
    if partial and curves:
        small += " · so far"
    st.html(big(title, small, 2.4))
    if table is not None:
        _verdicts(table)


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
