"""The Tails page's address: it finds source and choices again, holds no query, and bad values say nothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Store
from core.audit.folder import begin_folder
from core.audit.results import RESULTS, manifest, write_manifest
from core.audit.spec import AuditModel, AuditSpec, audit_id
from core.behaviours.load import load_queries
from core.runs.catalogue import audit_entry, audits_folder, remember
from core.tails.reading import shipped_table
from pages.tails.limits import horizon_fault, level_fault
from pages.tails.source_choice import EXAMPLE, FILE
from tests.pages.driver import checked, headline, words

ROOT = Path(__file__).parents[2]
QUERIES = load_queries("misuse")
SPEC = AuditSpec(models=(AuditModel(name="aster"), AuditModel(name="briar")), samples=250)
LABELS = {"n": "Number of questions to come", "tau": "Risk level, percent"}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))


def linked(**values: str) -> AppTest:
    """The page as a new session that follows a link has it."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in values.items():
        app.query_params[name] = value
    app.run()
    return checked(app.switch_page("pages/tails/page.py").run())


def field(app: AppTest, name: str):  # type: ignore[no-untyped-def]
    return next(one for one in app.number_input if one.label == LABELS[name])


def address(app: AppTest) -> dict[str, str]:
    found = app.query_params
    return {name: one[0] if isinstance(one, list) else one for name, one in found.items()}


def chosen(app: AppTest, label: str) -> object:
    boxes = [*app.selectbox, *app.segmented_control]
    return next(one.value for one in boxes if one.label == label)


EVERYTHING = {
    "tails": "example-aster",
    "fit": "gumbel",
    "noise": "in",
    "confidence": "0.9",
    "n": "300",
    "tau": "0.07",
    "start": "160",
}


@pytest.mark.slow
def test_a_link_finds_source_and_choices() -> None:
    app = linked(**EVERYTHING)
    assert chosen(app, "Estimates from") == EXAMPLE
    assert chosen(app, "Model") == "aster"
    assert chosen(app, "How the tail is fitted") == "gumbel"
    assert chosen(app, "How sure ranges are") == 0.9
    assert chosen(app, "The estimates' noise") == "Left in"
    assert (field(app, "n").value, field(app, "tau").value) == (300, 7)
    assert "The tail is the 160 riskiest" in words(app)
    assert "300 questions like these" in headline(app)
    assert "90% sure" in headline(app)
    # It is not lost on the way, and holds no more than it did.
    assert address(app) == EVERYTHING


@pytest.mark.study
def test_the_textbooks_estimator_is_linked_for_a_fit_that_has_it() -> None:
    app = linked(tails="example-briar", estimator="ml")
    assert "--estimator=ml" in app.code[-1].value
    assert address(app) == {"tails": "example-briar", "estimator": "ml"}
    fit = next(one for one in app.selectbox if one.label == "How the tail is fitted")
    checked(fit.set_value("lognormal").run())
    assert address(app) == {"tails": "example-briar", "fit": "lognormal"}


@pytest.mark.study
def test_bad_values_are_as_if_they_were_not_there() -> None:
    usual = linked(tails="example-briar")
    for bad in (
        {"fit": "straight", "estimator": "mine", "noise": "loud", "confidence": "0.5"},
        {"n": "0", "tau": "1.5", "start": "-3", "confidence": "high"},
        {"n": "many", "tau": "nan", "start": "5000", "model": "<b>x</b>"},
        {"n": "inf", "tau": "-1", "start": "7.5", "confidence": "inf"},
    ):
        app = linked(tails="example-briar", **bad)
        assert not app.error
        assert headline(app) == headline(usual) != ""
        assert address(app) == {"tails": "example-briar"}
    for source in ("example-<b>", "audit", "ffffffffffffffff", "../x", ""):
        app = linked(tails=source, fit="gumbel")
        assert not app.error
        assert "<b>" not in words(app)


