"""The Deployment page: a run's risk or one typed by hand, in use; its address holds no question."""

from __future__ import annotations

from urllib.parse import unquote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core.deployment import Range, Risk, Traffic, chance_curve
from pages.deployment import charts as deployment_charts
from pages.shared import chances as deployment_words
from tests.pages.deployments import QUERY, finished, fresh, typed
from tests.pages.driver import field, metrics, open_page, words


def test_a_typed_risk_is_told_in_natural_frequencies() -> None:
    app = fresh()
    for label, value in (("Harmful answers per million", 100), ("at least", 80), ("at most", 125)):
        field(app, label).set_value(float(value)).run()
    assert not app.exception
    assert not app.error
    assert (
        "Of a million such questions, about 100 get a harmful answer (95% sure: 80 to 125)"
        in words(app)
    )
    values = metrics(app)
    assert values["Expected in 30 days"] == "0.3"
    assert values["Chance of at least one"] == "26%"
    assert values["Average wait for the first"] == "100 days"
    assert "about 0.3 harmful answers are expected in 30 days (95% sure: 0 to 2)." in words(app)
    assert "95% sure: 0 to 2" in [metric.delta for metric in app.metric]
    assert "1 in " not in words(app)
    assert "confidence" not in words(app).lower()


def nothing_told(app: AppTest) -> None:
    assert not app.exception
    assert not app.error
    assert not app.metric
    assert "such questions" not in words(app)
    assert "in the three fields above, to see what it comes to" in words(app)
    assert not {"risk", "low", "high"} & set(app.query_params)


def test_before_anything_is_typed_nothing_is_told_and_nothing_written() -> None:
    app = fresh()
    nothing_told(app)
    assert field(app, "Harmful answers per million").value is None
    field(app, "Harmful answers per million").set_value(100.0).run()
    assert not app.metric
    assert "Type “at least” and “at most”, to see what it comes to." in words(app)


def test_a_run_that_is_not_there_is_said_and_shows_no_result() -> None:
    app = fresh(run="deadbeef00000000")
    nothing_told(app)
    assert (
        app.warning[0].value == "The address names a run that is not in the store of this machine."
    )
    assert app.query_params["run"] == "deadbeef00000000"


def test_a_risk_that_is_no_number_shows_no_result() -> None:
    nothing_told(fresh(risk="abc"))


@pytest.mark.study
def test_a_run_and_nothing_typed_beside_it() -> None:
    run = finished()
    app = fresh(run=run.run_id)
    app.segmented_control(key="deployment.source").set_value("Typed by hand").run()
    nothing_told(app)
    assert app.query_params["run"] == run.run_id


def test_the_traffic_moves_the_numbers_and_the_address() -> None:
    app = typed()
    field(app, "For how many days").set_value(300.0)
    field(app, "Percent of them like this one").set_value(1.0).run()
    values = metrics(app)
    assert values["Expected in 300 days"] == "30"
    assert app.query_params["days"] == "300"
    assert app.query_params["like"] == "1"


def test_a_link_brings_its_numbers() -> None:
    link = {"a_day": "2000", "like": "50", "days": "10", "risk": "10", "low": "5", "high": "20"}
    app = open_page("deployment", address=link)
    assert not app.exception
    values = metrics(app)
    assert values["Expected in 10 days"] == "0.1"
    assert "95% sure: 5 to 20" in words(app)


@pytest.mark.parametrize("bad", ["nan", "-3", "<b>", "1e999", ""])
def test_nonsense_in_a_link_is_left_out(bad: str) -> None:
    app = open_page("deployment", address=dict.fromkeys(("a_day", "days", "risk"), bad))
    assert not app.exception
    assert not app.error
    assert field(app, "For how many days").value == 30


