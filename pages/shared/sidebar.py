"""The sidebar: what is asked of which model, on every page, and the way back to a run."""

import streamlit as st

from core.errors import TailscopeError
from core.runs.run import load_run
from pages.shared import resources
from pages.shared.frame import plain, show_error
from pages.shared.judge_picker import judge_picker
from pages.shared.model_loading import loading_note
from pages.shared.query_picker import query_picker
from pages.shared.state import current_run_id, settings

STATUS = {
    "running": ":material/progress_activity: A run is in progress",
    "paused": ":material/pause: A run is paused",
    "done": ":material/check: The last run is done",
    "cancelled": ":material/stop: The last run was cancelled",
    "failed": ":material/error: The last run failed",
}


def sidebar() -> None:
    """Draws model, behaviour, query, and where the current run stands."""
    with st.sidebar:
        st.markdown(f"Model **{plain(settings().model)}**")
        try:
            loading_note()
            query_picker()
            judge_picker()
        except TailscopeError as error:
            show_error(error)
        _run_status()


def _run_status() -> None:
    run_id = current_run_id()
    task = resources.run_tasks().get(run_id) if run_id else None
    run = load_run(resources.store(), run_id) if run_id else None
    if task is None or run is None:
        return
    st.caption(STATUS[task.snapshot().status])
