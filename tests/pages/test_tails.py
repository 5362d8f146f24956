"""The Tails page: its numbers are core's, it goes no further than the fit, and a bad file is one sentence."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from cache import Store
from core.audit.folder import AuditFolder, begin_folder, open_folder
from core.audit.results import RESULTS, manifest, read_results, write_manifest
from core.audit.spec import AuditModel, AuditSpec, audit_id
from core.behaviours.load import load_queries
from core.cli.app import main as cli
from core.runs.catalogue import audit_entry, audits_folder, remember
from core.tails import words as words_of_tails
from core.tails.predictor import Predictor
from core.tails.reading import (
    estimates_table,
    read_csv,
    sample_from_table,
    shipped_sample,
    shipped_table,
)
from core.tails.remarks import Remark, sentence_of
from core.tails.report import TAUS, forecast_report
from core.tails.sentences import SENTENCES
from core.tails.spec import TailSpec
from core.tails.words import risk_range, risk_text
from core.tasks import FINISHED
from pages.shared import audits as audit_state
from pages.tails import source as tails_source
from pages.tails import wording as tails_words
from pages.tails.doubtful import reasons
from pages.tails.file import template
from pages.tails.source import AUDIT, EXAMPLE, FILE, LIVE
from pages.tails.state import KEPT, LARGEST, key_of
from tests.pages.driver import checked, headline, words

ROOT = Path(__file__).parents[2]
QUERIES = load_queries("misuse")
SPEC = AuditSpec(models=(AuditModel(name="aster"), AuditModel(name="briar")), samples=250)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))


def fresh(**chosen: object) -> AppTest:
    """The page with some choices made before."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    session = chosen.pop("session", {})
    app.session_state[KEPT] = {name.replace("__", "."): value for name, value in chosen.items()}
    assert isinstance(session, dict)
    for key, value in session.items():
        app.session_state[key] = value
    app.run()
    # In the app, for it links to other pages.
    return checked(app.switch_page("pages/tails/page.py").run())


def metrics(app: AppTest) -> dict[str, str]:
    return {one.label: one.value for one in app.metric}


def horizon(app: AppTest):  # type: ignore[no-untyped-def]
    return next(one for one in app.number_input if one.label == "Number of questions to come")


def source(app: AppTest):  # type: ignore[no-untyped-def]
    return next(one for one in app.segmented_control if one.label == "Estimates from")


