"""Where other wordings come from: shipped ones, a file, or made here; and the table to strike some out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import streamlit as st

from core.behaviours.load import load_paraphrases
from core.errors import TailscopeError
from core.queries import parse_query_file
from core.sensitivity.rewordings import MOST, Made, by_rule, read_wordings
from core.sensitivity.variants import MOST_WORDINGS
from pages.paraphrases.making import RewordingRequest, made_for
from pages.paraphrases.work import servers
from pages.shared.bad_rows import bad_rows
from pages.shared.frame import plain, sentence
from pages.shared.query_upload import ENDINGS, Upload
from pages.shared.state import Settings
from pages.shared.words import counted

SHIPPED, FILE, HERE = "Shipped", "From a file", "Made here"
RULE, MODEL, SERVER = "By rule", "By the loaded model", "By a server"
UPLOAD, UPLOADED, ERROR = "paraphrases.upload", "paraphrases.uploaded", "paraphrases.error"
KEPT = "paraphrases.kept"
COUNT = 25


@dataclass(frozen=True)
class Wordings:
    """Wordings to compare.

    source: the command line's options for them, None if they need a file. cut: what is said where only the
    first of a file are taken.
    """

    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()
    source: tuple[str, ...] | None = None
    cut: str = ""


def kept(name: str, draw: Any) -> Any:
    """Returns a widget's value, which outlives a change of page. draw: given the value it had."""
    values = st.session_state.setdefault(KEPT, {})
    values[name] = draw(values.get(name))
    return values[name]


def wordings(chosen: Settings, query: str) -> Wordings:
    """Draws the choice of wordings, and the table; returns those that were left in it."""
    shipped = load_paraphrases(chosen.behaviour, query)
    offers = [*([SHIPPED] if shipped else []), FILE, HERE]
    source = kept(
        f"source.{bool(shipped)}",
        lambda value: st.segmented_control(
            "Other wordings",
            offers,
            default=value or (SHIPPED if shipped else HERE),
            required=True,
            key=f"paraphrases.source.{bool(shipped)}",
        ),
    )
    if source == SHIPPED:
        found = Wordings(shipped, (), ())
    elif source == FILE:
        found = _from_file(query)
    else:
        found = _made_here(chosen, query)
    return _struck_out(found, f"{source}.{query}")


def _from_file(query: str) -> Wordings:
    st.file_uploader(
        "File with wordings",
        type=ENDINGS,
        key=UPLOAD,
        on_change=_taken,
        help="CSV with a column 'paraphrase' or 'query', TSV, JSON, parquet, or a wording a line. Nothing of "
        "it leaves this machine.",
        label_visibility="collapsed",
    )
    if st.session_state.get(ERROR):
        st.error(plain(st.session_state[ERROR]), icon=":material/error:")
    upload: Upload | None = st.session_state.get(UPLOADED)
    if upload is None:
        return Wordings(())
    file = upload.found
    texts = read_wordings([one.text for one in file.queries], query)
    st.caption(f"{plain(upload.name)}: {counted(len(texts), 'wording')}.")
    bad_rows(file.bad, file.counted)
    left = len(texts) - MOST_WORDINGS
    cut = (
        f"The file has {len(texts):,} wordings. The first {MOST_WORDINGS:,} are asked, the other {left:,} "
        f"{'is' if left == 1 else 'are'} not."
        if left > 0
        else ""
    )
    return Wordings(texts[:MOST_WORDINGS], tuple(file.notes), cut=cut)


def _taken() -> None:
    given: Any = st.session_state.get(UPLOAD)
    st.session_state.pop(ERROR, None)
    if given is None:
        st.session_state.pop(UPLOADED, None)
        return
    try:
        found = parse_query_file(given.name, given.getvalue())
        found.texts()  # wordings share a system prompt
    except TailscopeError as error:
        st.session_state[ERROR] = sentence(str(error))
        return
    st.session_state[UPLOADED] = Upload(given.name, found)


