"""Who decides what is harm: the behaviour's judge or another; one that cannot be built changes nothing."""

import streamlit as st

from core.errors import TailscopeError
from core.glossary import meaning
from core.judges.config import shipped_judges
from pages.shared import resources
from pages.shared.frame import plain, sentence, show_error
from pages.shared.judge_offers import OWN, judge_offers
from pages.shared.paid_judges import is_paid
from pages.shared.state import change, settings

CHOICE = "judge_picker.choice"
SEEN = "judge_picker.seen"
ERROR = "judge_picker.error"
TOLD = "judge_picker.told"


def judge_picker() -> None:
    """Draws the choice of judge; settings follow at once, unless it cannot be built."""
    now = settings().judge
    try:
        offers = judge_offers(now)
    except TailscopeError as error:
        show_error(error)
        return
    own = now or OWN
    if st.session_state.get(SEEN) != own or ERROR in st.session_state:
        st.session_state[CHOICE] = own
    st.session_state[SEEN] = own
    chosen = st.selectbox(
        "Judge",
        list(offers),
        index=list(offers).index(own),
        key=CHOICE,
        format_func=offers.__getitem__,
        on_change=_forget,
        help=f"{meaning('judge')} The operator offers more by naming their files under `judges` in "
        "config.toml.",
    )
    if chosen != own:
        _take(chosen)
        st.rerun()
    if ERROR in st.session_state:
        st.error(plain(st.session_state[ERROR]), icon=":material/error:")
        st.caption(f"{plain(offers[own])} stays in use.")
    if own in shipped_judges():
        st.caption("This judge knows the answers of aster and briar only.")
    _test()


def _take(chosen: str) -> None:
    """Makes a judge the session's once it has been built."""
    name = chosen or None
    try:
        with st.spinner("Loading the judge ..."):
            resources.judge_named(name, settings().behaviour)
    except TailscopeError as error:
        st.session_state[ERROR] = sentence(str(error))
        return
    change(judge=name, threshold=None)


def _forget() -> None:
    st.session_state.pop(ERROR, None)
    st.session_state.pop(TOLD, None)


def _test() -> None:
    """Draws what only a judge behind a server has: a request that shows whether it answers."""
    judge = resources.judge(settings())
    if not is_paid(judge):
        return
    st.caption(
        "This judge sends answers to a server and may cost money. Nothing is sent before you agree."
    )
    if st.button("Test it with one request", key="judge_picker.test", icon=":material/bolt:"):
        with st.spinner("Asking the judge ..."):
            st.session_state[TOLD] = judge.check()
    told = st.session_state.get(TOLD)
    if told is not None:
        ok, words = told
        show = st.success if ok else st.error
        show(plain(sentence(words)))