@pytest.mark.study
def test_choices_come_into_the_address_and_leave_it() -> None:
    app = linked(tails="example-briar")
    field(app, "n").set_value(700).run()
    field(app, "tau").set_value(2.5).run()
    fit = next(one for one in app.selectbox if one.label == "How the tail is fitted")
    checked(fit.set_value("gumbel").run())
    slider = app.select_slider(key="tails.threshold.slider")
    start = slider.options[2].split("· ")[1].removesuffix(" queries")
    slider.set_value(int(start)).run()
    expected = {"tails": "example-briar", "fit": "gumbel", "n": "700", "tau": "0.025"}
    assert address(checked(app)) == {**expected, "start": start}
    field(app, "tau").set_value(1.0).run()
    fit = next(one for one in app.selectbox if one.label == "How the tail is fitted")
    checked(fit.set_value("pot").run())
    assert address(app) == {"tails": "example-briar", "n": "700"}


@pytest.mark.study
def test_an_address_that_is_behind_makes_no_choice() -> None:
    """A browser sends the one it has: it may not have heard of the last choice."""
    app = linked(tails="example-briar")
    field(app, "n").set_value(700).run()
    field(app, "n").set_value(800).run()
    app.query_params["n"] = "700"
    checked(app.run())
    assert field(app, "n").value == 800
    assert address(app)["n"] == "800"


@pytest.mark.study
def test_an_audits_model_is_linked_and_no_query(tmp_path: Path) -> None:
    path = audits_folder() / audit_id(SPEC, QUERIES)
    begin_folder(path, SPEC, QUERIES)
    parts = [shipped_table(name).assign(model=name, verdict="trust") for name in ("aster", "briar")]
    table = pd.concat(parts)
    table.to_parquet(path / RESULTS)
    write_manifest(path, manifest(SPEC, QUERIES, {}, status="finished", rows=640))
    with Store(tmp_path / "cache") as store:
        remember(store, audit_entry(SPEC, QUERIES, path, rows=640, status="finished"))
    mine = path.name
    app = linked(tails=mine, model="briar", n="500")
    assert "--model=briar" in app.code[-1].value
    assert address(app) == {"tails": mine, "model": "briar", "n": "500"}
    # The session's own audit is in the address already.
    app = linked(audit=mine, model="briar", n="500")
    assert "--model=briar" in app.code[-1].value
    assert address(app) == {"audit": mine, "model": "briar", "n": "500"}
    assert not any(text in str(address(app)) for text in table["query"].head(50))


@pytest.mark.slow
def test_of_a_file_there_are_only_the_choices() -> None:
    app = linked(tails="file", fit="gumbel", n="200")
    assert chosen(app, "Estimates from") == FILE
    content = shipped_table("briar").to_csv(index=False).encode()
    checked(app.file_uploader(key="tails.upload").upload("my secret.csv", content).run())
    assert "200 questions like these" in headline(app)
    assert address(app) == {"tails": "file", "fit": "gumbel", "n": "200"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("n", 0.0, "Number of questions must be 1 to 1,000,000,000, got 0."),
        ("n", 2e9, "Number of questions must be 1 to 1,000,000,000, got 2,000,000,000."),
        ("tau", 150.0, "Risk level must be above 0 and below 100 percent, got 150."),
        ("tau", 0.0, "Risk level must be above 0 and below 100 percent, got 0."),
        ("tau", 100.0, "Risk level must be above 0 and below 100 percent, got 100."),
    ],
)
def test_a_number_outside_its_limits_is_one_sentence_and_no_old_forecast(
    name: str, value: float, says: str
) -> None:
    app = linked(tails="example-briar")
    good = field(app, name).value
    before = headline(app)
    assert before
    # A limit of the widget's own would be refused in the browser, without a word.
    proto = field(app, name).proto
    assert not proto.has_min
    assert not proto.has_max
    field(app, name).set_value(value).run()
    assert [one.value for one in checked(app).error] == [says]
    assert headline(app) == ""
    assert not app.metric
    assert not app.get("vega_lite_chart")
    assert {one.label for one in app.number_input} >= set(LABELS.values())
    assert name not in address(app)
    field(app, name).set_value(good).run()
    assert headline(checked(app)) == before
    assert not app.error


def test_limits_by_hand() -> None:
    for number in (None, float("nan"), float("inf"), -1.0, 0.99):
        assert horizon_fault(number)
        assert "nan" not in horizon_fault(number)
    assert horizon_fault(1.0) == horizon_fault(1e9) == level_fault(99.99) == level_fault(1e-9) == ""
    assert level_fault(1e300).endswith("got 1e+300.")