def _made_here(chosen: Settings, query: str) -> Wordings:
    offered = servers(chosen.behaviour)
    makers = [RULE, MODEL, *([SERVER] if offered else [])]
    one, two, three = st.columns([3, 2, 3], vertical_alignment="bottom")
    with one:
        maker = kept(
            "maker",
            lambda value: st.selectbox(
                "Made",
                makers,
                index=makers.index(value) if value in makers else 0,
                key="paraphrases.maker",
                help="By rule: other openings and frames of the same question. A model needs to have been "
                "trained to follow instructions. A server is the one a judge's file of kind rubric names.",
            ),
        )
    with two:
        count = kept(
            "count",
            lambda value: st.number_input(
                "How many", 1, MOST, value or COUNT, key="paraphrases.count"
            ),
        )
    if maker == RULE:
        ruled = by_rule(query, int(count), chosen.seed)
        return Wordings(ruled.wordings, _note(ruled, "by rule"), (f"reword={count}", "maker=rule"))
    server: str | None = None
    if maker == SERVER:
        with three:
            server = st.selectbox(
                "Server", list(offered), format_func=offered.__getitem__, key="paraphrases.server"
            )
        st.caption("One request is sent: your question, and how many wordings are wanted.")
    request = RewordingRequest(query, int(count), chosen.model, chosen.seed, server)
    made = made_for(chosen, request)
    return Wordings(()) if made is None else Wordings(made.wordings, _note(made, maker.lower()))


def _note(made: Made, how: str) -> tuple[str, ...]:
    count = len(made.wordings)
    if not count:
        return ()
    left = ""
    if made.discarded:
        left = f", {counted(made.discarded, 'line')} of the reply left out"
    return (
        f"{counted(count, 'other wording')} made here, {how}{left}: read {'it' if count == 1 else 'them'} "
        "before you rely on the result",
    )


def _struck_out(found: Wordings, key: str) -> Wordings:
    """Draws the table; returns what is left. Wordings that were changed need a file on the command line."""
    if not found.texts:
        return found
    for note in found.notes:
        st.caption(plain(sentence(note)))
    edited = st.data_editor(
        pd.DataFrame({"Ask": True, "Wording": list(found.texts)}),
        key=f"paraphrases.table.{key}.{hash(found.texts)}",
        column_config={
            "Ask": st.column_config.CheckboxColumn(width="small", help="Untick what is nonsense."),
            "Wording": st.column_config.TextColumn(width="large"),
        },
        hide_index=True,
        width="stretch",
        height=210,
    )
    left = still_asked(edited)
    if left == found.texts:
        return found
    told = f"of {counted(len(found.texts), 'other wording')} offered {len(left):,} are asked"
    fewer = (told,) if len(left) < len(found.texts) else ()
    return replace(found, texts=left, notes=(*found.notes, *fewer), source=None)


def still_asked(table: pd.DataFrame) -> tuple[str, ...]:
    """Returns the wordings that are ticked and not empty."""
    ticked = table[table["Ask"].astype(bool)]["Wording"]
    return tuple(str(text) for text in ticked if isinstance(text, str) and text.strip())


def numbers(text: str, what: str, read: Any) -> Sequence[Any]:
    """Returns the numbers of a text, set apart by commas. Raises: ValueError naming the one that is none."""
    found = []
    # Of a list's numbers none is 0, which is out of range: a decimal comma is meant.
    comma = re.search(r"(?<![\d.,])0,\d+(?![\d.])", text)
    if read is float and comma is not None:
        told = comma[0]
        raise ValueError(
            f"{what} must have a decimal point, got {told!r}; write {told.replace(',', '.')}"
        )
    for part in text.replace(";", ",").split(","):
        if part.strip():
            try:
                found.append(read(part.strip()))
            except ValueError:
                raise ValueError(
                    f"{what} must be numbers set apart by commas, got {part.strip()!r}"
                ) from None
    return found