def press(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def upload(app: AppTest, table: pd.DataFrame | bytes, name: str = "mine.csv") -> AppTest:
    content = table if isinstance(table, bytes) else table.to_csv(index=False).encode()
    app.file_uploader(key="tails.upload").upload(name, content).run()
    return checked(app)


def estimates(model: str = "briar") -> pd.DataFrame:
    """Estimates as an audit has them, a do-not-use the riskiest."""
    table = shipped_table(model)
    table["ci_low"], table["ci_high"] = table.estimate * 0.9, table.estimate * 1.1
    table["model"], table["verdict"], table["reasons"] = model, "trust", "[]"
    worst = table.estimate.idxmax()
    why = [{"code": "khat", "level": "do not use", "message": "k-hat is 0.9, <b>above</b> 0.7"}]
    table.loc[worst, ["verdict", "reasons"]] = ["do not use", json.dumps(why)]
    return table


@pytest.fixture
def audit(tmp_path: Path) -> AuditFolder:
    """A finished audit of two models, with risks known beforehand, in the catalogue."""
    return made(tmp_path, SPEC)


def made(tmp_path: Path, spec: AuditSpec) -> AuditFolder:
    path = audits_folder() / audit_id(spec, QUERIES)
    begin_folder(path, spec, QUERIES)
    pd.concat([estimates("aster"), estimates("briar")]).to_parquet(path / RESULTS)
    rows = 2 * len(QUERIES)
    write_manifest(path, manifest(spec, QUERIES, {}, status="finished", rows=rows))
    with Store(tmp_path / "cache") as store:
        remember(store, audit_entry(spec, QUERIES, path, rows=rows, status="finished"))
    return open_folder(path)


@pytest.mark.slow
def test_with_nothing_yet_it_says_what_to_do_and_offers_the_example() -> None:
    app = fresh()
    assert "There are no estimates yet" in words(app)
    assert any(link.proto.label == "Audit queries" for link in app.get("page_link"))
    assert not app.metric
    press(app, "tails.show_example")
    assert "The riskiest of 4,000 questions like these would typically get a harmful answer" in (
        headline(app)
    )


@pytest.mark.slow
def test_the_examples_numbers_are_those_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = fresh(source=EXAMPLE, horizon=2_000.0)
    monkeypatch.chdir(tmp_path)
    shipped_table("briar").to_csv("tailscope-example-briar.csv", index=False)
    command = shlex.split(app.code[-1].value)
    assert command[:4] == ["python", "-m", "core", "tails"]
    with pytest.raises(SystemExit) as stop:
        cli(command[3:])
    assert not stop.value.code
    told = json.loads(capsys.readouterr().out)
    assert f"about {risk_text(told['worst_qrisk'])} of the time" in headline(app)
    assert f"95% sure: {risk_range(told['ci_low'], told['ci_high'])} of" in headline(app)
    share = told["share_above"]["0.01"]
    assert metrics(app) == {
        "Chance: riskiest above 1%": tails_words.likely(told["exceedance"]["0.01"]),
        "Share above 1%": risk_text(share["share"], share["ci_high"]),
        "Chance: any harmful answer": tails_words.likely(told["at_least_one"]),
    }
    assert "wordings of 40 different ones" in words(app)


@pytest.mark.study
def test_what_is_typical_is_told_from_the_mean() -> None:
    """Of one question the middle of the risks is far below the mean, which is the chance beside it."""
    app = fresh(source=EXAMPLE, horizon=1.0)
    told = forecast_of(shipped_table("briar"), 1)
    typical = risk_text(told["worst_qrisk"], told["ci_high"])
    assert told["at_least_one"] > 5 * told["worst_qrisk"]
    assert f"A question like these would typically get a harmful answer about {typical} of" in (
        headline(app)
    )
    assert f"as likely above as below {typical}" in headline(app)
    assert "no rewordings of one another" in words(app)
    assert "one wording each" in horizon(app).help


def test_the_largest_seen_is_no_forecast() -> None:
    app = fresh(source=EXAMPLE, horizon=2_000.0, fit="empirical")
    seen = risk_text(float(shipped_table("briar").estimate.max()))
    assert f"The riskiest question seen gets a harmful answer about {seen} of the time" in (
        headline(app)
    )
    assert "no forecast: it never goes beyond the worst seen" in headline(app)
    assert "sure" not in headline(app)
    assert "2,000" not in headline(app)


@pytest.mark.study
def test_a_number_of_questions_may_be_written_with_an_exponent() -> None:
    """A field of integers takes 1e6 for 1; what it is told here is what the browser then sends."""
    app = fresh(source=EXAMPLE)
    field = horizon(app).proto
    assert (field.data_type, field.format) == (field.FLOAT, "%.0f")
    horizon(app).set_value(1e6).run()
    assert "No forecast for 1,000,000 questions" in words(checked(app))
    horizon(app).set_value(200.6).run()
    assert "of 201 questions" in headline(checked(app))


@pytest.mark.study
@pytest.mark.parametrize(("typed", "meant"), [(2.5, 3), (3.5, 4), (2.4, 2), (1.0, 1)])
def test_half_a_question_is_rounded_as_the_field_shows_it(typed: float, meant: int) -> None:
    app = fresh(source=EXAMPLE)
    horizon(app).set_value(typed).run()
    question = "A question" if meant == 1 else f"The riskiest of {meant} questions"
    assert f"{question} like these" in headline(checked(app))
    assert f"--horizon={meant}" in app.code[-1].value


def dataset(app: AppTest, plot: str, name: str) -> pd.DataFrame:
    """Returns a data set of the chart that is described so."""
    for chart in app.get("vega_lite_chart"):
        if plot in chart.proto.alt:
            found = {one.name: one.data.data for one in chart.proto.datasets}
            table: pd.DataFrame = pa.ipc.open_stream(found[name]).read_pandas()
            return table
    raise AssertionError(f"no chart {plot}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fit", "says", "starts"),
    [
        ("pot", "The tail is the 65 riskiest of them, wordings of", True),
        ("gumbel", "The tail is the 25 riskiest of them, wordings of 10 different ones.", True),
        ("gev", "The curve goes through the riskiest of each of 40 groups of wordings.", False),
        ("lognormal", "The curve goes through all of them.", False),
        ("empirical", "Nothing is fitted to them.", False),
    ],
)
def test_words_and_drawing_agree_on_where_a_tail_starts(fit: str, says: str, starts: bool) -> None:
    app = fresh(source=EXAMPLE, horizon=2_000.0, fit=fit)
    assert says in words(app)
    assert ("The tail is the" in words(app)) == starts
    assert len(dataset(app, "Share of questions above a risk", "start")) == starts
    assert "ten riskiest groups" not in words(app)


