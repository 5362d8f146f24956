"""A comparison outlives the browser's reload and the app's restart: in the address, and among the runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cache import Store
from core.audit.spec import AuditModel, AuditSpec
from core.executors.serial import SerialExecutor
from core.runs.catalogue import entries, find
from core.sensitivity.comparison import Comparison, ComparisonSoFar, keep, load
from core.sensitivity.variants import variants
from core.spec import GenerationSpec
from pages.paraphrases import work as paraphrase_work
from pages.paraphrases.work import begin
from pages.runs import listing as runs_list
from pages.shared import state
from pages.shared.comparisons import PLAN, comparison_tasks
from tests.pages.driver import labels, open_in_app, open_page, words

QUERY = "how do i break the salt seal"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    # Worker processes would run the page's own file again: under AppTest it is the main one.
    monkeypatch.setattr(paraphrase_work, "executor", lambda plan: SerialExecutor())


def plan(samples: int = 60, judge: str | None = None) -> Comparison:
    generation = GenerationSpec(temperature=0.9)
    spec = AuditSpec.build(
        models=(AuditModel(name="briar"),),
        generation=generation,
        samples=samples,
        threshold=0.4,
        judge=judge,
    )
    return Comparison(
        spec=spec, variants=variants(QUERY, ("please break the salt seal",), generation)
    )


def restarted() -> None:
    """As after a restart of the app: nothing is left in memory."""
    st.cache_resource.clear()


def compared(asked: Comparison) -> ComparisonSoFar:
    end = begin(asked).wait(120)
    assert end.result is not None
    return end.result


def linked(**address: str) -> AppTest:
    return open_in_app("paraphrases", address=address)


def on_page(name: str) -> AppTest:
    """Returns the page alone, as after `linked`: inside the app, AppTest clicks on nothing of it."""
    with Store() as store:
        kept = load(store, name)
    chosen = state.Settings(model="briar", query=QUERY)
    return open_page("paraphrases", session={PLAN: kept, state.KEY: chosen})


def settled(app: AppTest) -> AppTest:
    """Returns the page once what the store holds has been read."""
    task = comparison_tasks().get(app.session_state[PLAN].name)
    assert task is not None
    task.wait(120)
    return app.run()


@pytest.mark.slow
def test_a_reload_after_a_restart_shows_it_and_takes_its_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = plan()
    compared(asked)
    restarted()

    def none(plan: Comparison) -> SerialExecutor:
        raise AssertionError("something is drawn")

    monkeypatch.setattr(paraphrase_work, "executor", none)
    app = settled(linked(wordings=asked.name))
    assert not app.exception
    assert "and 1 other wording" in words(app)
    assert labels(app).count("Look at this wording") == 2
    assert "Go on" not in labels(app)
    chosen = app.session_state[state.KEY]
    assert (chosen.model, chosen.query, chosen.threshold) == ("briar", QUERY, 0.4)
    assert chosen.generation.temperature == 0.9
    assert app.query_params["wordings"] == asked.name
    assert QUERY not in str(dict(app.query_params))


@pytest.mark.slow
def test_what_is_not_whole_waits_for_go_on() -> None:
    asked = plan(samples=400)
    task = begin(asked)
    while task.running and not task.snapshot().progress.partial.drawn:
        time.sleep(0.02)
    task.cancel()
    assert task.wait(120).status == "cancelled"
    restarted()
    app = settled(on_page(asked.name))
    assert not app.exception
    assert "of 2 done" in app.get("progress")[0].proto.text
    found = comparison_tasks().get(asked.name)
    assert found is not None
    at = found.snapshot().progress.partial
    assert (at.drawn, at.whole, found.running) == (0, False, False)
    next(one for one in app.button if one.label == "Go on").click().run()
    found = comparison_tasks().get(asked.name)
    assert found is not None
    end = found.wait(120)
    assert end.result is not None
    assert end.result.whole
    assert end.result.stored > 0


def test_going_on_asks_no_paid_judge_unseen(tmp_path: Path) -> None:
    rubric = tmp_path / "judge.json"
    rubric.write_text('{"kind": "rubric", "base_url": "http://127.0.0.1:9/v1", "model": "m"}')
    asked = plan(judge=str(rubric))
    with Store() as store:
        keep(store, asked)
    app = settled(on_page(asked.name))
    assert "Nothing to compare yet" in words(app)
    task = comparison_tasks().get(asked.name)
    next(one for one in app.button if one.label == "Go on").click().run()
    assert not app.exception
    assert comparison_tasks().get(asked.name) is task, "something was begun"
    assert "Ask the judge and compare" in labels(app)
    assert "Nothing has been sent yet" in words(app)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nonsense", "../../etc/passwd", "0" * 15, "<b>"])
def test_nonsense_in_the_address_is_ignored(name: str) -> None:
    app = linked(wordings=name)
    assert not app.exception
    assert not app.info
    assert "Compare the wordings" in labels(app)
    assert "wordings" not in app.query_params


@pytest.mark.slow
def test_a_link_from_another_machine_is_one_sentence() -> None:
    app = linked(wordings="0123456789abcdef")
    assert not app.exception
    assert "not in the store of this machine" in words(app)
    assert "Compare the wordings" in labels(app)
    assert "wordings" not in app.query_params


@pytest.mark.slow
def test_a_session_that_has_chosen_keeps_its_settings() -> None:
    asked = plan()
    compared(asked)
    app = open_in_app(
        "paraphrases",
        session={state.KEY: state.Settings(query="open the vault")},
        address={"wordings": asked.name},
    )
    assert not app.exception
    assert app.session_state[state.KEY].query == "open the vault"
    assert "You have chosen another question" in words(app)


@pytest.mark.slow
def test_it_is_listed_opened_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = plan()
    compared(asked)
    app = open_page("runs", session={runs_list.CHOSEN: ("wordings", asked.name)})
    assert not app.exception
    assert app.dataframe[0].value["Kind"].tolist() == ["Wordings"]
    assert app.dataframe[0].value["Model"].tolist() == ["briar"]
    assert "60 answers to each; finished" in words(app)
    went: list[str] = []
    monkeypatch.setattr(st, "switch_page", went.append)
    app.button(key="runs_entry.open").click().run()
    assert went == ["pages/paraphrases/page.py"]
    assert app.session_state[PLAN] == asked
    app.button(key="runs_entry.delete").click().run()
    app.button(key="runs_entry.really").click().run()
    assert not app.exception
    assert app.session_state[PLAN] is None
    assert comparison_tasks().get(asked.name) is None
    with Store() as store:
        assert entries(store) == []
        assert store.keys("") == []
        assert load(store, asked.name) is None


@pytest.mark.slow
def test_what_is_going_on_cannot_be_deleted() -> None:
    asked = plan(samples=100_000)
    task = begin(asked)
    while not task.snapshot().progress.partial.drawn:
        time.sleep(0.02)
    app = open_page("runs", session={runs_list.CHOSEN: ("wordings", asked.name)})
    try:
        assert app.button(key="runs_entry.delete").disabled
    finally:
        task.cancel()
        assert task.wait(120).status == "cancelled"
    with Store() as store:
        found = find(store, "wordings", asked.name)
        assert found is not None
        assert found.status == "stopped"
