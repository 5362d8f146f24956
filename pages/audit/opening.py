"""Opening an audit that was made before, here or with the command line."""

from pathlib import Path

import streamlit as st

from core.audit.folder import AuditFolder
from core.errors import TailscopeError
from core.runs.catalogue import audit_entry, entries, find, remember
from core.settings.operator import as_path
from pages.shared import resources
from pages.shared.audits import look_at_audit, opened
from pages.shared.frame import show_error
from pages.shared.words import to_the_minute

MOST_LISTED = 5


def open_audit() -> None:
    """Draws the last audits, and a field for the folder of another."""
    last = [entry for entry in entries(resources.store()) if entry.kind == "audit"]
    if last:
        st.markdown("#### Earlier audits")
        for entry in last[:MOST_LISTED]:
            if st.button(
                f"{entry.title} · {to_the_minute(entry.saved)} · {entry.status}",
                key=f"audit_opening.{entry.id}",
                icon=":material/history:",
                type="tertiary",
            ):
                look_at_audit(entry.id)
                st.rerun()
        if len(last) > MOST_LISTED:
            st.page_link("pages/runs/page.py", label="All of them are on the Runs page")
    with (
        st.expander("Open the folder of an audit", icon=":material/folder_open:"),
        st.form("audit_opening.form", border=False),
    ):
        given = st.text_input(
            "Folder on this machine",
            placeholder="what --out named, for an audit made with the command line",
        )
        if st.form_submit_button("Open") and given.strip():
            _open(as_path(given.strip()))


def _open(path: Path) -> None:
    try:
        folder = opened(path)
    except TailscopeError as error:
        show_error(error)
        return
    _list(folder)
    look_at_audit(folder.audit_id)
    st.rerun()


def _list(folder: AuditFolder) -> None:
    """Puts an audit into the catalogue if it is not there yet, so that a reload finds it."""
    store = resources.store()
    if folder.queries is None or find(store, "audit", folder.audit_id) is not None:
        return
    status = str(folder.manifest.get("status", ""))
    entry = audit_entry(folder.spec, folder.queries, folder.path, rows=0, status=status)
    remember(store, entry)
