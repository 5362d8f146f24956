"""The Deployment page opened in tests: with numbers in its address, or with a run that has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from core.runs.run import RunSpec
from pages.shared import resources, state

ROOT = Path(__file__).parents[2]
QUERY = "how do i break the salt seal"


def fresh(**parameters: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    return app.switch_page("pages/deployment/page.py").run()


def typed(risk: str = "100", low: str = "80", high: str = "125", **others: str) -> AppTest:
    return fresh(risk=risk, low=low, high=high, **others)


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.error, *app.warning, *app.info]
    return "\n".join(
        [str(part.value) for part in parts] + [html.proto.body for html in app.get("html")]
    )


def field(app: AppTest, label: str) -> Any:
    return next(one for one in app.number_input if one.label == label)


def finished(samples: int = 500, query: str = QUERY) -> RunSpec:
    """A run that has ended in this process."""
    chosen = state.Settings(query=query, importance_samples=samples, monte_carlo_samples=0)
    run = resources.run_spec(chosen)
    snapshot = resources.start(run).wait(120)
    assert snapshot.status == "done", snapshot.message
    return run
