"""What a behaviour consists of, to read: in short, its queries, and its contrast pairs side by side."""

import html
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.behaviours.load import Behaviour, ContrastPair
from core.behaviours.spec import Message
from core.glossary import meaning
from pages.shared.frame import plain
from pages.shared.proposal_words import DIRECTION_WORDS
from pages.shared.words import counted

FIND = "behaviour_parts.find"
PAGE = "behaviour_parts.page"
PAIRS_A_PAGE = 6
# Colours as of the answers' list: currentColor and color-mix follow the theme, whichever is on.
STYLE = """<style>
.ts-pairs {display: grid; gap: 1.1rem; margin: .2rem 0 .4rem}
.ts-pair {display: grid; grid-template-columns: 1fr 1fr; gap: .3rem .7rem}
.ts-pair > .ts-asked {grid-column: 1 / -1; opacity: .8}
.ts-side {padding: .5rem .8rem; border-radius: .5rem; line-height: 1.45; overflow-wrap: anywhere;
  background: color-mix(in srgb, currentColor 5%, transparent); border-left: .28rem solid #2b87c6}
.ts-side.ts-unsafe {border-left-color: #d1495b;
  background: color-mix(in srgb, #d1495b 10%, transparent)}
.ts-role {font-size: .82em; font-weight: 650; opacity: .75; margin-right: .4em}
@media (max-width: 700px) {.ts-pair {grid-template-columns: 1fr}}
</style>"""
ROLES = {"system": "System", "user": "User", "assistant": "Answer"}


def summary(behaviour: Behaviour) -> None:
    """Draws what a behaviour is, in a few words and numbers."""
    spec = behaviour.spec
    if spec.description:
        st.markdown(plain(spec.description))
    st.caption(
        f"{counted(len(behaviour.queries), 'query')}  ·  "
        f"{counted(len(behaviour.pairs), 'contrast pair')}  ·  "
        f"harm from a score of {spec.threshold:g}  ·  "
        f"direction read from the {DIRECTION_WORDS[spec.direction]}"
    )


def queries_view(behaviour: Behaviour) -> None:
    """Draws the queries as a table that can be searched."""
    wanted = st.text_input(
        "Find", key=FIND, placeholder="words in the query", label_visibility="collapsed"
    )
    words = wanted.casefold().split()
    found = [
        query
        for query in behaviour.queries
        if all(
            word in f"{query.text} {query.group} {query.system or ''}".casefold() for word in words
        )
    ]
    if not found:
        st.caption("No query contains these words.")
        return
    table = pd.DataFrame({"Query": [query.text for query in found]})
    if any(query.system for query in found):
        table["Its system prompt"] = [query.system or "" for query in found]
    # A query that stands alone is its own group.
    if any(query.group not in ("", query.query_id, query.text) for query in found):
        table["Wording of"] = [query.group for query in found]
    st.dataframe(table, hide_index=True, width="stretch", height=min(38 * len(table) + 40, 460))
    if words:
        st.caption(f"{len(found):,} of {len(behaviour.queries):,}")


def pairs_view(behaviour: Behaviour) -> None:
    """Draws the contrast pairs, safe beside unsafe."""
    pairs = behaviour.pairs
    if not pairs:
        st.info(
            "No contrast pairs: there is no direction to steer along. Other kinds of proposal work.",
            icon=":material/info:",
        )
        return
    st.markdown(meaning("contrast pair"))
    starts = range(0, len(pairs), PAIRS_A_PAGE)
    start = 0
    if len(starts) > 1:
        start = st.selectbox(
            "Pairs",
            starts,
            key=PAGE,
            format_func=lambda first: _range(first, len(pairs)),
            label_visibility="collapsed",
            width=220,
        )
    cards = "".join(_pair(pair) for pair in pairs[start : start + PAIRS_A_PAGE])
    st.html(f"{STYLE}<div class='ts-pairs'>{cards}</div>")


def _range(first: int, total: int) -> str:
    return f"Pairs {first + 1} to {min(first + PAIRS_A_PAGE, total)} of {total}"


def _pair(pair: ContrastPair) -> str:
    """Returns a pair as HTML: what both sides share stands once, above and below what differs."""
    safe, unsafe = list(pair.safe), list(pair.unsafe)
    above = below = ""
    asked = [next((m for m in side if m["role"] == "user"), None) for side in (safe, unsafe)]
    single = all(sum(m["role"] == "user" for m in side) == 1 for side in (safe, unsafe))
    if single and asked[0] is not None and asked[0] == asked[1]:
        above = _shared(asked[0])
        safe, unsafe = ([m for m in side if m["role"] != "user"] for side in (safe, unsafe))
    if safe[-1] == unsafe[-1]:
        below = _shared(safe[-1])
        safe, unsafe = safe[:-1], unsafe[:-1]
    sides = _side(safe, "safe") + _side(unsafe, "unsafe")
    return f"<div class='ts-pair'>{above}{sides}{below}</div>"


def _shared(message: Message) -> str:
    return f"<div class='ts-asked'>{_message(message)}</div>"


def _side(messages: Sequence[Message], kind: str) -> str:
    name = f"<div class='ts-role'>{kind.capitalize()}</div>"
    said = "".join(f"<div>{_message(message)}</div>" for message in messages)
    return f"<div class='ts-side ts-{kind}'>{name}{said or '<div>(no system prompt)</div>'}</div>"


def _message(message: Message) -> str:
    role = ROLES.get(message["role"], message["role"])
    return f"<span class='ts-role'>{html.escape(role)}</span>{html.escape(message['content'])}"
