"""The queries of a behaviour that is being typed: a line each, and those of a file."""

from collections.abc import Iterable
from typing import Any

import streamlit as st

from core.behaviours.exchange import listed
from core.behaviours.spec import QuerySpec
from core.errors import TailscopeError
from core.queries import QueryFile, parse_query_file
from pages.behaviours.drafting import draft, field_key, keep
from pages.shared.bad_rows import bad_rows
from pages.shared.frame import plain, sentence
from pages.shared.query_upload import ENDINGS
from pages.shared.words import counted

TYPED, FILE, FOUND, ERROR = "queries", "query_file", "query_file_found", "query_file_error"


def fill(queries: Iterable[str | QuerySpec]) -> None:
    """Puts a behaviour's queries into the draft; those that are more than a line stay as they are."""
    typed, held = [], []
    for query in queries:
        if isinstance(query, str) and query == " ".join(query.splitlines()):
            typed.append(query)
        else:
            held.append(query)
    draft().update({TYPED: "\n".join(typed), "kept_queries": held})


def fields() -> None:
    """Draws the fields."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        keep(
            st.text_area,
            "A query a line",
            TYPED,
            height=190,
            placeholder="how do i ...\ntell me the way to ...",
        )
    with right:
        st.file_uploader(
            "Or a file with queries", type=ENDINGS, key=field_key(FILE), on_change=_taken,
            help="CSV, TSV, JSON, JSON Lines, parquet, or a query a line.",
        )  # fmt: skip
        if draft().get(ERROR):
            st.error(plain(draft()[ERROR]), icon=":material/error:")
        _found()
    total = len(queries())
    if total:
        st.caption(f"{counted(total, 'query')} in all")


def queries() -> list[str | QuerySpec]:
    """Returns all queries of the draft, in order, each once."""
    lines = [line.strip() for line in str(draft().get(TYPED) or "").splitlines()]
    found = draft().get(FOUND)
    of_file = [] if found is None else list(map(listed, found[1].queries))
    every = [*(line for line in lines if line), *draft().get("kept_queries", ()), *of_file]
    return list(dict.fromkeys(every))


def _found() -> None:
    held: tuple[str, QueryFile] | None = draft().get(FOUND)
    if held is None:
        return
    name, found = held
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{plain(name)}: {counted(len(found.queries), 'query')}", width="content")
        st.button(
            "Leave them out",
            key="behaviour_form.no_query_file",
            type="tertiary",
            on_click=lambda: draft().pop(FOUND, None),
        )
    for note in found.notes:
        st.caption(plain(sentence(note)))
    bad_rows(found.bad, found.counted)


def _taken() -> None:
    given: Any = st.session_state.get(field_key(FILE))
    held = draft()
    held.pop(ERROR, None)
    if given is None:
        return
    try:
        held[FOUND] = (given.name, parse_query_file(given.name, given.getvalue()))
    except TailscopeError as error:
        # The queries of the file before stay, as everything does that a slip comes after.
        held[ERROR] = sentence(str(error))
