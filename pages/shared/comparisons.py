"""The comparison of wordings that a session looks at, and those that run in this process."""

from typing import Any

import streamlit as st

from core.sensitivity.comparison import Comparison, ComparisonSoFar, load
from core.tasks import Registry
from pages.shared import resources
from pages.shared.state import change, estimation_of, settings

PLAN = "paraphrases.plan"
UNKNOWN = "paraphrases.unknown"


@st.cache_resource(show_spinner=False)
def comparison_tasks() -> Registry[ComparisonSoFar, ComparisonSoFar]:
    """Returns the comparisons of this process, by their id."""
    return Registry()


def is_comparison_running(name: str) -> bool:
    """Returns whether this process is estimating a comparison."""
    task = comparison_tasks().get(name)
    return task is not None and task.running


def current_comparison() -> Comparison | None:
    """Returns the comparison this session looks at."""
    found: Comparison | None = st.session_state.get(PLAN)
    return found


def look_at_comparison(comparison: Comparison | None) -> None:
    """Makes this the session's comparison."""
    st.session_state[PLAN] = comparison
    st.session_state.pop(UNKNOWN, None)


def open_comparison(name: str) -> Comparison | None:
    """Looks at the comparison under an id, and returns it; None if the store has none."""
    found = load(resources.store(), name)
    look_at_comparison(found)
    st.session_state[UNKNOWN] = found is None
    return found


def is_unknown() -> bool:
    """Returns whether a link named a comparison that the store has not."""
    return bool(st.session_state.get(UNKNOWN))


def adopt_comparison(comparison: Comparison) -> None:
    """Takes over a comparison's settings: those of a link, in a session that has chosen nothing yet."""
    take_over(comparison, query=comparison.query)


def take_over(comparison: Comparison, **changes: Any) -> None:
    """Makes a comparison's settings the session's, with these changes."""
    spec, model, now = comparison.spec, comparison.spec.models[0], settings()
    same = (now.model, now.behaviour) == (model.name, spec.behaviour)
    adopted = estimation_of(spec) | {
        "model": model.name,
        "loading": model.loading,
        # Made for another model or behaviour it would not fit.
        "proposal": now.proposal if same else None,
    }
    change(**adopted | changes)
