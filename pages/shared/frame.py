"""What every page stands in: a heading, errors as one sentence, and what the store has to tell."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import TailscopeError
from pages.shared import resources

TOLD = "frame.told"


@contextmanager
def page(title: str, lead: str = "") -> Iterator[None]:
    """Draws the heading, then the body; what the user can mend is shown as its one sentence."""
    st.title(title, anchor=False)
    if lead:
        st.markdown(lead)
    try:
        yield
    except TailscopeError as error:
        show_error(error)
    tell(event.message for event in resources.store().drain_events())


def show_error(error: TailscopeError) -> None:
    """Shows an error's sentence as text: what it quotes is not ours, and may hold markup."""
    st.error(plain(sentence(str(error))), icon=":material/error:")


def tell(messages: Iterable[str]) -> None:
    """Shows each message once a session."""
    told: set[str] = st.session_state.setdefault(TOLD, set())
    for message in messages:
        if message not in told:
            told.add(message)
            st.toast(plain(message), icon=":material/info:", duration="long")


def sentence(text: str) -> str:
    """Returns text as a sentence: a capital first, a full stop last."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ")", "!", "?")) else ".")


def plain(text: str) -> str:
    """Returns text so that Markdown shows it as it is."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>$~#:|" else sign for sign in text)
