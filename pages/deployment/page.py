"""What a risk means in use: at so many questions a day, for people who are not statisticians."""

import streamlit as st

from core.deployment import Risk, Traffic
from core.runs.run import RunSpec
from pages.deployment.address import kept, write
from pages.deployment.fields import standing, traffic
from pages.deployment.risk import (
    SOURCES,
    estimate_of,
    forget_typed,
    going_on,
    run_in_sight,
    source,
    typed_risk,
)
from pages.deployment.view import deployment_view
from pages.shared.frame import page, plain
from pages.shared.words import LEVELS, reason_text

POLL_SECONDS = 2.0


def of_run(run: RunSpec, asked: Traffic, polling: bool) -> None:
    """Draws what a run's risk comes to, anew as long as the run goes on."""
    going = going_on(run)
    if going != polling:
        st.rerun()
    found = estimate_of(run)
    if found is None:
        st.markdown("The first answers are being drawn ...")
        return
    if going:
        st.caption(":material/progress_activity: The run is going on; this is as far as it is.")
    reasons = " ".join(reason_text(reason.message) for reason in found.reasons[:4])
    if found.verdict == "do not use":
        st.error(
            f"**No number can be given.** This run's estimate should not be used. {reasons}",
            icon=LEVELS["do not use"].icon,
        )
        return
    if found.verdict == "caution":
        st.warning(f"Take these numbers with caution. {reasons}", icon=LEVELS["caution"].icon)
    deployment_view(Risk.of(found), asked)


with page("Deployment"):
    values = kept()
    run = run_in_sight()
    if run is not None:
        st.markdown(f"Asked: **“{plain(run.request.query)}”**")
    chosen = source(run, values)
    if chosen == SOURCES[1] or run is None:
        risk = typed_risk(values)
        asked = traffic(values)
        write(standing(values))
        if risk is not None and asked is not None:
            deployment_view(risk, asked)
    else:
        forget_typed(values)
        asked = traffic(values)
        write(standing(values))
        if asked is not None:
            polling = going_on(run)
            st.fragment(of_run, run_every=POLL_SECONDS if polling else None)(run, asked, polling)
    st.caption(
        ":material/link: The address of this page holds the run's id and the numbers above, and no "
        "question: it can be passed on to whoever uses the same Tailscope."
    )
