"""Which audit a session looks at, and the audits that run in this process."""

from pathlib import Path

import streamlit as st

from core.audit.folder import AuditFolder, open_folder
from core.audit.progress import AuditStep
from core.audit.results import read_manifest
from core.audit.task import AuditTask, audit_task
from core.errors import TailscopeError
from core.executors.base import Executor
from core.executors.local import local_executor
from core.models.threads import usable_cores
from core.runs.catalogue import audits_folder, find
from core.tasks import Registry
from pages.shared import resources

AUDIT_KEY = "state.audit_id"
OPENED = "state.audit_folders"


def current_audit_id() -> str | None:
    """Returns the id of the audit this session looks at."""
    found: str | None = st.session_state.get(AUDIT_KEY)
    return found


def look_at_audit(audit_id: str | None) -> None:
    """Makes this the session's audit."""
    st.session_state[AUDIT_KEY] = audit_id


def opened(path: Path) -> AuditFolder:
    """Returns the audit in a folder, and remembers for this session where it lies. Raises: SpecError."""
    folder = open_folder(path)
    st.session_state.setdefault(OPENED, {})[folder.audit_id] = path
    return folder


def folder_of(audit_id: str) -> AuditFolder | None:
    """Returns an audit by its id: opened in this session, the app's own, or known to the catalogue.

    Raises: TailscopeError if its folder cannot be read.
    """
    entry = find(resources.store(), "audit", audit_id)
    places = [
        st.session_state.get(OPENED, {}).get(audit_id),
        audits_folder() / audit_id,
        Path(entry.folder) if entry is not None and entry.folder else None,
    ]
    for path in places:
        if path is not None and read_manifest(path) is not None:
            folder = open_folder(path)
            # Another audit may have been made there since.
            if folder.audit_id == audit_id:
                return folder
    return None


@st.cache_resource(show_spinner=False)
def audit_tasks() -> Registry[AuditStep, AuditStep]:
    """Returns the audits of this process."""
    return Registry()


def begin(folder: AuditFolder) -> AuditTask:
    """Starts an audit in the background, or continues it. Raises: TailscopeError if it cannot be."""
    store = resources.store()
    return audit_tasks().start(
        folder.audit_id, lambda: audit_task(folder, lambda: executor(folder), store)
    )


def workers(folder: AuditFolder) -> int:
    """Returns how many answers are drawn at once: a device holds a model once, a core each its own."""
    return usable_cores() if all(one.loading.device == "cpu" for one in folder.spec.models) else 1


def executor(folder: AuditFolder) -> Executor:
    """Returns what does the work. Raises: TailscopeError."""
    return local_executor(workers(folder))


def is_running(audit_id: str) -> bool:
    """Returns whether an audit runs in this process, or is paused."""
    task = audit_tasks().get(audit_id)
    return task is not None and task.running


def known_folder(audit_id: str | None) -> AuditFolder | None:
    """Returns an audit's folder, None also where it cannot be read."""
    if audit_id is None:
        return None
    try:
        return folder_of(audit_id)
    except TailscopeError:
        return None