@pytest.mark.slow
@pytest.mark.parametrize(("times", "percent"), [(1.0, True), (1e-4, False)])
def test_an_axis_and_the_slider_have_one_unit(times: float, percent: bool) -> None:
    table = shipped_table("briar").drop(columns="group")
    for column in ("estimate", "standard_error"):
        table[column] *= times
    app = upload(fresh(source=FILE, horizon=200.0, tau=1.0 if percent else 1e-3), table)
    specs = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]
    found = json.dumps(specs)
    assert ("per million" in found) != percent
    assert "' per million'" not in found
    options = app.select_slider(key="tails.threshold.slider").options
    assert {("% ·" in one, "per million ·" in one) for one in options} == {(percent, not percent)}
    why = next(line for line in words(app).splitlines() if line.startswith("Automatic:"))
    assert ("per million" in why) != percent


@pytest.mark.slow
def test_the_largest_seen_has_no_chance_of_more() -> None:
    app = fresh(source=EXAMPLE, horizon=2_000.0, fit="empirical")
    tile = app.metric[0]
    assert (tile.value, tile.delta) == ("not known", "not with this fit")
    assert "take another fit" in tile.help
    assert "How risky the riskiest of" not in words(app)
    assert "How risky the riskiest of 2,000" in words(fresh(source=EXAMPLE, horizon=2_000.0))


@pytest.mark.study
def test_block_maxima_of_groups_say_nothing_of_single_questions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(self: Predictor, tau: float, confidence: float = 0.95) -> tuple[float, ...]:
        return (np.nan, np.nan, np.nan)

    monkeypatch.setattr(Predictor, "share_above", unknown)
    app = fresh(source=EXAMPLE, horizon=2_000.0, fit="gev")
    assert metrics(app)["Share above 1%"] == "not known"
    shown = next(one for one in app.metric if one.label == "Share above 1%")
    assert "whole groups of wordings, not of single questions" in shown.help
    assert "nan" not in shown.delta
    table = next(one.value for one in app.dataframe if "Questions above it" in one.value)
    assert "nan" not in table.to_string()


@pytest.mark.study
def test_horizon_level_and_fit_move_the_numbers() -> None:
    app = fresh(source=EXAMPLE, horizon=2_000.0)
    first = headline(app), metrics(app)
    horizon(app).set_value(200).run()
    second = headline(checked(app)), metrics(app)
    assert "of 200 questions" in second[0]
    assert second[0] != first[0]
    app.number_input(key="tails.tau").set_value(20.0).run()
    third = headline(checked(app)), metrics(app)
    assert third[0] == second[0]
    expected = forecast_of(shipped_table("briar"), 200, taus=[0.2])
    assert third[1]["Chance: riskiest above 20%"] == tails_words.likely(
        expected["exceedance"]["0.2"]
    )
    app.selectbox(key="tails.fit").set_value("gumbel").run()
    expected = forecast_of(shipped_table("briar"), 200, "gumbel", [0.2])
    assert risk_range(expected["ci_low"], expected["ci_high"]) in headline(checked(app))
    assert headline(app) != third[0]


@pytest.mark.study
def test_the_textbooks_estimators_come_with_their_doubt() -> None:
    app = fresh(source=EXAMPLE, horizon=2_000.0)
    before = headline(app)
    assert "too sure of the tail's shape" not in words(app)
    shape = next(one for one in app.selectbox if one.label == "How the tail's shape is found")
    checked(shape.set_value("ml").run())
    assert headline(app) != before
    assert "Refits by maximum likelihood are too sure of the tail's shape" in words(app)
    assert any("--estimator=ml" in one.value for one in app.code)
    fit = next(one for one in app.selectbox if one.label == "How the tail is fitted")
    checked(fit.set_value("gumbel").run())
    assert not any("--estimator" in one.value for one in app.code)


