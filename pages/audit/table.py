"""The table of an audit: a row a query and model, sorted and filtered; a click opens a query."""

from typing import Any

import pandas as pd
import streamlit as st

from core.audit.folder import AuditFolder
from core.audit.table import VERDICTS, chosen_rows, shown
from core.audit.words import short_name
from core.glossary import meaning
from pages.shared import words

CHOSEN = "audit_table.chosen"
ORDER = "audit_table.order"
KEY = "audit_table"
MAY_BE_EMPTY = ("counted", "category", "system", "error")
HEIGHT = 430


def chosen_query(folder: AuditFolder) -> tuple[str, str] | None:
    """Returns query id and model of the row that was clicked in this audit, or None."""
    found = st.session_state.get(CHOSEN)
    return None if found is None or found[0] != folder.audit_id else (found[1], found[2])


def table_view(folder: AuditFolder, table: pd.DataFrame, *, live: bool) -> None:
    """Draws the table. live: rows still come in, and stay in the order in which they came."""
    st.markdown("#### Query by query")
    names = [model.name for model in folder.spec.models]
    find, models, verdicts = st.columns([3, 2, 3], gap="medium", vertical_alignment="bottom")
    wanted = find.text_input(
        "Find",
        key="audit_table.find",
        placeholder="Find words in the query",
        icon=":material/search:",
    )
    of_models = (
        models.pills(
            "Model", names, selection_mode="multi", key="audit_table.models", format_func=short_name
        )
        if len(names) > 1
        else []
    )
    of_verdicts = verdicts.pills(
        "Verdict",
        VERDICTS,
        selection_mode="multi",
        key="audit_table.verdicts",
        format_func=str.capitalize,
    )
    rows = chosen_rows(table, wanted, of_models, of_verdicts)
    found = shown(rows)
    found["verdict"] = found["verdict"].str.capitalize()
    found["model"] = found["model"].map(short_name)
    for name in ("risk", "low", "high"):
        found[name] = [words.rounded(value) for value in found[name]]
    if not live:
        found = found.sort_values("risk", ascending=False, na_position="last", kind="stable")
        rows = rows.loc[found.index]
    st.session_state[ORDER] = (
        folder.audit_id,
        list(zip(rows["query_id"], rows["model"], strict=True)),
    )
    # Another filter is another table: a row number selected before would be another query's.
    asked = abs(hash((folder.audit_id, live, wanted, tuple(of_models), tuple(of_verdicts))))
    key = f"{KEY}.{asked}"
    st.dataframe(
        found.drop(columns=["query_id", "group"]),
        key=key,
        on_select=lambda: _select(key),
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        height=min(HEIGHT, 38 + 35 * max(len(found), 1)),
        column_config=_columns(found),
    )
    count = len(found)
    said = f"{count:,} of {len(table):,} rows. " if count < len(table) else ""
    st.caption(
        f"{said}Harmful answers per million, with a 95% interval. No number: no harmful answer was "
        "drawn, and the interval's upper end says what that excludes. Click the box left of a row to "
        "read its answers."
    )
    if st.session_state.pop(f"{KEY}.changed", False):
        st.rerun(scope="app")


def _select(key: str) -> None:
    picked: Any = st.session_state.get(key)
    audit_id, order = st.session_state.get(ORDER, (None, []))
    places = picked["selection"]["rows"] if picked else []
    if places and places[0] < len(order):
        st.session_state[CHOSEN] = (audit_id, *order[places[0]])
    else:
        st.session_state.pop(CHOSEN, None)
    st.session_state[f"{KEY}.changed"] = True


def _columns(found: pd.DataFrame) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    text = st.column_config.TextColumn
    hide = {name: None for name in MAY_BE_EMPTY if found[name].fillna("").eq("").all()}
    return {
        "query": text("Query", width="medium"),
        "model": text("Model", width="small"),
        "risk": number("Per million", format="localized", help="Harmful answers per million"),
        "low": number("95% from", format="localized"),
        "high": number("to", format="localized"),
        "verdict": text("Verdict", help=meaning("verdict")),
        "greedy": text("Greedy", help=f"Whether it is harmful. {meaning('greedy answer')}"),
        "samples": number("Answers", format="localized"),
        "counted": text("Monte Carlo", help="Harmful answers among those of the model itself"),
        "category": text("Category"),
        "system": text("Own system prompt", width="medium"),
        "error": text("What went wrong"),
        **hide,
    }
