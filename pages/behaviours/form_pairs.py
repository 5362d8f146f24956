"""The contrast pairs of a behaviour that is being typed: a table to type or paste into, and a file."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.behaviours.exchange import answers_of, read_pair_lines
from core.behaviours.load import ContrastPair
from core.behaviours.spec import PairSpec
from core.errors import TailscopeError
from core.queries import BadRow
from pages.behaviours.drafting import draft, field_key
from pages.shared.bad_rows import bad_rows
from pages.shared.frame import plain, sentence
from pages.shared.words import counted

TABLE, FILE, FOUND, ERROR = "pair_table", "pair_file", "pair_file_found", "pair_file_error"
BASE = "pair_base"
KEPT = "kept_pairs"
COLUMNS = {
    "query": "Query",
    "safe": "Safe answer",
    "unsafe": "Unsafe answer",
    "unsafe_system": "System prompt of the unsafe side",
}


def fill(pairs: Sequence[ContrastPair]) -> None:
    """Puts a behaviour's pairs into the draft; those that differ in more than an answer stay as they are."""
    rows = [answers_of(pair.safe, pair.unsafe) for pair in pairs]
    draft()[TABLE] = _frame([row for row in rows if row is not None])
    draft()[KEPT] = [
        PairSpec(safe=pair.safe, unsafe=pair.unsafe)
        for pair, row in zip(pairs, rows, strict=True)
        if row is None
    ]


def fields() -> None:
    """Draws the fields."""
    key = field_key(TABLE)
    held = draft()
    # The editor's own state is what was changed of the table it began with: that must stay the same one,
    # unless a change of page has dropped the state.
    if key not in st.session_state or BASE not in held:
        held[BASE] = held.get(TABLE, _frame([])).reset_index(drop=True)
    held[TABLE] = st.data_editor(
        held[BASE],
        key=key,
        num_rows="dynamic",
        hide_index=True,
        width="stretch",
        height=250,
        column_config={
            name: st.column_config.TextColumn(label, width="medium")
            for name, label in COLUMNS.items()
        },
        placeholder="",
    )
    st.caption(
        "Type into the last row to add one, or paste columns from a spreadsheet. With a system prompt that "
        "makes the model answer unsafely, both answers may be the same."
    )
    st.file_uploader(
        "Or a file with pairs, a JSON object a line",
        type=["jsonl", "ndjson"],
        key=field_key(FILE),
        on_change=_taken,
        help='Like {"query": "...", "safe": "...", "unsafe": "..."}; safe and unsafe may also be lists '
        "of messages with role and content: so the sides can differ in their system prompt.",
    )
    if held.get(ERROR):
        st.error(plain(held[ERROR]), icon=":material/error:")
    _found()
    total = len(pairs())
    if total:
        st.caption(f"{counted(total, 'contrast pair')} in all")


def pairs() -> list[PairSpec]:
    """Returns all pairs of the draft, also those with a blank in them: problems name these."""
    found = draft().get(FOUND)
    typed = []
    for _, row in draft().get(TABLE, _frame([])).iterrows():
        cells = {name: str(row[name] or "").strip() for name in COLUMNS if not pd.isna(row[name])}
        if any(cells.values()):
            typed.append(_spec(cells))
    return [*typed, *draft().get(KEPT, ()), *(() if found is None else found[1])]


def _spec(cells: dict[str, str]) -> PairSpec:
    """Returns a typed row unchecked: what is blank is told with all other problems."""
    return PairSpec.model_construct(
        query=cells.get("query", ""),
        safe=cells.get("safe", ""),
        unsafe=cells.get("unsafe", ""),
        unsafe_system=cells.get("unsafe_system") or None,
    )


def _frame(rows: Sequence[dict[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS), index=pd.RangeIndex(len(rows)), dtype=str)


def _found() -> None:
    held: tuple[str, tuple[PairSpec, ...], tuple[BadRow, ...]] | None = draft().get(FOUND)
    if held is None:
        return
    name, good, bad = held
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{plain(name)}: {counted(len(good), 'pair')}", width="content")
        st.button(
            "Leave them out",
            key="behaviour_form.no_pair_file",
            type="tertiary",
            on_click=lambda: draft().pop(FOUND, None),
        )
    bad_rows(bad, "line")


def _taken() -> None:
    given: Any = st.session_state.get(field_key(FILE))
    held = draft()
    held.pop(ERROR, None)
    if given is None:
        return
    try:
        held[FOUND] = (given.name, *read_pair_lines(given.getvalue(), given.name))
    except TailscopeError as error:
        held[ERROR] = sentence(str(error))