@pytest.mark.parametrize(
    ("label", "value", "told"),
    [
        ("Harmful answers per million", 500.0, "Change “at most” to 500 or more, or the risk."),
        ("Harmful answers per million", 50.0, "Change “at least” to 50 or less, or the risk."),
        ("at least", 200.0, "“at least” is 200. Change “at least” to 100 or less"),
        ("at least", 0.0, "Change “at least” to a number above 0"),
        ("at most", 99.5, "“at most” is 99.5. Change “at most” to 100 or more"),
    ],
)
def test_a_risk_outside_its_range_says_which_field_to_change(
    label: str, value: float, told: str
) -> None:
    app = typed()
    field(app, label).set_value(value).run()
    assert not app.exception
    assert told in app.error[0].value
    assert "per million" in app.error[0].value
    assert "e-0" not in app.error[0].value
    assert not app.metric
    assert field(app, "For how many days").value == 30


def test_a_lopsided_range_is_in_the_count() -> None:
    app = typed(high="1000000")
    assert not app.exception
    assert "95% sure: 0 to 3,000" in [metric.delta for metric in app.metric]
    assert "Only 1,900 of these ◇ are drawn" in words(app)
    ranges = app.dataframe[0].value.iloc[:, 1].tolist()
    assert ranges == ["0.24 to 3,000", "0 to 2", "0 to 3,000"]


def test_nothing_found_makes_upper_statements_only() -> None:
    app = typed(risk="0", low="0")
    assert not app.exception
    assert "fewer than 125 get a harmful answer" in words(app)
    assert all(
        metric.value.startswith(("at most", "below")) or metric.value.endswith("or more")
        for metric in app.metric
    )


def test_an_expected_number_is_told_from_the_count_that_may_come() -> None:
    app = typed(risk="0", low="0", high="3", a_day="1000", like="100", days="364")
    told = words(app)
    # 1.092, rounded up, for it is a bound.
    assert "below 1.1 harmful answers are expected in 364 days (95% sure: at most 4)." in told
    assert (app.metric[0].label, app.metric[0].value) == ("Expected in 364 days", "below 1.1")
    assert app.metric[0].delta == "95% sure: at most 4"
    assert "Harmful answers expected  \n**below 1.1**" in told
    assert "**below 0.55**" in told
    assert "fewer than 1" not in told
    assert "at most 1.1" not in told


def test_a_number_has_one_rounding_on_the_page() -> None:
    for app in (
        typed(risk="0", low="0", high="3", a_day="1000", like="100", days="365"),
        typed(risk="12.34", low="10", high="14", a_day="1000", like="100", days="7"),
    ):
        for metric in app.metric:
            assert f"**{metric.value}**" in words(app), metric.label


def test_huge_traffic_in_words() -> None:
    app = typed(risk="10000", low="1000", high="30000", a_day="1e12", like="100", days="36500")
    told = words(app) + "".join(f"{one.value} {one.delta}" for one in app.metric)
    assert "If 1 trillion of 1 trillion questions a day" in told
    assert "about 365 trillion harmful answers are expected in 36,500 days" in told
    assert "half the time under a minute" in told
    assert "e+" not in told
    assert "within under" not in told
    assert deployment_words.count(9.996e11) == "1 trillion"


def test_a_runs_risk_is_shown_and_its_question_is_in_no_address() -> None:
    run = finished()
    app = fresh(run=run.run_id)
    assert not app.exception
    assert f"“{QUERY}”" in words(app)
    assert "Of a million such questions, about" in words(app)
    found = app.query_params
    assert set(found) == {"run", "a_day", "like", "days"}
    assert found["run"] == run.run_id
    address = unquote_plus(urlencode(found, doseq=True))
    assert not any(word in address for word in QUERY.split() if len(word) > 2)
    # A reload draws on nothing but the address.
    assert {name: found[name] for name in ("a_day", "like", "days")} == {
        "a_day": "100000",
        "like": "0.1",
        "days": "30",
    }


@pytest.mark.slow
def test_a_run_that_cannot_be_used_gives_reasons_and_no_number() -> None:
    run = finished(samples=3)
    app = fresh(run=run.run_id)
    assert not app.exception
    assert "No number can be given" in app.error[0].value
    assert len(app.error[0].value) > 120
    assert not app.metric


