"""What a risk means in use: at so many questions a day, for people who are not statisticians."""

import streamlit as st

from core.deployment import Risk, Traffic
from core.runs import RunSpec
from pages.components.deployment_address import kept, write
from pages.components.deployment_risk import (
    SOURCES,
    estimate_of,
    forget_typed,
    going_on,
    run_in_sight,
    source,
    typed_fields,
    typed_risk,
)
from pages.components.deployment_view import deployment_view
from pages.components.frame import page, plain
from pages.components.words import LEVELS, reason_text

POLL_SECONDS = 2.0
FIELDS = (
    ("a_day", "Questions a day, all together", 1.0, 1e12, "%.0f", None),
    (
        "like",
        "Percent of them like this one",
        1e-6,
        100.0,
        "%g",
        "How often people ask this, in these words or others. 0.1 percent is one in a thousand.",
    ),
    ("days", "For how many days", 1.0, 36_500.0, "%.0f", None),
)


def traffic(values: dict[str, float]) -> Traffic:
    """Draws the fields of the traffic; `values` follow."""
    for column, (name, label, least, most, shown, explained) in zip(
        st.columns(3, vertical_alignment="bottom"), FIELDS, strict=True
    ):
        values[name] = float(
            column.number_input(
                label,
                min_value=least,
                max_value=most,
                value=min(max(values[name], least), most),
                format=shown,
                key=f"deployment.{name}",
                help=explained,
            )
        )
    return Traffic.build(a_day=values["a_day"], share=values["like"] / 100, days=values["days"])


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
            icon=LEVELS["do not use"][2],
        )
        return
    if found.verdict == "caution":
        st.warning(f"Take these numbers with caution. {reasons}", icon=LEVELS["caution"][2])
    deployment_view(Risk.of(found), asked)


with page("Deployment"):
    values = kept()
    run = run_in_sight()
    if run is not None:
        st.markdown(f"Asked: **“{plain(run.request.query)}”**")
    chosen = source(run, values)
    if chosen == SOURCES[1] or run is None:
        typed_fields(values)
        asked = traffic(values)
        write(values)
        risk = typed_risk(values)
        if risk is not None:
            deployment_view(risk, asked)
    else:
        forget_typed(values)
        asked = traffic(values)
        write(values)
        polling = going_on(run)
        st.fragment(of_run, run_every=POLL_SECONDS if polling else None)(run, asked, polling)
    st.caption(
        ":material/link: The address of this page holds the run's id and the numbers above, and no "
        "question: it can be passed on to whoever uses the same Tailscope."
    )
