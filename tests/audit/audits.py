"""What the tests of audits share: small audits, executors that misbehave, judges made to measure."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cache import MemoryStore
from core.audit.driver import Audit
from core.audit.leases import Leases
from core.audit.results import RESULTS, TIMES, in_table_order, table
from core.audit.rows import AuditRow
from core.audit.spec import AuditModel, AuditSpec
from core.behaviours.load import load_queries
from core.executors.base import Done, Executor
from core.executors.serial import SerialExecutor
from core.executors.worker import Outcome, WorkItem
from core.judges.base import Judgement
from core.queries.query import Query
from core.sampling.shards import AnyStore

ROOT = Path(__file__).parents[2]
QUERIES = load_queries("misuse")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def some_queries(count: int) -> list[Query]:
    """Returns queries of different groups."""
    return list(QUERIES[:: len(QUERIES) // count][:count])


def small_spec(**settings: Any) -> AuditSpec:
    """Returns the spec of a small audit of aster."""
    models = settings.pop("models", ("aster",))
    return AuditSpec.build(
        **({"samples": 300} | settings), models=tuple(AuditModel(name=name) for name in models)
    )


@dataclass
class Ran:
    """What an audit in this process came to. table: without its times."""

    table: pa.Table
    rows: list[AuditRow]
    drawn: int
    stored: int
    audit: Audit

    @property
    def by_query(self) -> dict[str, AuditRow]:
        return {row.query.query_id: row for row in self.rows}


def run_audit(
    spec: AuditSpec,
    queries: Sequence[Query],
    executor: Executor,
    store: AnyStore | None = None,
    *,
    leases: Callable[[AnyStore], Leases] = Leases,
    expected: dict[str, dict[str, Any]] | None = None,
) -> Ran:
    """Runs an audit to its end."""
    store = store if store is not None else MemoryStore()
    rows: list[AuditRow] = []
    drawn = stored = 0
    with leases(store) as mine:
        audit = Audit(spec, queries, executor, store, mine)
        for event in audit.run(expected):
            rows += event.partial.rows
            drawn, stored = event.partial.drawn, event.partial.stored
    ordered = in_table_order(rows, spec, queries)
    return Ran(without_times(table(ordered)), ordered, drawn, stored, audit)


def without_times(found: pa.Table) -> pa.Table:
    """Returns a table without what differs from run to run."""
    return found.drop_columns(list(TIMES))


def read_table(folder: Path) -> pa.Table:
    """Returns the results of an audit's folder without their times."""
    return without_times(pq.read_table(folder / RESULTS))


def assert_same_table(one: pa.Table, other: pa.Table) -> None:
    """Bit for bit; names the columns that differ."""
    if one.equals(other):
        return
    first, second = one.to_pandas(), other.to_pandas()
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    raise AssertionError("the tables differ in their types")


@dataclass
class Scrambled:
    """An executor that answers in any order, some of it twice, and sometimes not at once."""

    seed: int
    workers: int = 3
    inner: SerialExecutor = field(default_factory=SerialExecutor)
    fails: Callable[[WorkItem], str] = lambda task: ""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._waiting: list[tuple[str, WorkItem]] = []
        self._said: list[Done] = []

    shares_disk = True
    shares = ()

    def submit(self, name: str, task: WorkItem) -> None:
        assert name not in [waiting for waiting, _ in self._waiting], "handed over twice"
        self._waiting.append((name, task))

    def collect(self, timeout: float) -> Sequence[Done]:
        found = []
        while self._waiting and self._random.random() < 0.6:
            number = self._random.randrange(len(self._waiting))
            name, task = self._waiting.pop(number)
            error = self.fails(task)
            if error:
                found.append(Done(name, error=error))
                continue
            self.inner.submit(name, task)
            while not (done := self.inner.collect(timeout)):
                pass
            found += done
        if self._said and self._random.random() < 0.5:
            found.append(self._random.choice(self._said))
        self._said += found
        self._random.shuffle(found)
        return found

    def everywhere(self, task: WorkItem) -> Sequence[Outcome]:
        return self.inner.everywhere(task)

    def close(self) -> None:
        self._waiting.clear()


@dataclass
class MadeJudge:
    """A judge that scores by a function of the answer; None where it does not know. calls: answers judged."""

    name: str
    score: Callable[[str], float | None]
    calls: int = 0

    def judge(self, query: str, answers: Sequence[str]) -> list[Judgement]:
        self.calls += len(answers)
        return [Judgement(score=self.score(answer), reason="") for answer in answers]

    def spec(self) -> dict[str, Any]:
        return {"kind": "made", "name": self.name}


def query_file(folder: Path, count: int) -> Path:
    """Returns a file of queries."""
    path = folder / f"queries-{count}.jsonl"
    lines = [json.dumps({"query": query.text}) + "\n" for query in some_queries(count)]
    path.write_text("".join(lines))
    return path


def audit_command(out: Path, cache: Path, *more: str) -> list[str]:
    """Returns the command line of an audit that prints JSON."""
    return [
        sys.executable, "-m", "core", "audit", "--out", str(out), "--cache", str(cache), "--json", *more,
    ]  # fmt: skip


def start(command: Sequence[str], **more: Any) -> subprocess.Popen[str]:
    """Starts a command in a session of its own, on one thread."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | ONE_THREAD | more.pop("env", {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A worker of pytest-xdist ignores interrupts, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        **more,
    )


def ended(process: subprocess.Popen[str], timeout: float = 300.0) -> dict[str, Any]:
    """Returns what a command has printed, which must be JSON and nothing else."""
    printed, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(printed)
    return found
