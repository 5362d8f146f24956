"""An audit to take away: its table, how it came to be, and the command that makes it again."""

import json

import pandas as pd
import streamlit as st

from core.audit.folder import AuditFolder
from core.audit.results import MANIFEST, RESULTS
from core.cli.command_line import command_line
from core.errors import TailscopeError
from core.reports.audit import audit_document
from pages.shared.frame import show_error
from pages.shared.reports import report_buttons


def details(folder: AuditFolder, table: pd.DataFrame) -> None:
    """Draws the downloads and the command line."""
    with st.expander("Take it with you", icon=":material/download:"):
        st.markdown("The same audit from the command line; the folder is shared with the app:")
        try:
            st.code(command_line(folder), language="bash", wrap_lines=True)
        except TailscopeError as error:
            show_error(error)
        st.caption(f"Folder: `{folder.path}`")
        name = f"tailscope-audit-{folder.audit_id}"
        with st.container(horizontal=True):
            # Functions: a file is made when it is asked for.
            st.download_button(
                "Table (parquet)",
                data=(folder.path / RESULTS).read_bytes,
                file_name=f"{name}.parquet",
                on_click="ignore",
                key="audit_details.parquet",
                disabled=not (folder.path / RESULTS).exists(),
            )
            st.download_button(
                "Table (csv)",
                data=lambda: table.to_csv(index=False).encode("utf-8"),
                file_name=f"{name}.csv",
                on_click="ignore",
                key="audit_details.csv",
            )
            st.download_button(
                "How it came to be (json)",
                data=lambda: json.dumps(folder.manifest, indent=1, ensure_ascii=False),
                file_name=f"{name}-{MANIFEST}",
                on_click="ignore",
                key="audit_details.manifest",
            )
        report_buttons(
            name,
            lambda shown: audit_document(folder, answers_shown=shown),
            "audit_details.report",
        )
