"""Ray: a cluster of two nodes on this machine, one of which is killed half way."""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from cache import MemoryStore
from core.audit.driver import Audit
from core.audit.leases import Leases
from core.audit.results import in_table_order, table
from core.errors import TailscopeError
from core.executors.serial import SerialExecutor
from tests.audit.audits import (
    Ran,
    assert_same_table,
    audit_command,
    query_file,
    run_audit,
    small_spec,
    some_queries,
    start,
    without_times,
)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed"
)
SMALL = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head node that runs one worker. A test may add more nodes."""
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.ERROR)
    one = Cluster(initialize_head=True, head_node_args=SMALL)
    yield one
    one.shutdown()


@pytest.fixture(scope="module")
def alone() -> Ran:
    """The same audit in this process."""
    return run_audit(small_spec(), some_queries(6), SerialExecutor())


def ray_executor(workers: int, address: str) -> Any:
    from core.executors.ray_cluster import RayExecutor

    return RayExecutor(workers, address)


@pytest.mark.study
def test_a_node_that_is_killed_half_way_costs_its_shards_in_hand_only(
    cluster: Any, alone: Ran
) -> None:
    other = cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    executor = ray_executor(2, cluster.address)
    assert executor.workers == 2
    store, rows, removed = MemoryStore(), [], False
    spec, queries = alone.audit.spec, alone.audit.queries
    with Leases(store) as leases:
        for event in Audit(spec, queries, executor, store, leases).run():
            rows += event.partial.rows
            if not removed and event.partial.drawn > 700:
                assert len(executor._running) == 2, "both nodes are at work"
                cluster.remove_node(other, allow_graceful=False)
                removed = True
    assert removed
    assert event.partial.drawn == alone.drawn, "nothing is counted twice"
    found = without_times(table(in_table_order(rows, spec, queries)))
    assert_same_table(found, alone.table)
    executor.close()


@pytest.mark.study
def test_an_actor_that_is_killed_is_replaced(cluster: Any, alone: Ran) -> None:
    import ray

    executor = ray_executor(1, cluster.address)
    store, rows, killed = MemoryStore(), [], 0
    spec, queries = alone.audit.spec, alone.audit.queries[:3]
    with Leases(store) as leases:
        for event in Audit(spec, queries, executor, store, leases).run():
            rows += event.partial.rows
            if killed < 2 and event.partial.drawn > 300 * killed and executor._running:
                for _, _, actor in executor._running.values():
                    ray.kill(actor)
                killed += 1
    executor.close()
    assert killed == 2
    found = without_times(table(in_table_order(rows, spec, queries)))
    assert_same_table(found, alone.table.slice(0, 3))


@pytest.mark.slow
def test_more_workers_than_there_are_places_for_are_not_waited_for(cluster: Any) -> None:
    executor = ray_executor(8, cluster.address)
    assert executor.workers == 1
    executor.close()


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_said_quickly() -> None:
    began = time.monotonic()
    with pytest.raises(TailscopeError, match=r"no Ray cluster answers at '127\.0\.0\.1:1'") as told:
        ray_executor(1, "127.0.0.1:1")
    assert time.monotonic() - began < 15
    assert "\n" not in str(told.value)
    for address in ("garbage", "auto"):
        with pytest.raises(TailscopeError, match="no Ray cluster answers"):
            ray_executor(1, address)


@pytest.mark.study
def test_the_command_line_prints_json_alone(tmp_path: Any) -> None:
    command = audit_command(tmp_path / "out", tmp_path / "cache")
    more = ["--queries", str(query_file(tmp_path, 1)), "--samples", "50", "--executor", "ray"]
    process = start([*command, *more, "--workers", "1"])
    printed, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert printed.startswith("{")
    assert printed.count("\n") == 1
    assert errors == ""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 0)
