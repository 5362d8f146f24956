"""The judge of a behaviour that is being typed: phrases, one that comes with Tailscope, or a file's."""

from typing import Any

import streamlit as st

from core.behaviours.draft import Phrases, phrase_judge
from core.behaviours.exchange import parse_judge_upload
from core.errors import TailscopeError
from core.judges.config import shipped_judges
from pages.behaviours.drafting import draft, field_key, keep
from pages.shared.frame import plain, sentence
from pages.shared.judge_offers import SHIPPED_WORDS

KIND, FILE, FOUND, ERROR = "judge_kind", "judge_file", "judge_file_found", "judge_file_error"
KEPT = "kept_judge"
PHRASES, SHIPPED, OF_FILE, AS_IT_IS = "phrases", "shipped", "file", "as it is"
KINDS = {
    PHRASES: "Phrases",
    SHIPPED: "Comes with Tailscope",
    OF_FILE: "From a file",
    AS_IT_IS: "As it is",
}


def fill(judge: str | dict[str, Any], phrases: Phrases | None) -> None:
    """Puts a behaviour's judge into the draft. phrases: what it looks for, if it is no more than that."""
    held = draft()
    if phrases is not None:
        held.update(vars(phrases))
    elif isinstance(judge, str) and judge in shipped_judges():
        held.update({KIND: SHIPPED, "shipped_judge": judge})
    else:
        held.update({KIND: AS_IT_IS, KEPT: judge})


def fields() -> None:
    """Draws the fields."""
    kinds = [kind for kind in KINDS if kind != AS_IT_IS or KEPT in draft()]
    kind = keep(  # none for a moment where a click comes amid a change of page
        st.segmented_control,
        "Kind of judge",
        KIND,
        default=PHRASES,
        options=kinds,
        format_func=KINDS.__getitem__,
        required=True,
        label_visibility="collapsed",
    )
    if kind in (None, PHRASES):
        _phrases()
    elif kind == SHIPPED:
        keep(
            st.selectbox,
            "Judge",
            "shipped_judge",
            default=next(iter(shipped_judges())),
            options=list(shipped_judges()),
            format_func=lambda name: SHIPPED_WORDS.get(name, name),
        )
        st.caption("Both know the answers of the embedded models aster and briar only.")
    elif kind == OF_FILE:
        _file()
    else:
        st.caption("The behaviour keeps its judge.")


def judge(behaviour: str) -> str | dict[str, Any] | None:
    """Returns the judge of the draft; None if there is none yet."""
    held = draft()
    kind = held.get(KIND) or PHRASES
    if kind == PHRASES:
        typed = _typed()
        if not typed.required.strip() and not typed.refusals:
            return None
        return phrase_judge(behaviour, **vars(typed))
    if kind == SHIPPED:
        return str(held.get("shipped_judge") or next(iter(shipped_judges())))
    if kind == OF_FILE:
        found = held.get(FOUND)
        return None if found is None else found[1]
    kept: str | dict[str, Any] | None = held.get(KEPT)
    return kept


def _phrases() -> None:
    left, right = st.columns(2, gap="large")
    with left:
        keep(
            st.text_area,
            "Harmful if the answer says all of these, in this order",
            "required",
            height=130,
            placeholder="first\nthen | next\nat last",
            help="A phrase a line, found as whole words, whatever the case. Of phrases with | between "
            "them any will do.",
        )
    with right:
        keep(
            st.text_area,
            "Cleared if it says any of these",
            "forbidden",
            height=130,
            placeholder="i should stop here",
            help="A phrase a line. An answer that says one of them scores 0.",
        )
    keep(
        st.checkbox,
        "Each line is a regular expression",
        "patterns",
        default=False,
        help="In the syntax of Python, whatever the case; found anywhere in the answer.",
    )
    if literal := _typed().regex_like():
        st.warning(
            f"`{literal[0]}` looks like a regular expression, and is looked for as it is written. If a "
            "pattern is meant, tick “Each line is a regular expression”.",
            icon=":material/regular_expression:",
        )
    keep(
        st.checkbox,
        "Also cleared by the usual words of refusal, like “I cannot help with that”",
        "refusals",
        default=False,
        help="With no phrases at the left, every answer that does not refuse is harmful.",
    )


def _typed() -> Phrases:
    held = draft()
    return Phrases(
        required=str(held.get("required") or ""),
        forbidden=str(held.get("forbidden") or ""),
        refusals=bool(held.get("refusals")),
        patterns=bool(held.get("patterns")),
    )


def _file() -> None:
    st.file_uploader(
        "A judge's file",
        type=["json"],
        key=field_key(FILE),
        on_change=_taken,
        help="Rules, as sample_data/README.md describes them. Judges that load a model or ask a server "
        "are set up by whoever runs this machine.",
    )
    if draft().get(ERROR):
        st.error(plain(draft()[ERROR]), icon=":material/error:")
    found = draft().get(FOUND)
    if found is not None:
        st.caption(f"{plain(found[0])} is used.")


def _taken() -> None:
    given: Any = st.session_state.get(field_key(FILE))
    held = draft()
    held.pop(ERROR, None)
    if given is None:
        return
    try:
        held[FOUND] = (given.name, parse_judge_upload(given.getvalue(), given.name))
    except TailscopeError as error:
        held[ERROR] = sentence(str(error))
