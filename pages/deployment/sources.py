"""The page's two ways to a risk: a run's estimate, drawn anew while it runs, and one typed by hand."""

import streamlit as st

from core.deployment import Risk, Traffic
from core.runs.run import RunSpec
from pages.deployment.address import write
from pages.deployment.fields import standing, traffic
from pages.deployment.risk import estimate_of, forget_typed, is_running, typed_risk
from pages.deployment.view import deployment_view
from pages.shared.words import LEVELS, reason_text

POLL_SECONDS = 2.0


def typed_view(values: dict[str, float]) -> None:
    """Draws the fields of a risk and of the traffic, and what they come to; `values` follow."""
    risk = typed_risk(values)
    asked = traffic(values)
    write(standing(values))
    if risk is not None and asked is not None:
        deployment_view(risk, asked)


def run_view(run: RunSpec, values: dict[str, float]) -> None:
    """Draws the fields of the traffic, and what the run's risk comes to; `values` follow."""
    forget_typed(values)
    asked = traffic(values)
    write(standing(values))
    if asked is not None:
        polling = is_running(run)
        st.fragment(_live, run_every=POLL_SECONDS if polling else None)(run, asked, polling)


def _live(run: RunSpec, asked: Traffic, polling: bool) -> None:
    running = is_running(run)
    if running != polling:
        st.rerun()
    estimate = estimate_of(run)
    if estimate is None:
        st.markdown("The first answers are being drawn ...")
        return
    if running:
        st.caption(":material/progress_activity: The run continues; these are its numbers so far.")
    reasons = " ".join(reason_text(reason.message) for reason in estimate.reasons[:4])
    if estimate.verdict == "do not use":
        st.error(
            f"**No number can be given.** This run's estimate should not be used. {reasons}",
            icon=LEVELS["do not use"].icon,
        )
        return
    if estimate.verdict == "caution":
        st.warning(f"Take these numbers with caution. {reasons}", icon=LEVELS["caution"].icon)
    deployment_view(Risk.of(estimate), asked)
