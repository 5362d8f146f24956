"""Wordings made by a model or a server: in the background, so that the user may continue or stop waiting."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.errors import TailscopeError
from core.judges import served_judge
from core.judges.rubric import RubricJudge
from core.sensitivity.rewordings import Made, by_model, by_server
from core.sensitivity.task import RewordingTask, rewording_task
from pages.shared import resources
from pages.shared.frame import plain, sentence, show_error
from pages.shared.state import Settings

MAKING = "paraphrases.making"
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class RewordingRequest:
    """Which rewordings to make. server: the judge's file that names it, None for the loaded model."""

    query: str
    count: int
    model: str
    seed: int
    server: str | None


def made_for(chosen: Settings, request: RewordingRequest) -> Made | None:
    """Draws the button, or how long it has taken; returns what was made, None before that."""
    task = _tasks().get(request)
    if task is not None and task.running:
        st.fragment(_waiting, run_every=POLL_SECONDS)(request)
        return None
    if st.button("Make them", key="paraphrases.make", icon=":material/edit_note:"):
        try:
            _tasks()[request] = rewording_task(_maker(chosen, request)).start()
        except TailscopeError as error:
            show_error(error)
            return None
        st.rerun()
    if task is None:
        return None
    end = task.snapshot()
    if end.error:
        st.error(plain(sentence(end.error)), icon=":material/error:")
    if end.result is not None and not end.result.wordings:
        st.warning(_none(request, end.result))
    return end.result


def _tasks() -> dict[RewordingRequest, RewordingTask]:
    tasks: dict[RewordingRequest, RewordingTask] = st.session_state.setdefault(MAKING, {})
    return tasks


def _waiting(request: RewordingRequest) -> None:
    task = _tasks().get(request)
    if task is None or not task.running:
        st.rerun(scope="app")
    who = "the loaded model" if request.server is None else "the server"
    seconds = task.snapshot().step_seconds
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown(f":material/hourglass_top: Waiting for {who}: {seconds:.0f} s")
        if st.button("Stop waiting", key="paraphrases.unmake", icon=":material/stop:"):
            task.cancel()
            del _tasks()[request]
            st.rerun(scope="app")


def _maker(chosen: Settings, request: RewordingRequest) -> Callable[[], Made]:
    """Returns what makes them, without a widget in it. Raises: TailscopeError."""
    if request.server is None:
        loaded = resources.model_of(chosen)
        return lambda: by_model(loaded, request.query, request.count, request.seed)
    judge = served_judge(request.server or None, chosen.behaviour)
    assert isinstance(judge, RubricJudge)
    return lambda: by_server(judge, request.query, request.count)


def _none(request: RewordingRequest, made: Made) -> str:
    other = "Make them by rule, or give a file."
    if request.server is None:
        return f"No wording came of it: a model has to have learned to follow instructions. {other}"
    why = "it is empty" if not made.discarded else "each line repeats the question or is none"
    return f"The server's reply holds no wording: {why}. {other}"
