"""A model on its way: checked, asked about, fetched and loaded; the one before stays until it is there."""

from dataclasses import dataclass

import streamlit as st

from core.errors import TailscopeError
from core.models.download import BYTES, to_download
from core.models.fetched import FETCHABLE
from core.models.findings import Preflight, in_bytes
from core.models.loading import embedded_models
from core.models.preflight import preflight
from core.models.spec import LoadingSpec
from core.models.task import LOADING, ModelTask, model_task, task_name
from pages.shared import query_picker, resources, words
from pages.shared.frame import plain, sentence, show_error
from pages.shared.preflight_view import preflight_view
from pages.shared.state import change, settings

CHECKED = "model_loading.checked"
PENDING = "model_loading.pending"
FAILED = "model_loading.failed"
POLL_SECONDS = 0.7
CONTINUES = "What is downloaded is kept: a later download continues from there."
KEPT = "What is complete is kept; a download that is not begins anew."


@dataclass(frozen=True)
class Checked:
    """What was found about a model, and the bytes that must be fetched if it is to be loaded.

    wanted: whether it is to be loaded, and not only looked at.
    """

    name: str
    loading: LoadingSpec
    found: Preflight
    to_fetch: int
    wanted: bool


def check(name: str, loading: LoadingSpec, *, load: bool) -> None:
    """Looks at a model, and loads it if that is wanted and nothing speaks against it.

    Raises: TailscopeError if the name is blank or the operator's configuration cannot be read.
    """
    for key in (CHECKED, FAILED):
        st.session_state.pop(key, None)
    with st.spinner("Looking at the model ..."):
        found = preflight(name, loading=loading, new_tokens=settings().generation.max_new_tokens)
        to_fetch = to_download(name, loading) if found.ok else 0
    st.session_state[CHECKED] = Checked(name, loading, found, to_fetch, wanted=load)
    if load and found.ok and to_fetch == 0:
        _load(name, loading)


def _load(name: str, loading: LoadingSpec, size: int = 0) -> None:
    """Loads a small model at once, any other in the background."""
    if name in embedded_models() or resources.is_here(name, loading):
        with st.spinner("Loading the model ..."):
            _use(name, loading)
        return
    start_loading(name, loading, size)
    st.rerun()


def start_loading(name: str, loading: LoadingSpec, size: int = 0) -> None:
    """Begins to load a model in the background, and to fetch it first. size: bytes to be fetched."""
    for key in (CHECKED, FAILED):
        st.session_state.pop(key, None)
    resources.model_tasks().start(task_name(name, loading), lambda: model_task(name, loading, size))
    st.session_state[PENDING] = (name, loading)


def _use(name: str, loading: LoadingSpec) -> None:
    """Makes a model the session's. Raises: as `load_model`."""
    resources.model(name, loading)
    now = settings()
    if (name, loading) != (now.model, now.loading):
        another = name != now.model
        # Other numbers have other weights, and what was measured on these is not known to fit.
        change(model=name, loading=loading, proposal=None)
        if another:
            query_picker.forget()
    st.rerun()


def loading_view() -> None:
    """Draws where the model that was asked for stands, and takes it over once it is there."""
    pending: tuple[str, LoadingSpec] | None = st.session_state.get(PENDING)
    if pending is not None:
        task = resources.model_tasks().get(task_name(*pending))
        if task is not None and task.running:
            st.fragment(_progress, run_every=POLL_SECONDS)(pending[0], task)
            return
        st.session_state.pop(PENDING)
        if task is not None:
            _ended(*pending, task)
    if FAILED in st.session_state:
        st.error(plain(st.session_state[FAILED]), icon=":material/error:")
        _stays()
    checked: Checked | None = st.session_state.get(CHECKED)
    if checked is not None:
        _checked(checked)


