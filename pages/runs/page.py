"""Everything that was ever run: opened again, compared, exported, deleted."""

import streamlit as st

from core.runs.catalogue import entries
from pages.runs.compare import compare_view
from pages.runs.disk import disk_view
from pages.runs.entry import entry_view
from pages.runs.listing import chosen_entry, list_view
from pages.shared import resources
from pages.shared.frame import page

with page("Runs"):
    known = entries(resources.store())
    if known:
        list_view(known)
        entry = chosen_entry(known)
        if entry is not None:
            entry_view(entry)
        compare_view(known)
    else:
        st.markdown(
            "Nothing was run yet. Estimates and audits will be listed here, with their results."
        )
    disk_view()
