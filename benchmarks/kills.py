"""Kills audits at random moments, resumes them, and compares with one that nothing happened to.

    python -m benchmarks.kills [--kills 20] [--executor local] [--queries 12] [--samples 1000] [--seed 0]

Each kill is a SIGKILL of the driver, which is then started again, or of one of its worker processes. Most
come when a random number of shards is in the store, some while the driver still starts. At the end the table
must be the same bit for bit, and so must every stored shard, with none beyond those needed; and no process
that a killed driver had started may be left.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cache import Store
from core.audit.results import RESULTS, TIMES
from core.behaviours.load import load_queries

ROOT = Path(__file__).parents[1]
# A killed driver's workers, and its own Ray cluster, are gone after so many seconds.
ORPHANS_END = 60.0
# Agents of Ray's, which may outlive the SIGKILL of a driver with a cluster of its own.
RAYS_OWN = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
# Seconds in which a driver still starts, and the share of kills that come then.
STARTING, STARTING_SHARE = 5.0, 0.2


@dataclass(frozen=True)
class Plan:
    """What is audited, and how. more: further options of the command line."""

    folder: Path
    queries: Path
    samples: int
    executor: str
    workers: int
    more: tuple[str, ...] = ()

    def command(self, name: str) -> list[str]:
        """Returns the command line; `name` tells apart the folders of two audits."""
        given = {
            "--out": self.folder / name / "out",
            "--cache": self.folder / name / "cache",
            "--queries": self.queries,
            "--samples": self.samples,
            "--executor": self.executor,
            "--workers": self.workers,
        }
        options = [str(part) for pair in given.items() for part in pair]
        return [sys.executable, "-m", "core", "audit", "--resume", "--json", *options, *self.more]

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Starts the audit in a session of its own."""
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        where = self.folder / name
        with (where / "printed").open("wb") as printed, (where / "errors").open("wb") as errors:
            return subprocess.Popen(
                self.command(name),
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdout=printed,
                stderr=errors,
                start_new_session=True,
            )

    def printed(self, name: str) -> dict[str, Any]:
        """Returns what the last run printed. Raises: RuntimeError if that is not its JSON alone."""
        text = (self.folder / name / "printed").read_text()
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError:
            errors = (self.folder / name / "errors").read_text()
            raise RuntimeError(f"the audit printed: {text[-2000:]}{errors[-2000:]}") from None
        return found

    def table(self, name: str) -> pa.Table:
        """Returns the results without their times."""
        return pq.read_table(self.folder / name / "out" / RESULTS).drop_columns(list(TIMES))

    def shards(self, name: str) -> list[str]:
        """Returns the keys of the answers stored so far."""
        cache = self.folder / name / "cache"
        if not cache.exists():
            return []
        with Store(cache) as store:
            return [key for key in store.keys("") if not key.startswith("scores/")]

    def rows(self, name: str) -> int:
        """Returns how many answers are stored so far."""
        return sum(stop - start for start, stop in map(_range, self.shards(name)))


@dataclass(frozen=True)
class Outcome:
    """What the kills came to. with_cluster: drivers that Ray ended with their head. wrong: what differs."""

    drivers: int
    workers: int
    while_starting: int
    with_cluster: int
    seconds: float
    needed: int
    drawn_after_last: int
    stored_before_last: int
    wrong: tuple[str, ...]


def uninterrupted(plan: Plan) -> float:
    """Runs the audit to its end; returns the seconds."""
    began = time.perf_counter()
    plan.start("whole").wait()
    plan.printed("whole")
    return time.perf_counter() - began


