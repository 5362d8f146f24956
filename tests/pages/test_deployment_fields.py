"""The Deployment page's fields: what is refused is said, and no result of another number stands below it."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.deployments import finished, fresh, typed
from tests.pages.driver import field, words

RISK, DAYS = "Harmful answers per million", "For how many days"
QUESTIONS, PERCENT = "Questions a day, all together", "Percent of them like this one"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "value", "told"),
    [
        (RISK, 2e6, f"“{RISK}” must be from 0 to 1,000,000, got 2,000,000."),
        (RISK, -5.0, f"“{RISK}” must be from 0 to 1,000,000, got -5."),
        ("at least", -5.0, "“at least” must be from 0 to 1,000,000, got -5."),
        ("at most", 1_000_001.0, "“at most” must be from 0 to 1,000,000, got 1,000,001."),
        (QUESTIONS, 0.0, f"“{QUESTIONS}” must be from 1 to 1,000,000,000,000, got 0."),
        (QUESTIONS, 2e12, "got 2,000,000,000,000."),
        (PERCENT, 0.0, f"“{PERCENT}” must be above 0 and at most 100, got 0."),
        (PERCENT, 120.0, "got 120."),
        (DAYS, 36_501.0, f"“{DAYS}” must be from 1 to 36,500, got 36,501."),
    ],
)
def test_what_is_refused_is_said_and_shows_no_result(label: str, value: float, told: str) -> None:
    app = typed()
    assert app.metric
    field(app, label).set_value(value).run()
    no_result(app, told)
    assert field(app, label).value == value
    # A link made now brings the numbers that stand.
    assert f"{value:.12g}" not in app.query_params.values()
    field(app, label).set_value(100.0).run()
    assert not app.error
    assert len(app.metric) == 3


def no_result(app: AppTest, told: str) -> None:
    assert not app.exception
    assert len(app.error) == 1
    assert app.error[0].value.endswith(told)
    assert not app.metric
    assert "such questions" not in words(app)


def test_several_slips_are_all_said() -> None:
    app = typed()
    field(app, RISK).set_value(-1.0)
    field(app, DAYS).set_value(0.0).run()
    assert [one.value.split(" must")[0] for one in app.error] == [f"“{RISK}”", f"“{DAYS}”"]
    assert not app.metric


def test_a_link_with_a_number_out_of_range_says_so() -> None:
    no_result(typed(days="0"), f"“{DAYS}” must be from 1 to 36,500, got 0.")


@pytest.mark.slow
def test_a_runs_result_does_not_stand_below_a_slip() -> None:
    app = fresh(run=finished().run_id)
    assert app.metric
    field(app, DAYS).set_value(-3.0).run()
    no_result(app, f"“{DAYS}” must be from 1 to 36,500, got -3.")
