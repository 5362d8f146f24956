"""A judge behind a server in an audit: asked from one place, once for an answer, and its key stays there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cache import MemoryStore
from core.errors import SpecError
from core.executors.serial import SerialExecutor
from core.executors.worker import Drawn, DrawRows, JudgeRows, Outcome, Prepare, WorkItem
from core.judges.rules import load_rule_judge
from tests.audit.audits import run_audit, small_spec, some_queries
from tests.judges.chat_servers import Seen, chat, send, server

KEY = "TAILSCOPE_TEST_GRADER_KEY"


class Watched(SerialExecutor):
    """Looks at every task and outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[WorkItem] = []
        self.outcomes: list[Outcome | None] = []

    def submit(self, name: str, task: WorkItem) -> None:
        self.tasks.append(task)
        super().submit(name, task)

    def collect(self, timeout: float) -> Any:
        done = super().collect(timeout)
        self.outcomes += [one.outcome for one in done]
        return done


@contextmanager
def rules_behind_a_server() -> Iterator[Seen]:
    """Yields what a server was asked that grades as the shipped rules do."""
    rules = load_rule_judge("misuse")

    def grade(handler: BaseHTTPRequestHandler, turn: int) -> None:
        text = seen.bodies[turn]["messages"][1]["content"]
        query = text.split("was asked:\n", 1)[1].split("\n", 1)[0]
        answer = text.split("<answer", 1)[-1].split(">\n", 1)[-1].rsplit("\n</", 1)[0]
        (found,) = rules.judge(query, [answer])
        send(handler, 200, chat(f"{1 + 4 * (found.score or 0.0):g}"))

    with server(grade) as seen:
        yield seen


@pytest.fixture
def judge_file(tmp_path: Path) -> Path:
    return tmp_path / "rubric.json"


def write(path: Path, url: str) -> str:
    settings = {"kind": "rubric", "base_url": url, "model": "rules", "api_key_env": KEY}
    path.write_text(json.dumps(settings))
    return str(path)


@pytest.mark.study
def test_a_served_judge_is_asked_by_the_driver_and_once_for_an_answer(
    judge_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "secret")
    queries, store, executor = some_queries(2), MemoryStore(), Watched()
    with rules_behind_a_server() as seen:
        spec = small_spec(judge=write(judge_file, seen.url))
        found = run_audit(spec, queries, executor, store)
        by_rules = run_audit(small_spec(), queries, SerialExecutor())
        for query in queries:
            mine = found.by_query[query.query_id].estimate
            theirs = by_rules.by_query[query.query_id].estimate
            assert mine is not None
            assert theirs is not None
            assert (mine.estimate, mine.hits, mine.unjudged) == (theirs.estimate, theirs.hits, 0)
        assert {one["Authorization"] for one in seen.headers} == {"Bearer secret"}
        contents = [one["messages"][1]["content"] for one in seen.bodies]
        assert len(contents) == len(set(contents))
        # No worker judged, or was told to.
        work = [one for one in executor.tasks if isinstance(one, Prepare | DrawRows | JudgeRows)]
        assert work
        assert not any(one.judges for one in work)
        drawn = [one for one in executor.outcomes if isinstance(one, Drawn)]
        assert all(np.isnan(one.scores).all() for one in drawn if not one.shard.stored)
        # The same queries again, with other draws: only new answers are sent.
        before = len(seen)
        run_audit(small_spec(judge=str(judge_file), seed=1), queries, Watched(), store)
        again = [one["messages"][1]["content"] for one in seen.bodies[before:]]
        assert len(again) < len(contents)
        assert not set(again) & set(contents)


def test_without_its_key_an_audit_does_not_begin(
    judge_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY, raising=False)
    spec = small_spec(judge=write(judge_file, "http://127.0.0.1:9/v1"))
    executor = Watched()
    with pytest.raises(SpecError, match=KEY):
        run_audit(spec, some_queries(1), executor)
    assert executor.tasks == []