def killed(plan: Plan, kills: int, chance: random.Random, victims: Sequence[str]) -> Outcome:
    """Runs the audit with so many kills. victims: driver, worker or both."""
    began = time.perf_counter()
    whole = len(plan.shards("whole"))
    # Later kills wait for more shards, so that they are spread over the whole audit.
    marks = sorted(chance.randrange(whole) for _ in range(kills))
    count = {"driver": 0, "worker": 0, "starting": 0, "with its cluster": 0}
    before = plan.rows("killed")
    process = plan.start("killed")
    left_over: list[str] = []
    for mark in marks:
        starting = chance.random() < STARTING_SHARE
        victim = "driver" if starting else chance.choice(victims)
        if starting:
            time.sleep(chance.random() * STARTING)
        else:
            _wait_for(plan, mark, process)
            time.sleep(chance.random() * 0.5)
        if process.poll() == 0:
            break
        if process.poll() is not None:
            count["with its cluster"] += 1
            before = plan.rows("killed")
            process = plan.start("killed")
            continue
        count["starting"] += starting
        if victim == "worker" and (workers := descendants(process.pid)):
            _kill(chance.choice(workers))
            count["worker"] += 1
            continue
        family = descendants(process.pid)
        _kill(process.pid)
        process.wait()
        count["driver"] += 1
        left_over += orphans(family)
        before = plan.rows("killed")
        process = plan.start("killed")
    while process.wait() != 0 and count["with its cluster"] <= kills:
        # Ray ends a driver whose own cluster has lost its head: resumed like any other.
        count["with its cluster"] += 1
        before = plan.rows("killed")
        process = plan.start("killed")
    return Outcome(
        drivers=count["driver"],
        workers=count["worker"],
        while_starting=count["starting"],
        with_cluster=count["with its cluster"],
        seconds=time.perf_counter() - began,
        needed=plan.rows("whole"),
        drawn_after_last=int(plan.printed("killed")["drawn"]),
        stored_before_last=before,
        wrong=(*differences(plan, "whole", "killed"), *left_over),
    )


def differences(plan: Plan, one: str, other: str) -> list[str]:
    """Returns what differs between two audits that should be the same."""
    first, second = plan.table(one), plan.table(other)
    found = [name for name in first.column_names if not first[name].equals(second[name])]
    with Store(plan.folder / one / "cache") as left, Store(plan.folder / other / "cache") as right:
        found += [f"shard {key}" for key in sorted({*left.keys()} ^ {*right.keys()})]
        for key in {*left.keys()} & {*right.keys()}:
            mine, theirs = left.get(key), right.get(key)
            assert mine is not None
            assert theirs is not None
            if not all(
                np.array_equal(mine.arrays[name], theirs.arrays[name], equal_nan=True)
                for name in mine.arrays
            ):
                found.append(f"content of {key}")
    return found


def descendants(pid: int) -> list[int]:
    """Returns the processes that a process has started, and those that they have, of Linux."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def orphans(family: Sequence[int]) -> list[str]:
    """Returns which of these processes do not end by themselves; ends them."""
    until = time.monotonic() + ORPHANS_END

    def ours() -> list[int]:
        return [pid for pid in family if _runs(pid) and not _name(pid).startswith(RAYS_OWN)]

    left = ours()
    while left and time.monotonic() < until:
        time.sleep(0.5)
        left = ours()
    names = [f"process left over: {_name(pid)}" for pid in left]
    for pid in family:
        if _runs(pid):
            _kill(pid)
    return names


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:100]
    return "gone since"


def _wait_for(plan: Plan, shards: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None and len(plan.shards("killed")) < shards:
        time.sleep(0.05)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _range(key: str) -> tuple[int, int]:
    start, stop = key.rsplit("/", 1)[1].split("-")
    return int(start), int(stop)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--queries", type=int, default=12)
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    known = load_queries("misuse")
    with tempfile.TemporaryDirectory() as folder:
        queries = Path(folder) / "queries.jsonl"
        chosen = known[:: len(known) // given.queries][: given.queries]
        queries.write_text("".join(json.dumps({"query": query.text}) + "\n" for query in chosen))
        plan = Plan(Path(folder), queries, given.samples, given.executor, given.workers)
        seconds = uninterrupted(plan)
        print(f"uninterrupted: {seconds:.0f} s, {len(plan.shards('whole'))} shards", flush=True)
        chance = random.Random(given.seed)
        found = killed(plan, given.kills, chance, ("driver", "worker"))
    print(found)
    lost = found.needed - found.stored_before_last - found.drawn_after_last
    print(f"rows lost or double: {lost}; what differs: {list(found.wrong) or 'nothing'}")
    sys.exit(1 if lost or found.wrong else 0)


if __name__ == "__main__":
    main()
