"""The estimate: importance sampling against Monte Carlo, live."""

import streamlit as st

from core.runs.run import load_run
from pages.convergence.details import run_details
from pages.convergence.run import run_view
from pages.shared import resources
from pages.shared.consent import consent_view, waits_for_consent
from pages.shared.frame import page, plain
from pages.shared.launch import launch, launch_form
from pages.shared.state import current_run_id, settings

with page("Convergence"):
    run_id = current_run_id()
    run = load_run(resources.store(), run_id) if run_id else None
    if run is None:
        if run_id:
            st.warning(
                "The address names a run that is not in the store of this machine.",
                icon=":material/link_off:",
            )
        st.markdown(f"Asked: **“{plain(resources.query(settings()))}”**")
        launch_form()
    else:
        st.markdown(f"Asked: **“{plain(run.request.query)}”**")
        if resources.run_spec(settings()) != run:
            with st.container(border=True, horizontal=True, vertical_alignment="center"):
                st.markdown("You have changed the question or the settings since this run.")
                if st.button("Estimate with the new ones", type="primary"):
                    launch()
                    st.rerun()
        if waits_for_consent(run):
            consent_view(run)
        else:
            task = resources.run_task(run)
            run_view(run)
            if task.snapshot().finished:
                run_details(run, task.snapshot())
        with st.expander("Estimate again, with other sample sizes", icon=":material/replay:"):
            launch_form()
