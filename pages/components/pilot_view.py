"""Measuring the best settings: a pilot in the background, its progress, and what it found."""

import streamlit as st

from core.defaults import measure_default
from core.search.cross_entropy import SearchResult, SearchStep
from pages.components import resources
from pages.components.frame import plain, sentence
from pages.components.state import Settings, change

POLL_SECONDS = 1.0
TAKEN = "pilot_view.taken"


def pilot_view(chosen: Settings) -> None:
    """Draws the button, then the progress, then the result, which becomes the proposal."""
    name = f"{chosen.model}/{chosen.behaviour}"
    task = resources.pilots().get(name)
    running = task is not None and task.running
    one, two = st.columns(2)
    if one.button("Measure the best settings", disabled=running, width="stretch"):
        loaded = resources.model(chosen.model)
        resources.pilots().start(
            name,
            lambda: measure_default(
                loaded, chosen.behaviour, resources.judge(chosen.behaviour), resources.store()
            ),
        )
        st.rerun()
    if two.button("Back to the default", width="stretch"):
        change(proposal=None)
        st.rerun()
    if running:
        st.fragment(_progress, run_every=POLL_SECONDS)(name)
    elif task is not None and task.error:
        st.error(plain(sentence(task.error)), icon=":material/error:")
    elif task is not None and isinstance(task.last, SearchResult):
        _result(name, task.last)


def _progress(name: str) -> None:
    task = resources.pilots().get(name)
    if task is None or not task.running:
        st.rerun()
    elif isinstance(task.last, SearchStep):
        step = task.last
        st.progress(step.done / step.total, text=f"Question {step.done + 1} of {step.total}")
    else:
        st.progress(0.0, text="Reading the contrast pairs")
    if task is not None and st.button("Cancel", key="pilot_view.cancel"):
        task.cancel()


def _result(name: str, found: SearchResult) -> None:
    best = found.best("variance")
    if st.session_state.get(TAKEN) != (name, best):
        st.session_state[TAKEN] = (name, best)
        change(proposal=best)
        st.rerun()
    st.caption(
        f"Measured on {len(found.queries)} questions that no estimate uses: strength "
        f"{best.strength:g}, mixed {best.alpha_mix:g}, {best.t_switch} tokens."
    )
