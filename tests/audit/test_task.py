"""An audit in the background: its folder, its answers read again, stopped and gone on with."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cache import MemoryStore, Store
from core.audit.folder import begin_folder, open_folder
from core.audit.progress import AuditStep
from core.audit.replay import GoneError, row_request, stored_answers
from core.audit.results import MANIFEST, RESULTS, SCHEMA, read_results
from core.audit.spec import AuditModel, AuditSpec, audit_id
from core.audit.task import audit_task
from core.behaviours.load import load_queries
from core.cli.command_line import command_line
from core.errors import SpecError, TailscopeError
from core.executors.serial import SerialExecutor
from core.queries.query import Query
from core.runs.catalogue import find, keys_of
from core.runs.estimate import estimate_shards
from core.tasks import Registry

QUERIES = load_queries("misuse")[:3]


def spec(**more: object) -> AuditSpec:
    return AuditSpec.build(**{"samples": 300, "monte_carlo_samples": 10, **more})


def test_a_folder_gives_back_what_it_was_made_of(tmp_path: Path) -> None:
    odd = (Query("a", 'what\nis, "this"?', ""), Query("b", "plain", "group"))
    made = begin_folder(tmp_path, spec(), odd)
    assert (made.spec, made.queries, made.total, made.finished) == (spec(), odd, 2, False)
    assert made.audit_id == audit_id(spec(), odd)
    assert begin_folder(tmp_path, spec(), odd) == made
    with pytest.raises(SpecError, match="holds another audit"):
        begin_folder(tmp_path, spec(seed=1), odd)


def test_queries_are_found_wherever_they_can_be_had(tmp_path: Path) -> None:
    every = load_queries("sycophancy")
    own = begin_folder(tmp_path, spec(behaviour="sycophancy"), every)
    (tmp_path / "queries.jsonl").unlink()
    assert open_folder(tmp_path).queries == tuple(every)
    other = tmp_path / "other"
    begin_folder(other, spec(), [Query("x", "asked of nobody else", "")])
    (other / "queries.jsonl").write_text('{"query": "another one"}\n')
    found = open_folder(other)
    assert found.queries is None
    with pytest.raises(SpecError, match="queries are not kept here"):
        audit_task(found, SerialExecutor, MemoryStore())
    assert own.queries == tuple(every)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"spec": {}}', '{"spec": {"samples": 0}, "audit": "a"}']
)
def test_a_folder_that_makes_no_sense_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(TailscopeError):
        open_folder(tmp_path)


def test_the_command_line_makes_the_same_audit(tmp_path: Path) -> None:
    asked = spec(models=(AuditModel(name="aster"), AuditModel(name="briar")), precision=0.3)
    words = command_line(begin_folder(tmp_path, asked, QUERIES))
    assert f"--queries={tmp_path / 'queries.jsonl'}" in words
    for part in ("--model=aster --model=briar", "--precision=0.3", "--monte-carlo=10", "--resume"):
        assert part in words


@pytest.mark.slow
def test_an_audit_runs_to_its_end_and_its_answers_give_its_numbers_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    folder = begin_folder(tmp_path / "audit", spec(), QUERIES)
    end = audit_task(folder, SerialExecutor, store).start().wait(120)
    assert end.result is not None
    assert (end.status, end.result.finished, end.result.drawn) == ("done", 3, 3 * 311)
    folder = open_folder(folder.path)
    assert folder.finished
    entry = find(store, "audit", folder.audit_id)
    assert entry is not None
    assert (entry.status, entry.rows) == ("finished", 3 * 311)
    assert {name.split("/")[-2] for name in store.keys("")} == set(
        keys_of(store, "audit", folder.audit_id)
    )
    row = read_results(folder.path).iloc[1]
    request = row_request(folder.spec, row["model"], row["query"], folder.manifest)
    shards = stored_answers(request, folder.manifest, store, planned=300, drawn=300)
    assert estimate_shards(shards, request).estimate == row["estimate"]
    counted = request.model_copy(update={"method": "mc"})
    assert len(stored_answers(counted, folder.manifest, store, planned=10, drawn=10)) == 1
    store.drop(shards[0].drawn.key)
    with pytest.raises(GoneError):
        stored_answers(request, folder.manifest, store, planned=300, drawn=300)

    again = audit_task(folder, SerialExecutor, store).start().wait(120)
    assert again.result is not None
    assert (again.status, again.result.drawn) == ("done", len(shards[0].drawn))


@pytest.mark.slow
def test_one_that_is_cancelled_goes_on_where_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    folder = begin_folder(tmp_path / "audit", spec(), QUERIES)
    works: Registry[AuditStep, AuditStep] = Registry()
    work = works.start("a", lambda: audit_task(folder, SerialExecutor, store))
    assert works.start("a", lambda: pytest.fail("made twice")) is work
    until = time.monotonic() + 60
    while not work.snapshot().progress.partial.rows and time.monotonic() < until:
        time.sleep(0.01)
    work.pause()
    assert work.snapshot().status == "paused"
    work.resume()
    work.cancel()
    first = work.wait(60)
    assert first.status in ("cancelled", "done")
    assert not work.running
    assert len(read_results(folder.path)) == len(first.progress.partial.rows)
    end = works.start("a", lambda: audit_task(folder, SerialExecutor, store)).wait(120)
    assert end.status == "done"
    assert first.progress.partial.drawn + end.progress.partial.drawn == 3 * 311
    assert len(read_results(folder.path)) == 3


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    asked = spec(models=(AuditModel(name=str(tmp_path / "nothing")),))
    folder = begin_folder(tmp_path / "audit", asked, QUERIES)
    end = audit_task(folder, SerialExecutor, MemoryStore()).start().wait(60)
    assert end.status == "failed"
    assert "nothing" in end.error


def test_a_table_that_is_replaced_while_it_is_read_is_one_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches an audit reads its table while it is written."""
    opened: list[Path] = []
    real = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        opened.append(path)
        return real(path)

    table = pa.Table.from_pylist([{"query": "x"}], schema=SCHEMA)
    pq.write_table(table, tmp_path / RESULTS)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert read_results(tmp_path)["query"].tolist() == ["x"]
    assert opened == [tmp_path / RESULTS]
