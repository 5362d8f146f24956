"""Estimates marked 'do not use' among those the tail is fitted to, and the consent to leave them out."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.files.json_text import parse_json
from core.tails.analysis import FittedTail
from core.tails.reading import ReadSample
from core.tails.words import risk_range, risk_text
from pages.shared.frame import sentence
from pages.tails.state import keep, kept, remembered
from pages.tails.wording import WITH_START

MOST_REASONS = 2
MOST_SHOWN = 6


def leaves_out(identity: str) -> bool:
    """Returns whether the user has agreed to leave them out of this sample."""
    return bool(kept(f"leave_out.{identity}", False))


def doubtful_view(
    identity: str, whole: ReadSample, table: pd.DataFrame, fitted: FittedTail
) -> None:
    """Draws the box if there are any. whole: the sample with them, left out or not. table: its cells."""
    sample, left_out = whole.sample, leaves_out(identity)
    high = ~sample.censored & sample.doubtful & (sample.score >= fitted.fit.threshold)
    rows = np.flatnonzero(high)
    if not len(rows) and not left_out:
        return
    rows = rows[np.argsort(-sample.score[rows], kind="stable")]
    count = int(sample.doubtful.sum()) if left_out else len(rows)
    one = count == 1
    with st.container(border=True):
        if left_out:
            st.markdown(
                f":orange[:material/warning:] **{count:,} {'query' if one else 'queries'} marked “do not "
                f"use” {'is' if one else 'are'} left out.** If {'it is' if one else 'they are'} as risky as "
                "estimated, this forecast is too low."
            )
        else:
            st.markdown(
                f":orange[:material/warning:] **{count:,} of the {_among(fitted)} "
                f"{'is' if one else 'are'} marked “do not use”.** The forecast rests on "
                f"{'it' if one else 'them'}: best estimate {'it' if one else 'them'} again with more answers."
            )
        if len(rows):
            st.dataframe(
                _listed(whole, rows, table),
                hide_index=True,
                width="stretch",
                height="content" if len(rows) <= MOST_SHOWN else 260,
                key="tails.doubtful",
            )
        st.checkbox(
            "Leave them out",
            **remembered(f"leave_out.{identity}", False),
            help="Only if you are sure that these estimates are wrong.",
        )
        st.caption("Leaving out the riskiest queries makes the forecast lower, not safer.")


def _among(fitted: FittedTail) -> str:
    if fitted.fit.name in WITH_START:
        return f"{fitted.fit.exceedances:,} riskiest estimates"
    return f"{len(fitted.sample):,} estimates"


def take_in_again(identity: str) -> None:
    """Draws a button that takes them in again, where they are left out."""
    if leaves_out(identity):
        st.button(
            "Take the queries marked “do not use” in again",
            key="tails.take_in_again",
            on_click=keep,
            args=(f"leave_out.{identity}", False),
        )


def _listed(whole: ReadSample, rows: Any, table: pd.DataFrame) -> pd.DataFrame:
    cells = table.iloc[whole.rows[rows]]
    return pd.DataFrame(
        {
            "Query": [whole.queries[row] for row in rows],
            "Risk": [risk_text(float(whole.sample.risk[row])) for row in rows],
            "Range": [_range(cell) for _, cell in cells.iterrows()],
            "Why": [reasons(cell.get("reasons")) for _, cell in cells.iterrows()],
        }
    )


def _range(cell: "pd.Series[Any]") -> str:
    ends = [cell.get("ci_low"), cell.get("ci_high")]
    low, high = pd.to_numeric(pd.Series(ends, dtype=object), errors="coerce")
    return risk_range(float(low), float(high)) if pd.notna(low) and pd.notna(high) else "not given"


def reasons(cell: object) -> str:
    """Returns a verdict's first reasons. cell: JSON as in an audit's table; anything else has none."""
    try:
        found = parse_json(cell) if isinstance(cell, str) else None
    except ValueError:
        return ""
    if not isinstance(found, list):
        return ""
    messages = [
        reason["message"]
        for reason in found
        if isinstance(reason, dict) and isinstance(reason.get("message"), str)
    ]
    return " ".join(sentence(message) for message in messages[:MOST_REASONS])
