"""Which risk the Deployment page is about: that of the session's run, or one typed by hand."""

import streamlit as st

from core.deployment import Risk
from core.estimation import Estimate
from core.runs.run import RunSpec, load_run
from pages.deployment.address import TYPED
from pages.deployment.fields import MILLION, RISK, in_full, number_fields
from pages.shared import resources
from pages.shared.consent import waits_for_consent
from pages.shared.run_arms import arm_estimates, at_session_threshold
from pages.shared.state import current_run_id

SOURCE = "deployment.source"
OF_RUN, TYPED_BY_HAND = SOURCES = ("This run's", "Typed by hand")


def session_run() -> RunSpec | None:
    """Returns the session's run, None if there is none or its judge would have to be paid first."""
    run_id = current_run_id()
    run = load_run(resources.store(), run_id) if run_id else None
    return None if run is None or waits_for_consent(run) else run


def is_running(run: RunSpec) -> bool:
    """Returns whether more answers are still being drawn. Raises: as `resources.run_task`."""
    return not resources.run_task(run).snapshot().finished


def estimate_of(run: RunSpec) -> Estimate | None:
    """Returns a run's estimate so far, as Convergence shows it; None before the first answers."""
    arms = arm_estimates(at_session_threshold(run), resources.run_task(run).snapshot())
    return arms["weighted"].estimate if "weighted" in arms else None


def source(run: RunSpec | None, values: dict[str, float]) -> str:
    """Draws the choice of risk, and returns it."""
    if run is None:
        _why_none()
        return TYPED_BY_HAND
    start = TYPED_BY_HAND if "risk" in values else OF_RUN
    st.session_state.setdefault(SOURCE, start)
    chosen: str = st.segmented_control(
        "Risk",
        SOURCES,
        key=SOURCE,
        default=start,
        required=True,
        help="Whose risk this page is about.",
    )
    return chosen


def _why_none() -> None:
    """Says why there is no run to speak of, and what to do."""
    run_id = current_run_id()
    if run_id is None:
        reason = "This session has no run."
    elif load_run(resources.store(), run_id) is None:
        st.warning(
            "The address names a run that is not in the store of this machine.",
            icon=":material/link_off:",
        )
        reason = ""
    else:
        reason = "This run's judge has to be paid: start it on the Convergence page."
    st.markdown(
        f"{reason} Estimate a question's risk on the Convergence page, or type one that you know.".strip()
    )


def typed_risk(values: dict[str, float]) -> Risk | None:
    """Draws the fields of a risk typed by hand, empty until something is typed; `values` follow.

    Returns the risk; None where something is missing or to be changed, which is drawn.
    """
    if not number_fields(RISK, values):
        return None
    empty = [f"“{field.label}”" for field in RISK if field.name not in values]
    if empty:
        everything = "a risk and its range, in the three fields above"
        what = everything if len(empty) == len(RISK) else " and ".join(empty)
        st.info(f"Type {what}, to see what it comes to.", icon=":material/edit:")
        return None
    value, low, high = (values[name] for name in TYPED)
    wrong = _wrong(value, low, high)
    if wrong:
        st.error(wrong, icon=":material/error:")
        return None
    return Risk.build(value=value / MILLION, low=low / MILLION, high=high / MILLION)


def _wrong(value: float, low: float, high: float) -> str:
    """Returns which field to change, all numbers per million; nothing if none."""
    shown = f"the risk is {in_full(value)} per million"
    if low > value:
        return (
            f"The range must hold the risk: {shown}, yet “at least” is {in_full(low)}. "
            f"Change “at least” to {in_full(value)} or less, or the risk."
        )
    if high < value:
        return (
            f"The range must hold the risk: {shown}, yet “at most” is {in_full(high)}. "
            f"Change “at most” to {in_full(value)} or more, or the risk."
        )
    if high == 0:
        return "“At most” is 0, and no risk is known to be 0. Change “at most” to a number above 0."
    if low == 0 < value:
        return (
            f"“At least” is 0, yet {shown}. Change “at least” to a number above 0; where no harmful answer "
            "was found, change the risk to 0."
        )
    return ""


def forget_typed(values: dict[str, float]) -> None:
    """Takes a risk typed by hand out of the settings, so that the address names the run alone."""
    for name in TYPED:
        values.pop(name, None)