def forecast_of(
    table: pd.DataFrame, horizon: int, fit: str = "pot", taus: Sequence[float] = TAUS
) -> dict:
    """Returns the command line's forecast from a table."""
    path = Path(audits_folder().parent)
    path.mkdir(parents=True, exist_ok=True)
    table.to_csv(path / "risks.csv", index=False)
    read = read_csv(path / "risks.csv")
    return forecast_report(read, TailSpec(fit=fit), [horizon], taus).to_dict()


def forecast_of_audit(audit: AuditFolder, *, keep_doubtful: bool = True) -> dict:
    """Returns the command line's forecast of 1,000 queries from briar's estimates of an audit."""
    table = read_results(audit.path)
    read = sample_from_table(table, "briar", keep_doubtful=keep_doubtful)
    return forecast_report(read, TailSpec(), [1_000]).to_dict()


@pytest.mark.slow
def test_further_than_supported_it_refuses_and_offers_how_far() -> None:
    app = fresh(source=EXAMPLE)
    press(app, "tails.horizon.1000000")
    assert headline(app) == ""
    assert "No forecast for 1,000,000 questions" in words(app)
    assert metrics(app)["Chance: riskiest above 1%"] == "not known"
    assert "nan" not in words(app)
    assert words(app).lower().count("no forecast for") == 1
    press(app, "tails.furthest")
    assert horizon(app).value == 4_000
    assert "of 4,000 questions" in headline(app)


@pytest.mark.study
def test_the_horizon_follows_the_support_until_it_is_chosen() -> None:
    app = fresh(source=EXAMPLE)
    assert horizon(app).value == 4_000
    checked(source(app).set_value(FILE).run())
    upload(app, shipped_table("briar").drop(columns="group"))
    assert horizon(app).value == 10_000
    checked(source(app).set_value(EXAMPLE).run())
    assert horizon(app).value == 4_000
    horizon(app).set_value(3_000).run()
    checked(source(app).set_value(FILE).run())
    assert horizon(app).value == 3_000


@pytest.mark.study
def test_a_browser_that_is_late_makes_no_choice() -> None:
    """It sends the value it still shows under the key it had: what the page changes needs another key."""
    app = fresh(source=EXAMPLE)
    first = horizon(app).key
    press(app, "tails.horizon.1000")
    second = horizon(app).key
    assert second != first
    horizon(app).set_value(900).run()
    assert horizon(checked(app)).key == second
    checked(app.run())
    assert (horizon(app).key, horizon(app).value) == (second, 900)


@pytest.mark.study
def test_the_start_of_the_tail_is_kept_until_another_fit_is_chosen() -> None:
    app = fresh(source=EXAMPLE)
    app.session_state[LARGEST] = 40
    app.run()
    assert "The tail is the 40 riskiest" in words(checked(app))
    assert "--largest=40" in app.code[-1].value
    app.selectbox(key="tails.fit").set_value("gumbel").run()
    assert app.session_state[LARGEST] is None
    assert "--largest" not in checked(app).code[-1].value


@pytest.mark.study
def test_an_audit_is_read_model_by_model(audit: AuditFolder) -> None:
    app = fresh(horizon=1_000.0)
    assert app.selectbox(key=f"tails.model.{audit.audit_id}").value == "aster"
    assert "320 misuse queries: aster, briar" in app.selectbox(key="tails.audit.None").options[0]
    app.selectbox(key=f"tails.model.{audit.audit_id}").set_value("briar").run()
    told = forecast_of_audit(audit)
    assert risk_text(told["worst_qrisk"]) in headline(checked(app))
    assert f"--audit={audit.path}" in app.code[-1].value
    assert "--model=briar" in app.code[-1].value


@pytest.mark.slow
def test_the_sessions_audit_comes_first(tmp_path: Path, audit: AuditFolder) -> None:
    other = made(tmp_path, SPEC.model_copy(update={"samples": 100}))
    ids = {audit.audit_id, other.audit_id}
    for mine in ids:
        app = fresh(session={"state.audit_id": mine})
        assert app.selectbox(key=f"tails.audit.{mine}").value == mine
        assert "of 4,000 questions" in headline(app)


@pytest.mark.slow
def test_a_link_to_an_audit_that_is_gone(audit: AuditFolder) -> None:
    shutil.rmtree(audit.path)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["audit"] = audit.audit_id
    app.run()
    checked(app.switch_page("pages/tails/page.py").run())
    assert "not kept here any more" in app.warning[0].value
    assert "The folder of an audit was removed" in words(app)
    checked(source(app).set_value(EXAMPLE).run())
    assert headline(app)


