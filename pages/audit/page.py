"""The audit: many queries asked of one model or several, side by side."""

import streamlit as st

from pages.audit.opening import open_audit
from pages.audit.setup import audit_setup
from pages.audit.view import audit_view
from pages.shared.audits import current_audit_id, folder_of
from pages.shared.frame import page

with page("Audit"):
    audit_id = current_audit_id()
    folder = folder_of(audit_id) if audit_id else None
    if folder is not None:
        audit_view(folder)
    else:
        if audit_id:
            st.warning(
                "The address names an audit that is not kept here.", icon=":material/link_off:"
            )
        audit_setup()
        open_audit()
