"""Claims: one process at a time is at a piece of work, and those of the dead are free."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cache import MemoryStore, Store, StoreError
from core.audit import leases as module
from core.audit.leases import SILENCE, Leases, Owner
from core.executors.serial import SerialExecutor
from core.queries.query import Query
from core.sampling.shards import AnyStore
from tests.audit.audits import MadeJudge, assert_same_table, run_audit, small_spec, some_queries


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    one: AnyStore = Store(tmp_path / "store") if request.param == "disk" else MemoryStore()
    yield one
    one.close()


def test_a_claim_is_held_until_it_is_released(store: AnyStore) -> None:
    with Leases(store) as mine, Leases(store) as theirs:
        assert mine.take("a")
        assert mine.take("a"), "what is mine I may take again"
        assert not theirs.take("a")
        assert theirs.take("b")
        theirs.release("a")
        assert not theirs.take("a"), "only its owner releases a claim"
        mine.release("a")
        assert theirs.take("a")
        assert not mine.take("a")


def test_leaving_frees_all_and_leaves_no_sign_of_life(store: AnyStore) -> None:
    with Leases(store) as theirs, Leases(store) as mine:
        assert mine.take("a")
        mine.__exit__()
        assert theirs.take("a")
        assert store.json_keys("alive/") == [f"alive/{theirs.owner.token}"]
    assert store.json_keys("alive/") == []


def test_a_release_frees_no_claim_whose_name_begins_alike(store: AnyStore) -> None:
    with Leases(store) as mine, Leases(store) as theirs:
        assert mine.take("scores/x/000-250")
        assert mine.take("scores/x/000-250[:100]")
        mine.release("scores/x/000-250")
        assert theirs.take("scores/x/000-250")
        assert not theirs.take("scores/x/000-250[:100]")


def test_the_claim_of_a_process_that_is_gone_is_free_at_once(store: AnyStore) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive = (Leases(store, Owner(pid=pid)) for pid in (gone.pid, Owner().pid))
    for one in (dead, alive):
        one._sign()
        assert one.take(f"of {one.owner.pid}")
    with Leases(store) as mine:
        assert mine.take(f"of {gone.pid}")
        assert not mine.take(f"of {Owner().pid}")


def test_an_owner_elsewhere_is_dead_once_it_is_silent(
    store: AnyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Leases(store, Owner(host="elsewhere", pid=1))
    elsewhere._sign()
    assert elsewhere.take("a")
    with Leases(store) as mine:
        assert not mine.take("a")
        now = time.time()
        monkeypatch.setattr(module.time, "time", lambda: now + SILENCE - 5)
        assert not mine.take("a"), "it may only be late"
        monkeypatch.setattr(module.time, "time", lambda: now + SILENCE + 5)
        assert mine.take("a")


def test_signs_of_life_are_renewed(store: AnyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWED_EVERY", 0.05)
    with Leases(store) as mine:
        key = f"alive/{mine.owner.token}"
        first = store.get_json(key)
        until = time.monotonic() + 10
        while store.get_json(key) == first and time.monotonic() < until:
            time.sleep(0.02)
        assert store.get_json(key) > first


@pytest.mark.parametrize("claim", [{}, [], "x", {"host": "a", "pid": None, "token": "b"}, 3])
def test_a_claim_that_makes_no_sense_is_free(store: AnyStore, claim: object) -> None:
    store.put_json("claims/a/", claim)
    with Leases(store) as mine:
        assert mine.take("a")


def test_where_nothing_can_be_written_the_work_is_done_here(
    store: AnyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("read_only", Path("/nowhere"), "no")

    for name in ("put_json", "put_json_if", "drop"):
        monkeypatch.setattr(store, name, refuse)
    with Leases(store) as mine:
        assert mine.take("a")
        mine.release("a")


@pytest.mark.slow
def test_what_another_process_does_between_looking_and_claiming_is_not_done_again() -> None:
    """The other one is through with the whole audit when the first claim is asked for."""
    store, executor = MemoryStore(), SerialExecutor()
    spec, queries = small_spec(), some_queries(2)
    other: list[int] = []

    class Late(Leases):
        def take(self, name: str) -> bool:
            if not other and not name.startswith("default/"):
                other.append(0)
                other[0] = run_audit(spec, queries, SerialExecutor(), store).drawn
            return super().take(name)

    ran = run_audit(spec, queries, executor, store, leases=Late)
    assert other == [602]
    assert (ran.drawn, ran.stored) == (0, 602)
    assert_same_table(ran.table, run_audit(spec, queries, executor).table)


def test_what_another_process_judges_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = MadeJudge("counting", lambda answer: float(len(answer) % 2))
    monkeypatch.setattr("core.executors.worker.load_judge", lambda name: judge)
    monkeypatch.setattr("core.audit.driver.served_judge", lambda *_: None)
    store, executor, queries = MemoryStore(), SerialExecutor(), some_queries(2)
    run_audit(small_spec(method="mc"), queries, executor, store)
    spec, other = small_spec(method="mc", judge="counting"), list[int]()

    class Late(Leases):
        def take(self, name: str) -> bool:
            if not other and name.startswith("scores/"):
                other.append(0)
                run_audit(spec, queries, SerialExecutor(), store)
            return super().take(name)

    ran = run_audit(spec, queries, executor, store, leases=Late)
    assert judge.calls == 602
    assert ran.drawn == 0


@pytest.mark.slow
def test_rows_that_another_process_has_in_hand_are_waited_for() -> None:
    """It dies over them, at which they are drawn here; or it ends them, at which they are taken."""
    store, executor, (query,) = MemoryStore(), SerialExecutor(), some_queries(1)
    spec = small_spec(method="mc", samples=250)
    refused: list[str] = []

    class Other(Leases):
        def take(self, name: str) -> bool:
            if name.startswith("default/") or refused.count(name) >= 2:
                return super().take(name)
            refused.append(name)
            return False

    ran = run_audit(spec, [query], executor, store, leases=Other)
    assert len(refused) == 4
    assert ran.drawn == 251
    assert_same_table(ran.table, run_audit(spec, [query], executor).table)


@pytest.mark.slow
def test_every_claim_is_given_back_once_the_rows_are_stored() -> None:
    store, queries = MemoryStore(), [*some_queries(2), Query("long", "vault " * 1_000, "long")]
    held: list[tuple[str, bool]] = []
    taken: list[str] = []

    class Watched(Leases):
        def take(self, name: str) -> bool:
            taken.append(name)
            return super().take(name)

        def release(self, name: str) -> None:
            held.append((name, bool(store.keys(name))))
            super().release(name)

    ran = run_audit(small_spec(), queries, SerialExecutor(), store, leases=Watched)
    assert store.json_keys("claims/") == []
    assert {name for name, _ in held} == set(taken)
    good = [there for name, there in held if not name.startswith("default/")]
    assert good.count(False) == 1, "only the query that is too long has nothing to store"
    assert sum(bool(row.error) for row in ran.rows) == 1
    shards = [name for name in store.keys("") if not name.startswith("scores/")]
    assert set(shards) <= set(taken), "nothing is drawn without a claim"


def test_owners_differ() -> None:
    one = Owner()
    assert one != Owner()
    assert replace(one) == one
