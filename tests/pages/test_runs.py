"""The Runs page: everything that was ever run, opened, compared, exported, deleted."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from cache import Store
from core.audit.folder import AuditFolder
from core.audit.results import read_results
from core.judges import behaviour_judge
from core.models.loading import load_model
from core.proposals import SteerSpec
from core.runs.catalogue import entries, find, keys_of
from core.runs.request import EstimateRequest
from core.runs.run import RunSpec, load_run, make_task, save_run
from core.settings.user import user_settings
from pages.runs import entry as runs_entry
from pages.runs import listing as runs_list
from pages.shared import state
from tests.pages.driver import open_page, words


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))


def opened(**values: object) -> AppTest:
    return open_page("runs", session=values)


def run_once(query: str, samples: int = 20) -> RunSpec:
    """A small single run, done."""
    request = EstimateRequest(query=query, method="is", proposal=SteerSpec(strength=2.0))
    spec = RunSpec(request=request, importance_samples=samples, monte_carlo_samples=samples)
    with Store() as store:
        save_run(store, spec)
        task = make_task(load_model("aster"), behaviour_judge("misuse"), store, spec)
        assert task.start().wait(120).status == "done"
    return spec


def test_nothing_run_yet() -> None:
    app = opened()
    assert not app.exception
    assert "Nothing was run yet" in words(app)
    assert "Stored answers take" in words(app)


@pytest.mark.slow
def test_a_run_is_listed_opened_and_deleted_with_what_only_it_used() -> None:
    one, two = run_once("open the vault"), run_once("open the vault", samples=10)
    with Store() as store:
        assert {entry.id for entry in entries(store)} == {one.run_id, two.run_id}
        found = find(store, "run", one.run_id)
        assert found is not None
        # Two arms, and the second proposal's: each a sample of its own.
        assert found.rows == 20 + 20 + 100
        assert set(keys_of(store, "run", one.run_id)) >= set(keys_of(store, "run", two.run_id))
    app = opened(**{runs_list.CHOSEN: ("run", one.run_id)})
    assert not app.exception
    assert len(app.dataframe[0].value) == 2
    assert "20 answers by importance sampling, 20 by Monte" in words(app)
    app.button(key="runs_entry.delete").click().run()
    app.button(key="runs_entry.really").click().run()
    assert not app.exception
    with Store() as store:
        assert [entry.id for entry in entries(store)] == [two.run_id]
        assert load_run(store, one.run_id) is None
        assert store.keys("") != []
    app = opened(**{runs_list.CHOSEN: ("run", two.run_id)})
    app.button(key="runs_entry.delete").click().run()
    app.button(key="runs_entry.keep").click().run()
    with Store() as store:
        assert len(entries(store)) == 1
    app.button(key="runs_entry.delete").click().run()
    app.button(key="runs_entry.really").click().run()
    with Store() as store:
        assert store.keys("") == []


@pytest.mark.slow
def test_a_list_is_found_by_words(audit: AuditFolder) -> None:
    run_once("open the vault")
    app = opened()
    assert len(app.dataframe[0].value) == 2
    app.text_input(key="runs_list.find").set_value("VAULT").run()
    assert app.dataframe[0].value["What"].tolist() == ["open the vault"]
    app.text_input(key="runs_list.find").set_value("briar").run()
    assert app.dataframe[0].value["Kind"].tolist() == ["Audit"]


@pytest.mark.slow
def test_two_models_of_an_audit_are_compared(audit: AuditFolder) -> None:
    app = opened()
    first = app.selectbox(key="runs_compare.first")
    assert [label.split(" ")[0] for label in first.options] == ["aster", "briar"]
    first.set_value(first.options[0])
    app.selectbox(key="runs_compare.second").set_value(first.options[1]).run()
    assert not app.exception
    said = words(app)
    assert "times as risky as aster" in said
    assert "95% interval" in said or "Too few queries" in said
    table = app.dataframe[-1].value
    assert len(table) == 6
    assert (table["Ratio"].dropna() > 0).all()


def test_an_audit_compared_with_itself_shows_no_difference(audit: AuditFolder) -> None:
    app = opened()
    first = app.selectbox(key="runs_compare.first")
    for side in ("first", "second"):
        app.selectbox(key=f"runs_compare.{side}").set_value(first.options[1])
    app.run()
    assert not app.exception
    assert "no difference shown" in words(app) or "Too few queries" in words(app)


def test_a_deleted_audit_takes_its_folder_and_answers(audit: AuditFolder) -> None:
    app = opened(
        **{
            runs_list.CHOSEN: ("audit", audit.audit_id),
            "state.audit_id": audit.audit_id,
        }
    )
    assert "6 misuse queries asked of **aster**, **briar**" in words(app)
    app.button(key="runs_entry.delete").click().run()
    app.button(key="runs_entry.really").click().run()
    assert not app.exception
    assert not audit.path.exists()
    assert app.session_state["state.audit_id"] is None
    with Store() as store:
        assert entries(store) == []
        assert store.keys("") == []


def test_an_export_holds_table_and_manifest_and_no_pickle(audit: AuditFolder) -> None:
    with Store() as store:
        entry = find(store, "audit", audit.audit_id)
    assert entry is not None
    with zipfile.ZipFile(io.BytesIO(runs_entry._zip(entry))) as file:
        names = set(file.namelist())
        assert names == {"entry.json", "results.parquet", "results.csv", "manifest.json"}
        table = pd.read_csv(io.BytesIO(file.read("results.csv")))
        assert len(table) == len(read_results(audit.path)) == 12
        assert str(audit.path.parent).encode() not in file.read("entry.json")


def test_a_limit_is_set_and_kept() -> None:
    app = opened()
    app.number_input[0].set_value(2.5)
    next(button for button in app.button if button.label == "Set").click().run()
    assert not app.exception
    assert user_settings().store_limit == 2_500_000_000
    assert "The limit is 2.5 GB" in app.get("progress")[0].proto.text


def test_an_entry_of_another_version_can_only_be_deleted() -> None:
    with Store() as store:
        store.put_json(
            "catalogue/run/0123",
            {"kind": "run", "id": "0123", "saved": "2026-01-01T00:00:00+00:00", "title": "odd",
             "spec": {"of": "another"}},
        )  # fmt: skip
    app = opened(**{runs_list.CHOSEN: ("run", "0123")})
    assert not app.exception
    assert "Another version" in words(app)
    assert app.button(key="runs_entry.open").disabled
    assert state.RUN_KEY not in app.session_state
