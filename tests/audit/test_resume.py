"""What a folder of an audit allows: to go on with the same audit, and with no other one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cache import Store
from core.audit.report import AuditReport
from core.audit.results import manifest, read_manifest, write_manifest
from core.audit.run import open_disk_store, run_audit
from core.audit.spec import AuditModel, AuditSpec
from core.behaviours.load import SAMPLE_DATA
from core.cli.app import main
from core.errors import SpecError, TailscopeError
from core.executors.base import Executor
from core.executors.serial import SerialExecutor
from core.executors.worker import DrawRows, WorkItem
from core.queries import read_query_file
from core.tasks.progress import result_of
from tests.audit.audits import assert_same_table, query_file, read_table


@dataclass(frozen=True)
class Planned:
    """An audit that is about to run, or to be resumed."""

    spec: AuditSpec
    queries: Path
    out: Path
    cache: Path
    resume: bool = True
    executor: Callable[[], Executor] = SerialExecutor
    size_limit: int | None = None

    def run(self) -> AuditReport:
        """Runs it to its end."""
        store = open_disk_store(self.cache)
        if self.size_limit is not None:
            store.close()
            store = Store(self.cache, size_limit=self.size_limit)
        queries = read_query_file(self.queries).queries
        with closing(store):
            return result_of(
                run_audit(self.spec, queries, self.out, store, self.executor, resume=self.resume)
            )

    def but(self, **settings: Any) -> Planned:
        """Returns it with other settings of its spec."""
        return replace(self, spec=AuditSpec.build(**self.spec.model_dump() | settings))


def planned(folder: Path, queries: int = 2, **settings: Any) -> Planned:
    """Returns a small audit of a model of its own."""
    model = folder / "model"
    if not model.exists():
        shutil.copytree(SAMPLE_DATA / "models" / "aster", model)
    spec = AuditSpec.build(
        **{"method": "mc", "samples": 50, "models": (AuditModel(name=str(model)),)} | settings
    )
    return Planned(spec, query_file(folder, queries), folder / "out", folder / "cache")


def test_it_goes_on_only_if_asked_to(tmp_path: Path) -> None:
    first = planned(tmp_path).run()
    table = read_table(tmp_path / "out")
    assert first.drawn == 2 * 51
    with pytest.raises(SpecError, match="holds an audit already; add --resume"):
        replace(planned(tmp_path), resume=False).run()
    again = planned(tmp_path).run()
    assert (again.drawn, again.stored) == (0, 2 * 51)
    assert_same_table(read_table(tmp_path / "out"), table)
    noted = read_manifest(tmp_path / "out")
    assert noted is not None
    assert noted["status"] == "finished"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"samples": 60}, "samples: was 50, is 60"),
        ({"seed": 1}, "seed: was 0, is 1"),
        ({"method": "mis"}, "method: was 'mc', is 'mis'"),
        ({"threshold": 0.5}, "threshold: was 0.75, is 0.5"),
        ({"generation": {"temperature": 0.5}}, "generation.temperature: was 1.0, is 0.5"),
        ({"precision": 0.5}, "precision: was None, is 0.5"),
        ({"models": (AuditModel(name="briar"),)}, "models: was "),
    ],
)
def test_another_spec_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    given = planned(tmp_path)
    begin(given)
    with pytest.raises(SpecError, match="holds another audit") as told:
        given.but(**changes).run()
    assert said in str(told.value)


def test_other_queries_are_refused(tmp_path: Path) -> None:
    begin(planned(tmp_path))
    with pytest.raises(SpecError, match="queries: were 2 with another content or order, are 3"):
        planned(tmp_path, 3).run()


def begin(given: Planned) -> None:
    """Makes the folder of an audit that has just begun."""
    queries = read_query_file(given.queries).queries
    write_manifest(given.out, manifest(given.spec, queries, {}, status="running", rows=0))


def test_another_model_under_the_same_name_is_refused_for_good(tmp_path: Path) -> None:
    given = planned(tmp_path)
    given.run()
    model = Path(given.spec.models[0].name)
    kept = tmp_path / "kept"
    model.rename(kept)
    shutil.copytree(SAMPLE_DATA / "models" / "briar", model)
    for _ in range(2):
        with pytest.raises(SpecError, match=r"is not asked as this audit began: its fingerprint"):
            given.run()
    shutil.rmtree(model)
    kept.rename(model)
    assert given.run().drawn == 0


def test_another_judge_in_the_same_file_is_refused(tmp_path: Path) -> None:
    judge = tmp_path / "judge.json"
    shipped = json.loads((SAMPLE_DATA / "judges" / "misuse.json").read_text())
    judge.write_text(json.dumps(shipped))
    given = planned(tmp_path, judge=str(judge))
    given.run()
    shipped["rules"][0]["required"] = ["something else"]
    judge.write_text(json.dumps(shipped))
    with pytest.raises(SpecError, match="is not asked as this audit began: its judge was"):
        given.run()


def test_a_cache_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TailscopeError, match="an audit needs a store on disk"):
        replace(planned(tmp_path), cache=tmp_path / "file").run()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--executor=slurm"], "executor must be one of local, ray, got 'slurm'"),
        (["--workers=0"], "workers must be in 1..1,024, got 0"),
        (["--address=a:1"], "address needs the executor ray, got 'a:1' with local"),
    ],
)
def test_bad_options_are_one_sentence(
    tmp_path: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["audit", f"--out={tmp_path / 'out'}", f"--cache={tmp_path / 'cache'}", *options])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"tailscope: {said}\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.study
def test_a_store_that_fills_up_stops_it_and_room_lets_it_go_on(tmp_path: Path) -> None:
    given = planned(tmp_path, 3, samples=500, method="is")
    limit = 500_000
    refusals = []
    while len(refusals) < 20:
        try:
            replace(given, size_limit=limit).run()
        except TailscopeError as error:
            refusals.append((str(error), read_manifest(given.out)))
            limit += 500_000
        else:
            break
    assert 1 <= len(refusals) < 20
    for said, noted in refusals:
        assert "the audit stops here" in said
        assert "has reached its limit" in said
        assert noted is not None
        assert noted["status"] == "stopped"
    fresh = replace(given, out=tmp_path / "out2", cache=tmp_path / "cache2")
    fresh.run()
    assert_same_table(read_table(given.out), read_table(fresh.out))


def test_an_interrupt_leaves_what_was_found(tmp_path: Path) -> None:
    given = planned(tmp_path, 4)

    class Interrupted(SerialExecutor):
        count = 0

        def submit(self, name: str, task: WorkItem) -> None:
            Interrupted.count += isinstance(task, DrawRows)
            if Interrupted.count == 6:
                raise KeyboardInterrupt
            super().submit(name, task)

    with pytest.raises(KeyboardInterrupt):
        replace(given, executor=Interrupted).run()
    noted = read_manifest(given.out)
    assert noted is not None
    assert noted["status"] == "stopped"
    with Store(tmp_path / "cache") as store:
        assert store.json_keys("alive/") == []
    report = given.run()
    assert report.drawn + report.stored == 4 * 51
    assert report.stored > 0