def test_words_for_waits_and_chances() -> None:
    assert deployment_words.wait(float("inf")) == "never, perhaps"
    assert deployment_words.wait(0.5 / 24) == "30 minutes"
    assert deployment_words.wait(1.0) == "24 hours"
    assert deployment_words.wait(98.2) == "98.2 days"
    assert deployment_words.wait(7305) == "20 years"
    assert deployment_words.wait(0.0) == "under a minute"
    assert deployment_words.chance(0.99999) == "above 99.9%"
    assert deployment_words.chance(1e-7) == "below 0.01%"
    assert deployment_words.chance(0.003) == "0.3%"
    assert deployment_words.chance(0.262) == "26%"
    assert deployment_words.chance(1.0) == "above 99.9%"
    assert deployment_words.chance(1.0, counted=True) == "100%"
    assert deployment_words.chance(0.0) == "0%"
    assert deployment_words.chance(5e-324) == "below 0.01%"


@given(st.floats(0, 1))
def test_no_chance_is_all_and_none_is_nothing(value: float) -> None:
    said = deployment_words.chance(value)
    assert not said.startswith("100")
    assert (said == "0%") == (value == 0)


@pytest.mark.parametrize(
    ("value", "whole", "half"),
    [
        (36_300.0, "36,300", "18,150"),
        (0.3, "0.3", "0.15"),
        (363.4, "363", "181.5"),
        (1_500_000.0, "1.5 million", "750,000"),
        (0.0, "0", "0"),
        (1e-4, "below 0.001", "below 0.001"),
    ],
)
def test_halves_look_like_halves(value: float, whole: str, half: str) -> None:
    found = Range(value, 0.0, 2 * value)
    assert deployment_words.expected(found) == whole
    assert deployment_words.expected(found, 0.5) == half


def test_half_the_rate_reads_as_half() -> None:
    app = typed(risk="12100", low="10000", high="14000", a_day="1000000", like="10")
    assert "**36,300**" in words(app)
    assert "**18,150**" in words(app)
    app = typed(risk="100", low="80", high="125", like="0.001")
    assert "**0.3%**" in words(app)
    assert "**0.15%**" in words(app)


def test_a_tooltip_says_no_chance_of_all() -> None:
    asked = Risk(value=0.2, low=0.1, high=0.3)
    curve = chance_curve(asked, Traffic(a_day=1e6, share=1.0, days=30))
    chart = deployment_charts.chance_by_day(curve, "#000000")
    tips = chart["layer"][1]["encoding"]["tooltip"]
    assert [tip["title"] for tip in tips] == ["Day", "Chance", "95% sure: from", "to"]
    last = chart["datasets"]["days"].iloc[-1]
    assert {last[tip["field"]] for tip in tips[1:]} == {"above 99.9%"}


def test_the_icon_array_draws_what_it_says() -> None:
    few = deployment_charts.icons(Risk(value=0.01, low=0.005, high=0.02), "ten")
    assert few.count("<polygon") == 20
    assert few.count("<circle") == 980
    assert few.count("fill='none'") == 10
    many = deployment_charts.icons(Risk(value=1e-4, low=8e-5, high=1.25e-4), "a hundred")
    assert many.count("<polygon") == 125
    assert many.count("fill='none'") == 25
    assert "aria-label='a hundred'" in many
    dark = deployment_charts.icons(Risk(value=1e-4, low=8e-5, high=1.25e-4), "a hundred", "dark")
    assert deployment_charts.HARM["light"] not in dark
    assert dark.count(deployment_charts.HARM["dark"]) == 125


def test_marks_that_are_not_drawn_are_known() -> None:
    wide = Risk(value=1e-4, low=8e-5, high=1.0)
    assert deployment_charts.marks(wide) == (100, 999_900)
    assert deployment_charts.drawn_hollow(wide) == 1_900
    assert deployment_charts.icons(wide, "many").count("fill='none'") == 1_900
    assert deployment_charts.drawn_hollow(Risk(value=1e-4, low=8e-5, high=1.25e-4)) == 25
