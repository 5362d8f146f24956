"""Real processes: killed at random moments, interrupted, two at once on the same audit."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from benchmarks.kills import Plan, descendants, killed, orphans, uninterrupted
from tests.audit.audits import (
    assert_same_table,
    audit_command,
    ended,
    query_file,
    read_table,
    start,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.mark.study
@pytest.mark.parametrize(
    ("executor", "kills"),
    [
        ("local", 4),
        pytest.param(
            "ray",
            2,
            marks=pytest.mark.skipif(
                importlib.util.find_spec("ray") is None, reason="Ray is not installed"
            ),
        ),
    ],
)
def test_kills_at_random_moments_change_nothing(executor: str, kills: int, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    plan = Plan(tmp_path, query_file(tmp_path, 4), 500, executor, 2)
    uninterrupted(Plan(tmp_path, plan.queries, 500, "local", 1))
    found = killed(plan, kills, random.Random(seed), ("driver", "worker"))
    assert found.wrong == ()
    assert found.needed == 4 * 501
    assert found.drawn_after_last == found.needed - found.stored_before_last
    assert found.drivers + found.workers >= 1


@pytest.mark.slow
def test_two_at_once_share_the_work(tmp_path: Path) -> None:
    queries = query_file(tmp_path, 4)
    more = ("--queries", str(queries), "--samples", "500", "--workers", "1")
    both = [start(audit_command(tmp_path / n, tmp_path / "cache", *more)) for n in ("a", "b")]
    drawn = [ended(process)["drawn"] for process in both]
    assert sum(drawn) == 4 * 501
    assert min(drawn) > 0
    assert_same_table(read_table(tmp_path / "a"), read_table(tmp_path / "b"))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.study), 2])
def test_ctrl_c_ends_it_all_and_says_little(workers: int, tmp_path: Path) -> None:
    more = ("--samples", "1000", "--workers", str(workers))
    process = start(audit_command(tmp_path / "out", tmp_path / "cache", *more))
    until = time.monotonic() + 120
    while not list((tmp_path / "cache").glob("*/*.val")) and time.monotonic() < until:
        time.sleep(0.1)
    family = descendants(process.pid)
    # As the terminal does, to all of them.
    os.killpg(process.pid, signal.SIGINT)
    try:
        printed, errors = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert printed == ""
    assert "Traceback" not in errors
    assert orphans(family) == []
    assert (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.study
def test_a_disk_that_fills_up_stops_it_with_one_line(tmp_path: Path) -> None:
    """A file system of its own would need root; the size of a file is limited instead."""
    command = audit_command(tmp_path / "out", tmp_path / "cache")
    more = ["--queries", str(query_file(tmp_path, 2)), "--samples", "250", "--workers", "1"]
    limited = (
        "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)); "
        "sys.argv = sys.argv[1:]; runpy.run_module('core', run_name='__main__', alter_sys=True)"
    )
    process = start([sys.executable, "-c", limited, *command[2:], *more])
    printed, errors = process.communicate(timeout=240)
    assert process.returncode == 2, errors
    assert printed == ""
    assert errors.startswith("tailscope: ")
    assert errors.count("\n") == 1
    assert "Traceback" not in errors
    again = ended(start([*command, "--resume", *more]))
    assert again["drawn"] + again["from_store"] == 2 * 251