def _progress(name: str, task: ModelTask) -> None:
    if not task.running:
        st.rerun()
    now = task.snapshot()
    progress = now.progress
    with st.container(border=True):
        if progress.unit == BYTES and progress.total > 0:
            done, total = in_bytes(int(progress.done)), in_bytes(int(progress.total))
            text = f"Downloading {plain(name)}: {done} of {total}"
            if progress.seconds_left is not None:
                text += f" · {words.duration(progress.seconds_left)} left"
            st.progress(progress.share, text=text)
            _cancel(task, kept=KEPT if name in FETCHABLE else CONTINUES)
        else:
            doing = progress.message or LOADING
            st.markdown(
                f":material/progress_activity: **{plain(name)}**: {doing} · "
                f"{words.duration(now.step_seconds)}"
            )
            # What loads cannot be ended half-way; what only prepares can.
            if doing != LOADING:
                _cancel(task, kept=KEPT)
        st.caption(
            f"{plain(settings().model)} stays in use until then. You may go to another page."
        )


def _cancel(task: ModelTask, kept: str) -> None:
    st.button(
        "Cancel",
        key="model_loading.cancel",
        icon=":material/stop:",
        disabled=task.cancelling,
        on_click=task.cancel,
        help=kept,
    )


def _ended(name: str, loading: LoadingSpec, task: ModelTask) -> None:
    """Takes over a model that has been loaded, or says why there is none."""
    end = task.snapshot()
    if end.status == "cancelled":
        what = "is complete" if name in FETCHABLE else "was downloaded"
        st.session_state[FAILED] = f"The download was cancelled; what {what} is kept."
    elif end.error:
        st.session_state[FAILED] = sentence(end.error)
    else:
        try:
            _use(name, loading)
        except TailscopeError as error:
            st.session_state[FAILED] = sentence(str(error))


def _checked(checked: Checked) -> None:
    title = f"**{plain(checked.name)}**, looked at without reading its weights"
    now = settings()
    if (checked.name, checked.loading) == (now.model, now.loading):
        # It is the one in use: its facts stand below, and only what is to be known comes first.
        told = any(one.level != "ok" for one in checked.found.findings)
        with st.expander(title, expanded=told, icon=":material/fact_check:"):
            preflight_view(checked.found)
        return
    with st.container(border=True):
        st.markdown(title)
        preflight_view(checked.found)
        if not checked.found.ok:
            _stays()
            if _only_too_many(checked):
                _anyway(checked)
        elif checked.to_fetch > 0:
            _ask(checked)
        elif not checked.wanted and st.button("Load it", key="model_loading.load", type="primary"):
            _try_load(checked)


def _only_too_many(checked: Checked) -> bool:
    """Returns whether a model fits, and only full batches of answers do not.

    A card that runs out of memory says so and gets fewer at once; a machine whose own memory is used up
    ends the app.
    """
    codes = {one.code for one in checked.found.refused}
    return (
        codes == {"memory"}
        and bool(checked.found.largest_batch)
        and checked.loading.device != "cpu"
    )


def _anyway(checked: Checked) -> None:
    if st.button("Load it all the same", key="model_loading.anyway"):
        _try_load(checked)
    st.caption(
        f"The model itself fits: about {checked.found.largest_batch:,} answers at once, found by trying."
    )


def _ask(checked: Checked) -> None:
    size = in_bytes(checked.to_fetch)
    st.markdown(f"This model is not on this machine yet: {size} must be downloaded.")
    if st.button(
        f"Download {size} and load",
        key="model_loading.download",
        type="primary",
        icon=":material/download:",
    ):
        _try_load(checked)


def _try_load(checked: Checked) -> None:
    try:
        _load(checked.name, checked.loading, checked.to_fetch)
    except TailscopeError as error:
        show_error(error)
        _stays()


def _stays() -> None:
    st.caption(f"{plain(settings().model)} stays loaded.")


def loading_note() -> None:
    """Says, on any page, that a model is on its way."""
    pending: tuple[str, LoadingSpec] | None = st.session_state.get(PENDING)
    if pending is None:
        return
    task = resources.model_tasks().get(task_name(*pending))
    running = task is not None and task.running
    status = "is loading" if running else "has stopped loading: see the Model page"
    st.caption(f":material/progress_activity: {plain(pending[0])} {status}")
