"""What a folder of an audit allows: to go on with the same audit, and with no other one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cache import Store, open_store
from core.audit.results import read_manifest
from core.behaviours.load import SAMPLE_DATA
from core.errors import SpecError, TailscopeError
from core.executors.serial import SerialExecutor
from core.executors.worker import DrawRows, Task
from core.headless import audit as headless
from core.headless.audit import AuditOptions, audit_headless
from tests.audit.audits import assert_same_table, query_file, read_table


def options(folder: Path, **changes: Any) -> AuditOptions:
    """Returns the options of a small audit of a model of its own."""
    model = folder / "model"
    if not model.exists():
        shutil.copytree(SAMPLE_DATA / "models" / "aster", model)
    given: dict[str, Any] = {
        "out": folder / "out",
        "cache": folder / "cache",
        "models": [str(model)],
        "loading": {},
        "behaviour": "misuse",
        "queries": query_file(folder, 2),
        "method": "mc",
        "samples": 50,
        "workers": 1,
        "resume": True,
    }
    return AuditOptions(**(given | changes))


def test_it_goes_on_only_if_asked_to(tmp_path: Path) -> None:
    first = audit_headless(options(tmp_path))
    table = read_table(tmp_path / "out")
    assert first.drawn == 2 * 51
    with pytest.raises(SpecError, match="holds an audit already; add --resume"):
        audit_headless(options(tmp_path, resume=False))
    again = audit_headless(options(tmp_path))
    assert (again.drawn, again.stored) == (0, 2 * 51)
    assert_same_table(read_table(tmp_path / "out"), table)
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None
    assert manifest["status"] == "finished"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"samples": 60}, "samples: was 50, is 60"),
        ({"seed": 1}, "seed: was 0, is 1"),
        ({"method": "mis"}, "method: was 'mc', is 'mis'"),
        ({"threshold": 0.5}, "threshold: was 0.75, is 0.5"),
        ({"generation": {"temperature": 0.5}}, "generation.temperature: was 1.0, is 0.5"),
        ({"precision": 0.5}, "precision: was None, is 0.5"),
        ({"models": ["briar"]}, "models: was "),
    ],
)
def test_another_spec_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    given = options(tmp_path)
    headless_folder(given)
    with pytest.raises(SpecError, match="holds another audit") as told:
        audit_headless(replace(given, **changes))
    assert said in str(told.value)


def test_other_queries_are_refused(tmp_path: Path) -> None:
    headless_folder(options(tmp_path))
    with pytest.raises(SpecError, match="queries: were 2 with another content or order, are 3"):
        audit_headless(options(tmp_path, queries=query_file(tmp_path, 3)))


def headless_folder(given: AuditOptions) -> None:
    """Makes the folder of an audit that has just begun."""
    from core.audit.results import manifest, write_manifest
    from core.queries import read_query_file

    assert given.queries is not None
    spec = headless.audit_spec(given)
    queries = read_query_file(given.queries).queries
    write_manifest(given.out, manifest(spec, queries, {}, status="running", rows=0))


def test_another_model_under_the_same_name_is_refused_for_good(tmp_path: Path) -> None:
    given = options(tmp_path)
    audit_headless(given)
    model = Path(given.models[0])
    kept = tmp_path / "kept"
    model.rename(kept)
    shutil.copytree(SAMPLE_DATA / "models" / "briar", model)
    for _ in range(2):
        with pytest.raises(SpecError, match=r"is not asked as this audit began: its fingerprint"):
            audit_headless(given)
    shutil.rmtree(model)
    kept.rename(model)
    assert audit_headless(given).drawn == 0


def test_another_judge_in_the_same_file_is_refused(tmp_path: Path) -> None:
    judge = tmp_path / "judge.json"
    shipped = json.loads((SAMPLE_DATA / "judges" / "misuse.json").read_text())
    judge.write_text(json.dumps(shipped))
    given = options(tmp_path, judge=str(judge))
    audit_headless(given)
    shipped["rules"][0]["required"] = ["something else"]
    judge.write_text(json.dumps(shipped))
    with pytest.raises(SpecError, match="is not asked as this audit began: its judge was"):
        audit_headless(given)


def test_a_cache_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TailscopeError, match="an audit needs a store on disk"):
        audit_headless(options(tmp_path, cache=tmp_path / "file"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"executor": "slurm"}, "executor must be one of local, ray, got 'slurm'"),
        ({"workers": 0}, r"workers must be in 1\.\.1,024, got 0"),
        ({"address": "a:1"}, "address needs the executor ray, got 'a:1'"),
    ],
)
def test_bad_options_are_one_sentence(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        audit_headless(options(tmp_path, **changes))
    assert not (tmp_path / "out").exists()


def test_a_store_that_fills_up_stops_it_and_room_lets_it_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = options(tmp_path, samples=500, method="is", queries=query_file(tmp_path, 3))
    limit = 500_000

    def small(path: Path) -> Store:
        return Store(path, size_limit=limit)

    monkeypatch.setattr(headless, "open_store", small)
    refusals = []
    while len(refusals) < 20:
        try:
            audit_headless(given)
        except TailscopeError as error:
            refusals.append((str(error), read_manifest(given.out)))
            limit += 500_000
        else:
            break
    assert 1 <= len(refusals) < 20
    for said, manifest in refusals:
        assert "the audit stops here" in said
        assert "has reached its limit" in said
        assert manifest is not None
        assert manifest["status"] == "stopped"
    monkeypatch.setattr(headless, "open_store", open_store)
    fresh = replace(given, out=tmp_path / "out2", cache=tmp_path / "cache2")
    audit_headless(fresh)
    assert_same_table(read_table(given.out), read_table(fresh.out))


def test_an_interrupt_leaves_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = options(tmp_path, queries=query_file(tmp_path, 4))

    class Interrupted(SerialExecutor):
        count = 0

        def submit(self, name: str, task: Task) -> None:
            Interrupted.count += isinstance(task, DrawRows)
            if Interrupted.count == 6:
                raise KeyboardInterrupt
            super().submit(name, task)

    with monkeypatch.context() as patch:
        patch.setattr(headless, "make_executor", lambda options: Interrupted())
        with pytest.raises(KeyboardInterrupt):
            audit_headless(given)
    manifest = read_manifest(given.out)
    assert manifest is not None
    assert manifest["status"] == "stopped"
    with Store(tmp_path / "cache") as store:
        assert store.json_keys("alive/") == []
    report = audit_headless(given)
    assert report.drawn + report.stored == 4 * 51
    assert report.stored > 0