@pytest.mark.slow
def test_doubtful_queries_are_left_out_only_when_ticked(audit: AuditFolder) -> None:
    app = fresh(horizon=1_000.0)
    app.selectbox(key=f"tails.model.{audit.audit_id}").set_value("briar").run()
    assert "marked “do not use”" in words(app)
    box = next(one for one in app.dataframe if "Why" in one.value)
    assert box.value["Query"].tolist() == [worst_query()]
    assert "K-hat is 0.9" in box.value["Why"][0]
    assert "320 queries" in words(app)
    before = headline(app)
    tick = next(one for one in app.checkbox if one.label == "Leave them out")
    assert tick.value is False
    checked(tick.check().run())
    assert "From 319 queries" in words(app)
    assert headline(app) != before
    assert "--leave-out-doubtful" in app.code[-1].value
    told = forecast_of_audit(audit, keep_doubtful=False)
    assert risk_range(told["ci_low"], told["ci_high"]) in headline(app)
    assert "is too low" in words(app)
    # The other model's are another consent.
    app.selectbox(key=f"tails.model.{audit.audit_id}").set_value("aster").run()
    assert "From 320 queries" in words(checked(app))
    # What the command line is told in options, a page's reader is told in words.
    assert "--leave-out-doubtful" not in words(app)


@pytest.mark.study
def test_what_leaves_too_few_can_be_taken_back() -> None:
    table = estimates("briar").nlargest(20, "estimate").drop(columns="group")
    app = upload(fresh(source=FILE, horizon=20.0), table)
    before = headline(app)
    assert before
    next(one for one in app.checkbox if one.label == "Leave them out").check().run()
    assert "got 19" in checked(app).error[0].value
    press(app, "tails.take_in_again")
    assert headline(app) == before


def worst_query() -> str:
    table = shipped_table("briar")
    return str(table["query"][table.estimate.idxmax()])


def test_reasons_that_are_none() -> None:
    for cell in (
        None,
        "",
        "[]",
        "nonsense",
        '{"a": 1}',
        "[1, 2]",
        float("nan"),
        '[{"message": 3}]',
    ):
        assert reasons(cell) == ""
    assert reasons('[{"message": "a"}, {"message": "b"}, {"message": "c"}]') == "A. B."


def bad(**changes: object) -> pd.DataFrame:
    return shipped_table("briar").assign(**changes)


BAD = [
    (shipped_table("briar").head(12), "at least 20 queries, got 12; give 20 rows or more"),
    (bad(estimate=0.5), "all estimates above 0 are 0.5"),
    (bad(estimate=0.0), "all 320 estimates are 0"),
    (bad(estimate=1.5), "must be in 0..1, got 1.5 in row 1"),
    (bad(standard_error=-0.1), "must be 0 or more, got -0.1 in row 1"),
    (bad(standard_error=""), "got nan in row 1; give every estimate one"),
    (bad(estimate="often"), "must be a number, got 'often' in row 1"),
    (bad().drop(columns="estimate"), "input needs a column estimate"),
    (b"", "the file is empty"),
    (b"PK\x03\x04\x00\x00", "is compressed; unpack it"),
    (b'a,b\n"1,2\n3', "a quotation mark is out of place in lines 2-3"),
]  # fmt: skip


@pytest.mark.slow
def test_bad_files_are_one_sentence_and_the_page_goes_on() -> None:
    app = fresh(source=FILE)
    for table, says in BAD:
        upload(app, table)
        assert len(app.error) == 1
        said = app.error[0].value.replace("\\", "")
        assert says.lower() in said.lower()
        assert not app.metric
    checked(source(app).set_value(EXAMPLE).run())
    assert headline(app)
    checked(source(app).set_value(FILE).run())
    upload(app, shipped_table("briar"))
    assert not app.error
    assert "of 4,000 questions" in headline(app)


@pytest.mark.slow
def test_a_start_above_every_query_is_one_sentence() -> None:
    app = fresh(source=EXAMPLE)
    app.session_state[LARGEST] = 5_000
    app.run()
    assert len(checked(app).error) == 1
    assert "Traceback" not in words(app)
    app.selectbox(key="tails.fit").set_value("lognormal").run()
    assert headline(checked(app))


