"""Queries from a file of the user's own: read once, kept while the session lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.errors import TailscopeError
from core.queries import QueryFile, parse_query_file
from core.queries.query import Query
from pages.shared.bad_rows import bad_rows
from pages.shared.frame import plain, sentence
from pages.shared.words import counted

KEPT = "query_upload.kept"
ERROR = "query_upload.error"
FILE = "query_upload.file"
FIND = "query_upload.find"
CHOSEN = "query_upload.chosen"
ENDINGS = ["csv", "tsv", "tab", "json", "jsonl", "ndjson", "parquet", "pq", "txt", "text"]
# More options than these make a list slow, and nobody reads them.
MOST_LISTED = 200


@dataclass(frozen=True)
class Upload:
    """A file's name and what was read from it."""

    name: str
    found: QueryFile


def uploaded() -> Upload | None:
    """Returns the file of this session, or None."""
    kept: Upload | None = st.session_state.get(KEPT)
    return kept


def query_upload(asked: str, system: str | None) -> Query | None:
    """Draws the choice of a file and of one of its queries; returns that query.

    asked, system: what is asked now and under which system prompt, which stays chosen if it is in the file.
    """
    st.file_uploader(
        "File with queries",
        type=ENDINGS,
        key=FILE,
        on_change=_taken,
        help="CSV, TSV, JSON, JSON Lines, parquet, or a query a line. AdvBench, HarmBench, StrongREJECT "
        "and JailbreakBench are read as they are published. The file stays on this machine.",
        label_visibility="collapsed",
    )
    if st.session_state.get(ERROR):
        st.error(plain(st.session_state[ERROR]), icon=":material/error:")
    kept = uploaded()
    if kept is None:
        return None
    _about(kept)
    return _pick(kept.found.queries, found_in(kept.found.queries, asked, system))


def _taken() -> None:
    """Reads the file that was just given; a file taken away takes its queries with it."""
    given: Any = st.session_state.get(FILE)
    st.session_state.pop(ERROR, None)
    for key in (CHOSEN, FIND):
        st.session_state.pop(key, None)
    if given is None:
        st.session_state.pop(KEPT, None)
        return
    try:
        found = parse_query_file(given.name, given.getvalue())
    except TailscopeError as error:
        # The queries of the file before stay, as everything does that a slip comes after.
        st.session_state[ERROR] = sentence(str(error))
        return
    st.session_state[KEPT] = Upload(given.name, found)


def _about(kept: Upload) -> None:
    found = kept.found
    kind = (
        "" if found.format == "plain" else f" Reads as {_an(found.format)} **{found.format}** file."
    )
    st.caption(f"{plain(kept.name)}: {counted(len(found.queries), 'query')}.{kind}")
    for note in found.notes:
        st.caption(plain(sentence(note)))
    bad_rows(found.bad, found.counted)


def _an(word: str) -> str:
    return "an" if word[0] in "AEIOU" else "a"


def _pick(queries: tuple[Query, ...], now: Query | None) -> Query:
    listed = queries
    if len(queries) > MOST_LISTED:
        wanted = st.text_input(
            "Find", key=FIND, placeholder="words in the query", label_visibility="collapsed"
        )
        fitting = [query for query in queries if wanted.casefold() in query.text.casefold()]
        if not fitting:
            st.caption("No query contains these words.")
            fitting = list(queries)
        listed = tuple(fitting[:MOST_LISTED])
        if len(fitting) > MOST_LISTED:
            st.caption(f"The first {MOST_LISTED} of {len(fitting):,} are listed.")
    labels = {label_of(query): query for query in listed}
    if now is not None and label_of(now) not in labels:
        labels = {label_of(now): now} | labels
    start = label_of(now) if now is not None else next(iter(labels))
    if st.session_state.get(CHOSEN) not in labels:
        st.session_state[CHOSEN] = start
    chosen: str = st.selectbox(
        "Query of the file",
        list(labels),
        index=list(labels).index(start),
        key=CHOSEN,
        label_visibility="collapsed",
    )
    return labels[chosen]


def found_in(queries: Sequence[Query], asked: str, system: str | None) -> Query | None:
    """Returns the query that is asked now, None if it is not among them.

    One without a system prompt of its own is asked under any; of several with these words, the one with this
    system prompt is meant.
    """
    alike = [query for query in queries if query.text == asked]
    fitting = [query for query in alike if query.system == system]
    return next(iter([*fitting, *(one for one in alike if one.system is None), *alike]), None)


def label_of(query: Query) -> str:
    """Returns a query's words, and its own system prompt if it has one."""
    return query.text if query.system is None else f"{query.text}  (system prompt: {query.system})"
