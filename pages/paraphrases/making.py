"""Wordings made by a model or a server: in the background, so that one may go on or stop waiting."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import streamlit as st

from core.errors import TailscopeError
from core.judges import served_judge
from core.judges.rubric import RubricJudge
from core.sensitivity.rewordings import Made, by_model, by_server
from core.tasks import Task
from pages.shared import resources
from pages.shared.frame import plain, sentence, show_error
from pages.shared.state import Settings

MAKING = "paraphrases.making"
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Wish:
    """What is wanted. server: the judge's file that names it, None for the loaded model."""

    query: str
    count: int
    model: str
    seed: int
    server: str | None


@dataclass(frozen=True)
class Making:
    """A wish being fulfilled. began: on the monotonic clock."""

    task: Task[Made]
    began: float


def made_for(chosen: Settings, wish: Wish) -> Made | None:
    """Draws the button, or how long it has been; returns what was made, None before that."""
    making = _all().get(wish)
    if making is not None and making.task.running:
        st.fragment(_waiting, run_every=POLL_SECONDS)(wish)
        return None
    if st.button("Make them", key="paraphrases.make", icon=":material/edit_note:"):
        try:
            _all()[wish] = Making(Task(_steps(_work(chosen, wish))).start(), time.monotonic())
        except TailscopeError as error:
            show_error(error)
            return None
        st.rerun()
    if making is None:
        return None
    if making.task.error:
        st.error(plain(sentence(making.task.error)), icon=":material/error:")
    found = making.task.last
    if found is not None and not found.wordings:
        st.warning(_none(wish, found))
    return found


def _all() -> dict[Wish, Making]:
    found: dict[Wish, Making] = st.session_state.setdefault(MAKING, {})
    return found


def _waiting(wish: Wish) -> None:
    making = _all().get(wish)
    if making is None or not making.task.running:
        st.rerun(scope="app")
    who = "the loaded model" if wish.server is None else "the server"
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown(
            f":material/hourglass_top: Waiting for {who}: {time.monotonic() - making.began:.0f} s"
        )
        if st.button("Stop waiting", key="paraphrases.unmake", icon=":material/stop:"):
            del _all()[wish]
            st.rerun(scope="app")


def _work(chosen: Settings, wish: Wish) -> Callable[[], Made]:
    """Returns what makes them, without a widget in it. Raises: TailscopeError."""
    if wish.server is None:
        loaded = resources.model_of(chosen)
        return lambda: by_model(loaded, wish.query, wish.count, wish.seed)
    judge = served_judge(wish.server or None, chosen.behaviour)
    assert isinstance(judge, RubricJudge)
    return lambda: by_server(judge, wish.query, wish.count)


def _steps(work: Callable[[], Made]) -> Iterator[Made]:
    yield work()


def _none(wish: Wish, found: Made) -> str:
    other = "Make them by rule, or give a file."
    if wish.server is None:
        return f"No wording came of it: a model has to have learned to follow instructions. {other}"
    why = "it is empty" if not found.discarded else "each line repeats the question or is none"
    return f"The server's reply holds no wording: {why}. {other}"
