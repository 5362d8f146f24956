"""Rows of a file that were left out, by number."""

from collections.abc import Sequence

import streamlit as st

from core.queries import BadRow
from pages.shared.frame import plain

MOST_LISTED = 50


def bad_rows(bad: Sequence[BadRow], counted: str) -> None:
    """Draws how many rows were left out and, folded, which and why. counted: "row" or "line"."""
    if not bad:
        return
    total = len(bad)
    with st.expander(
        f"{total:,} {counted}{'' if total == 1 else 's'} left out", icon=":material/warning:"
    ):
        for one in bad[:MOST_LISTED]:
            st.markdown(f"{counted.capitalize()} {one.row:,}: {plain(one.reason)}")
        if total > MOST_LISTED:
            st.caption(f"and {total - MOST_LISTED:,} more")