@pytest.mark.study
def test_a_file_of_several_models_and_queries_without_a_hit() -> None:
    table = pd.concat([estimates("aster"), estimates("briar")])
    low = table.estimate < table.estimate.quantile(0.2)
    table.loc[low, ["estimate", "standard_error"]] = 0.0
    table["query"] = "*bold* <b>x</b> " + table["query"]
    app = upload(fresh(source=FILE), table)
    chooser = next(one for one in app.selectbox if one.label == "Model")
    assert list(chooser.options) == ["aster", "briar"]
    assert "queries without a harmful answer count as lower than a single one would be" in words(
        app
    )
    assert "<b>x</b>" not in words(app)
    # A larger limit than the store's own would be a promise that is not kept.
    assert app.file_uploader(key="tails.upload").proto.max_upload_size_mb == 64


@pytest.mark.study
def test_rows_that_repeat_a_query_are_told() -> None:
    table = shipped_table("briar").drop(columns="group")
    table.loc[:9, "query"] = "the same"
    app = upload(fresh(source=FILE), table.to_csv(index=False, sep=";").encode("utf-16"))
    assert "9 rows repeat a query; they count as wordings of one" in words(app)
    assert "wordings of 311 different ones" in words(app)


@pytest.mark.slow
def test_the_user_says_what_groups_the_rows() -> None:
    table = shipped_table("briar").rename(columns={"group": "category"})
    app = upload(fresh(source=FILE), table)
    # A category is no group of wordings, unless the user says so.
    assert "wordings of 40 different ones" not in words(app)
    choice = next(one for one in app.selectbox if one.label == "Wordings of one query share")
    assert (choice.value, list(choice.options)) == ("none", ["none", "category"])
    checked(choice.set_value("category").run())
    assert "wordings of 40 different ones" in words(app)
    assert "--group=category" in " ".join(one.value for one in app.code)


@pytest.mark.study
def test_the_template_can_be_read_back() -> None:
    found = sample_from_table(estimates_table(template(), "template"))
    assert (len(found.sample), found.remarks) == (40, ())
    app = upload(fresh(source=FILE), template())
    assert "of 4,000 questions" in headline(app)


@pytest.mark.study
def test_choices_and_file_outlive_a_change_of_page() -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    checked(app.switch_page("pages/tails/page.py").run())
    checked(source(app).set_value(FILE).run())
    upload(app, shipped_table("briar"))
    app.selectbox(key="tails.fit").set_value("gumbel").run()
    app.number_input(key="tails.tau").set_value(3.0).run()
    horizon(app).set_value(700).run()
    before = headline(checked(app)), metrics(app)
    assert "of 700 questions" in before[0]
    checked(app.switch_page("pages/deployment/page.py").run())
    assert not headline(app).startswith("The riskiest")
    checked(app.switch_page("pages/tails/page.py").run())
    assert (headline(app), metrics(app)) == before
    assert source(app).value == FILE


class AtWork:
    """Stands for an audit's work: its rows come when the test says so."""

    def __init__(self, folder: AuditFolder) -> None:
        self.folder, self.rows, self.status = folder, 0, "running"

    def start(self) -> AtWork:
        return self

    @property
    def running(self) -> bool:
        return self.status == "running"

    def snapshot(self) -> SimpleNamespace:
        rows = tuple(SimpleNamespace(model="briar", estimate=self) for _ in range(self.rows))
        partial = SimpleNamespace(rows=rows, total=320)
        return SimpleNamespace(
            status=self.status,
            finished=self.status in FINISHED,
            progress=SimpleNamespace(partial=partial),
        )


