"""The list of all runs, audits and comparisons: found by words, opened by a click."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from core.runs.catalogue import Entry

CHOSEN = "runs_list.chosen"
KINDS = {"run": "Single run", "audit": "Audit", "wordings": "Wordings"}
HEIGHT = 330


def chosen_entry(known: Sequence[Entry]) -> Entry | None:
    """Returns the entry that was clicked, or None."""
    chosen = st.session_state.get(CHOSEN)
    return next((entry for entry in known if (entry.kind, entry.id) == chosen), None)


def forget_choice() -> None:
    """Lets go of the entry that was clicked."""
    st.session_state.pop(CHOSEN, None)


def list_view(known: Sequence[Entry]) -> None:
    """Draws the list, the newest first."""
    find, kinds = st.columns([3, 2], gap="medium", vertical_alignment="bottom")
    wanted = find.text_input(
        "Find", key="runs_list.find", placeholder="Find words in query, model or behaviour"
    )
    kind = kinds.pills("Kind", list(KINDS), key="runs_list.kind", format_func=KINDS.__getitem__)
    listed = [
        entry
        for entry in known
        if (kind is None or entry.kind == kind) and wanted.strip().casefold() in words_of(entry)
    ]
    # Another list is another table: a row selected before would be another entry.
    key = f"runs_list.{abs(hash((wanted, kind, tuple(entry.id for entry in listed))))}"
    st.dataframe(
        _table(listed),
        key=key,
        on_select=lambda: _select(key, listed),
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        height=min(HEIGHT, 38 + 35 * max(len(listed), 1)),
        column_config={
            "Saved": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "What": st.column_config.TextColumn(width="medium"),
            "Answers": st.column_config.NumberColumn(format="localized"),
        },
    )
    st.caption(f"{len(listed):,} of {len(known):,}. Click the box left of a row to see what it is.")


def words_of(entry: Entry) -> str:
    """Returns all words by which an entry can be found."""
    return " ".join([entry.title, behaviour_of(entry), *models_of(entry), entry.id]).casefold()


def models_of(entry: Entry) -> list[str]:
    """Returns the names of an entry's models."""
    if entry.kind != "run":
        return [str(model.get("name", "")) for model in entry.spec.get("models", [])]
    return [str(entry.spec.get("request", {}).get("model", ""))]


def behaviour_of(entry: Entry) -> str:
    """Returns the name of an entry's behaviour."""
    spec = entry.spec if entry.kind != "run" else entry.spec.get("request", {})
    return str(spec.get("behaviour", ""))


def _select(key: str, listed: Sequence[Entry]) -> None:
    picked: Any = st.session_state.get(key)
    places = picked["selection"]["rows"] if picked else []
    if places and places[0] < len(listed):
        entry = listed[places[0]]
        st.session_state[CHOSEN] = (entry.kind, entry.id)
    else:
        forget_choice()


def _table(listed: Sequence[Entry]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Saved": [datetime.fromisoformat(entry.saved) for entry in listed],
            "Kind": [KINDS[entry.kind] for entry in listed],
            "What": [entry.title for entry in listed],
            "Model": [", ".join(models_of(entry)) for entry in listed],
            "Behaviour": [behaviour_of(entry) for entry in listed],
            "Answers": [entry.rows for entry in listed],
            "Status": [entry.status for entry in listed],
        }
    )
