"""The Audit page: set up, going on, finished, opened, and what it says of bad input."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cache import Store
from core.audit.folder import AuditFolder
from core.audit.results import read_results
from core.executors.serial import SerialExecutor
from core.queries import parse_query_file
from pages.audit import setup as audit_setup
from pages.audit import table as audit_table
from pages.shared import audits as audit_state
from pages.shared.query_upload import Upload
from tests.pages.audits import QUERIES, SPEC, make_audit
from tests.pages.driver import labels, open_page, press, words


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    # Worker processes would run the page's own file again: under AppTest it is the main one.
    monkeypatch.setattr(audit_state, "executor", lambda folder: SerialExecutor())


def fresh(name: str = "audit", **state: object) -> AppTest:
    return open_page(name, session={key.replace("__", "."): value for key, value in state.items()})


def looking_at(audit_id: str, **state: object) -> AppTest:
    return fresh(**{"state__audit_id": audit_id, **state})


@pytest.mark.slow
def test_the_form_says_how_much_it_is() -> None:
    app = fresh()
    assert not app.exception
    assert "20 queries × 2 models, **40,040 answers**" in words(app)
    assert "about" in words(app)
    count = next(one for one in app.number_input if one.label == "How many of the 320")
    count.set_value(320)
    next(one for one in app.number_input if one.label.startswith("Monte")).set_value(1_000)
    app.multiselect[0].set_value(["briar"]).run()
    assert "320 queries × 1 model, **640,320 answers**" in words(app)


@pytest.mark.slow
def test_no_model_and_no_file_start_nothing() -> None:
    app = fresh()
    app.multiselect[0].set_value([]).run()
    assert "Start the audit" not in labels(app)
    assert "at least one model" in app.warning[0].value
    app.multiselect[0].set_value(["aster"])
    app.segmented_control[0].set_value("From a file").run()
    assert not app.exception
    assert "Start the audit" not in labels(app)


@pytest.mark.slow
def test_rows_of_a_file_that_cannot_be_used_are_named() -> None:
    found = parse_query_file("mine.csv", b'query\nopen the vault\n"  "\nbrew the serum\n')
    app = fresh(**{audit_setup.UPLOAD: Upload("mine.csv", found)})
    app.segmented_control[0].set_value("From a file").run()
    assert not app.exception
    assert "mine.csv: 2 queries" in words(app)
    assert "Row 2" in words(app)
    assert "2 queries × 2 models" in words(app)


@pytest.mark.slow
def test_a_finished_audit_says_what_it_found(audit: AuditFolder) -> None:
    app = looking_at(audit.audit_id)
    assert not app.exception
    said = words(app)
    assert "6 misuse queries asked of **aster**, **briar**" in said
    assert "of 6" in said
    assert {"Pause", "Go on", "Cancel"}.isdisjoint(labels(app))
    assert "New audit" in labels(app)
    assert "so far" not in said
    table = app.dataframe[-1].value
    assert len(table) == 12
    # The riskiest first.
    assert table["risk"].dropna().is_monotonic_decreasing


def test_the_table_can_be_filtered(audit: AuditFolder) -> None:
    app = looking_at(audit.audit_id)
    app.text_input(key="audit_table.find").set_value(QUERIES[2].text).run()
    assert set(app.dataframe[-1].value["query"]) == {QUERIES[2].text}
    assert "2 of 12 rows" in words(app)
    app.text_input(key="audit_table.find").set_value("no such words").run()
    assert not app.exception
    assert app.dataframe[-1].value.empty


def test_a_row_opens_its_answers_and_draws_nothing(audit: AuditFolder) -> None:
    chosen = (audit.audit_id, QUERIES[0].query_id, "briar")
    with Store() as store:
        before = store.keys("")
    app = looking_at(audit.audit_id, **{audit_table.CHOSEN: chosen})
    assert not app.exception
    said = words(app)
    assert f"#### “{QUERIES[0].text}”" in said
    row = read_results(audit.path).query("query_id == @QUERIES[0].query_id and model == 'briar'")
    assert row.iloc[0]["greedy_text"] in said
    assert "20 read" in said
    with Store() as store:
        assert store.keys("") == before


def test_answers_that_were_deleted_are_missed_in_one_sentence(
    audit: AuditFolder,
) -> None:
    with Store() as store:
        for name in store.keys(""):
            store.drop(name)
    chosen = (audit.audit_id, QUERIES[0].query_id, "briar")
    app = looking_at(audit.audit_id, **{audit_table.CHOSEN: chosen})
    assert not app.exception
    assert "not in this machine's store" in app.info[0].value


def test_an_audit_that_is_not_here_is_one_sentence() -> None:
    app = looking_at("0" * 16)
    assert not app.exception
    assert "not kept here" in app.warning[0].value
    assert "Start the audit" in labels(app)


def test_a_folder_without_an_audit_is_one_sentence(tmp_path: Path) -> None:
    app = fresh()
    field = next(one for one in app.text_input if one.label == "Folder on this machine")
    field.set_value(str(tmp_path))
    press(app, "Open")
    assert not app.exception
    assert "holds no audit" in app.error[0].value.replace("\\", "")


def test_a_folder_of_the_command_line_can_be_opened(
    audit: AuditFolder,
    tmp_path: Path,
) -> None:
    elsewhere = audit.path.rename(tmp_path / "elsewhere")
    app = fresh()
    next(one for one in app.text_input if one.label == "Folder on this machine").set_value(
        str(elsewhere)
    )
    app = press(app, "Open")
    assert not app.exception
    assert "6 misuse queries" in words(app)


@pytest.mark.slow
def test_one_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"models": SPEC.models[:1], "samples": 20})
    folder = make_audit(tmp_path / "home", tmp_path / "cache", spec, run=False)
    app = looking_at(folder.audit_id)
    assert "Go on" in labels(app)
    app = press(app, "Go on")
    work = audit_state.audit_tasks().get(folder.audit_id)
    assert work is not None
    assert work.wait(120).status == "done"
    app.run()
    assert not app.exception
    assert "so far" not in words(app)
    assert "Go on" not in labels(app)


def test_a_judge_that_costs_is_asked_only_after_a_click(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rubric = tmp_path / "judge.json"
    rubric.write_text(
        '{"kind": "rubric", "base_url": "http://127.0.0.1:9/v1", "model": "m", '
        '"price_per_million_prompt": 1.0, "price_per_million_reply": 2.0}'
    )
    spec = SPEC.model_copy(update={"judge": str(rubric)})
    folder = make_audit(tmp_path / "home", tmp_path / "cache", spec, run=False)
    app = looking_at(folder.audit_id)
    assert not app.exception
    assert "Ask the judge and go on" in labels(app)
    assert "USD" in words(app)
    time.sleep(0.5)
    assert audit_state.audit_tasks().get(folder.audit_id) is None