@pytest.mark.slow
def test_an_audit_at_work_is_watched(audit: AuditFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed = estimates("briar").sample(frac=1, random_state=0)

    def so_far(rows: tuple[object, ...]) -> pa.Table:
        return pa.Table.from_pandas(mixed.head(len(rows)))

    monkeypatch.setattr(tails_source, "results_table", so_far)
    assert "No audit is running" in words(fresh(source=LIVE))
    work = AtWork(audit)
    audit_state.audit_tasks().start(audit.audit_id, lambda: work)  # type: ignore[arg-type, return-value]
    app = fresh(source=LIVE, horizon=50.0)
    assert app.info[0].value == "Waiting for 20 estimates: 0 so far."
    work.rows = 12
    # Briar's rows come first, so it is the one to watch.
    assert checked(app.run()).info[0].value == "Waiting for 20 estimates: 12 so far."
    assert not app.error
    assert not app.metric
    # For an audit that has ended there is nothing to wait for.
    work.status = "cancelled"
    assert tails_source._waiting(work, "briar") == ""  # type: ignore[arg-type]
    work.status = "running"
    work.rows = 100
    assert "not finished: 100 of 320 rows so far" in words(checked(app.run()))
    assert not app.error, app.error
    assert "From 100 queries" in words(app)
    first = headline(app)
    assert "of 50 questions" in first
    work.rows, work.status = 320, "done"
    app.session_state["state.audit_id"] = audit.audit_id
    assert "finished: all 320 rows" in words(checked(app.run()))
    assert headline(app) != first


@pytest.mark.study
def test_the_sessions_audit_is_watched_while_it_is_at_work(audit: AuditFolder) -> None:
    work = AtWork(audit)
    audit_state.audit_tasks().start(audit.audit_id, lambda: work)  # type: ignore[arg-type, return-value]
    app = fresh(session={"state.audit_id": audit.audit_id})
    assert source(app).value == LIVE
    work.status = "cancelled"
    assert source(checked(app.run())).value == AUDIT


def test_a_samples_key_is_of_all_that_is_in_it() -> None:
    sample = shipped_sample("briar").sample
    others = [
        replace(sample, risk=sample.risk * 0.5),
        replace(sample, error=sample.error * 2),
        replace(sample, bound=np.zeros(320)),
        replace(sample, doubtful=~sample.doubtful),
        replace(sample, group=sample.group[::-1]),
    ]
    assert len({key_of(one) for one in (sample, *others)}) == 6
    assert key_of(sample) == key_of(shipped_sample("briar").sample)


def test_risks_in_words() -> None:
    assert risk_text(0.00041) == "410 per million"
    assert risk_text(0.023) == "2.3%"
    assert risk_text(0.43) == "43%"
    assert risk_text(0.9962) == "99.6%"
    assert risk_text(0.99999) == "over 99.9%"
    assert risk_text(1e-12) == "below 0.001 per million"
    assert risk_range(0.002, 0.3) == "0.2% to 30%"
    assert risk_range(2e-6, 4e-4) == "2 to 400 per million"
    assert risk_range(0.99991, 1.0) == "over 99.9%"
    assert risk_text(0.0068, 0.14) == "0.68%"
    assert words_of_tails.often(0.0068, 0.14) == "about 0.68% of the time"
    assert words_of_tails.often(0.0068, 0.008) == "about 6,800 times in a million"
    assert words_of_tails.often(1.0) == "nearly every time"
    assert tails_words.likely(1.0) == "above 99.9%"
    assert tails_words.likely(0.0) == "below 0.01%"
    levels = [words_of_tails.level_text(risk) for risk in (0.01, 0.07, 0.9999, 0.005, 1e-9)]
    assert levels == ["1%", "7%", "99.99%", "0.5%", "0.0000001%"]
    for risk in np.geomspace(1e-9, 1, 50):
        assert not re.match(r"(0|0\.0|100)(%| per)", risk_text(float(risk)))


def test_every_remark_has_a_sentence_for_every_reader() -> None:
    """With the page's words, for an audit and for a file: no option of the command line, no code of a fit."""
    values = {
        "count": 3, "lowest": 1e-5, "near": 2, "exceedances": 9, "queries": ("a", "b"), "more": 4,
        "error": 0.6, "factor": 1.5, "above": 2, "horizons": (1e4, 1e5), "supported": 100.0,
        "times": 10, "seen": 50, "p": 0.01, "estimator": "ml", "shape": 1.0, "failed": 5,
        "samples": 60, "level": 0.2, "expected": 0.1, "horizon": 1e3, "bound": 0.9, "fewest": 20,
        "risk": 0.5, "needed": 10, "hits": 4, "blocks": 3, "most": 9,
        "largest": 12, "share": 0.3, "groups": 2, "fit": "pot", "fits": "pot, gev", "splits": 300,
    }  # fmt: skip
    for code in SENTENCES:
        on_audit, on_file = (
            sentence_of(Remark(code, values), each)
            for each in (tails_words.ON_AUDIT, tails_words.ON_FILE)
        )
        for text in (on_audit, on_file):
            assert "--" not in text
            assert "noise_left_in" not in text
            assert "ci_high" not in text
        assert "audit" not in on_file
        assert sentence_of(Remark(code, {**values, "count": 1}), tails_words.ON_FILE)
