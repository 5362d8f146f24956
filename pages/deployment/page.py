"""What a risk means in use: at so many questions a day, for people who are not statisticians."""

import streamlit as st

from pages.deployment.address import kept
from pages.deployment.risk import TYPED_BY_HAND, session_run, source
from pages.deployment.sources import run_view, typed_view
from pages.shared.frame import page, plain

with page("Deployment"):
    values = kept()
    run = session_run()
    if run is not None:
        st.markdown(f"Asked: **“{plain(run.request.query)}”**")
    if source(run, values) == TYPED_BY_HAND or run is None:
        typed_view(values)
    else:
        run_view(run, values)
    st.caption(
        ":material/link: This page's address holds the run's id and the numbers above, but no question. "
        "Whoever uses the same Tailscope can open it."
    )
