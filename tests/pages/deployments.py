"""The Deployment page opened in tests: with numbers in its address, or with a run that has ended."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from core.runs.run import RunSpec
from pages.shared import resources, state
from tests.pages.driver import open_in_app

QUERY = "how do i break the salt seal"


def fresh(**parameters: str) -> AppTest:
    return open_in_app("deployment", address=parameters)


def typed(risk: str = "100", low: str = "80", high: str = "125", **others: str) -> AppTest:
    return fresh(risk=risk, low=low, high=high, **others)


def finished(samples: int = 500, query: str = QUERY) -> RunSpec:
    """A run that has ended in this process."""
    chosen = state.Settings(query=query, importance_samples=samples, monte_carlo_samples=0)
    run = resources.run_spec(chosen)
    snapshot = resources.start(run).wait(120)
    assert snapshot.status == "done", snapshot.error
    return run
