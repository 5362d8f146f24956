"""Which risk the Deployment page speaks of: that of the session's run, or one typed by hand."""

import streamlit as st

from core.background import FINISHED
from core.deployment import Risk
from core.estimation import Estimate
from core.runs import RunSpec, load_run
from pages.components import resources
from pages.components.consent import waits_for_consent
from pages.components.deployment_address import TYPED
from pages.components.run_view import arm_views
from pages.components.state import current_run_id
from pages.components.threshold_view import as_seen

SOURCE = "deployment.source"
SOURCES = ("This run's", "Typed by hand")
MILLION = 1e6
TYPED_DEFAULTS = (100.0, 80.0, 125.0)


def run_in_sight() -> RunSpec | None:
    """Returns the session's run if its estimate can be shown without asking anybody."""
    run_id = current_run_id()
    run = load_run(resources.store(), run_id) if run_id else None
    return None if run is None or waits_for_consent(run) else run


def going_on(run: RunSpec) -> bool:
    """Returns whether more answers are still being drawn. Raises: as `resources.job`."""
    return resources.job(run).snapshot().status not in FINISHED


def estimate_of(run: RunSpec) -> Estimate | None:
    """Returns a run's estimate as far as it has come, as Convergence shows it; None before the first."""
    view = arm_views(as_seen(run), resources.job(run).snapshot()).get("weighted")
    return None if view is None else view.estimate


def source(run: RunSpec | None, values: dict[str, float]) -> str:
    """Draws the choice of risk, and returns it."""
    if run is None:
        st.markdown(
            "No run is in sight. Estimate a question's risk on the Convergence page, or type one that you "
            "know."
        )
        return SOURCES[1]
    start = SOURCES[1] if "risk" in values else SOURCES[0]
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


def typed_risk(values: dict[str, float]) -> Risk:
    """Draws the fields of a risk typed by hand; `values` follow. Raises: SpecError if it is none."""
    columns = st.columns(3, vertical_alignment="bottom")
    labels = ("Harmful answers per million", "at least", "at most")
    for column, name, label, default in zip(columns, TYPED, labels, TYPED_DEFAULTS, strict=True):
        values[name] = float(
            column.number_input(
                label,
                min_value=0.0,
                max_value=MILLION,
                value=min(values.get(name, default), MILLION),
                format="%g",
                key=f"deployment.{name}",
                help="0 in the first two fields: none was found, and only the most is known."
                if name == "risk"
                else None,
            )
        )
    value, low, high = (values[name] / MILLION for name in TYPED)
    return Risk.build(value=value, low=low, high=high)


def forget_typed(values: dict[str, float]) -> None:
    """Takes a risk typed by hand out of the settings: the address speaks of the run again."""
    for name in TYPED:
        values.pop(name, None)
