"""What an audit costs: seconds, CPU, memory over time, and how it grows with the answers asked for.

    python -m benchmarks.audit [--queries 320] [--samples 500] [--workers 2] [--executor local]

Audits the embedded misuse queries with a fresh cache, and samples the memory of the driver and of all that
it has started. Memory is flat if the median of the last third is that of the middle one. With --linear 40
also so many queries at a quarter, a half and all of the samples.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kills import ROOT, descendants
from core.behaviours.load import load_queries

EVERY = 0.5  # seconds between two looks at the memory
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Measured:
    """One audit. driver, workers: resident bytes at each look; the workers' is their sum."""

    printed: dict[str, Any]
    seconds: float
    cpu_seconds: float
    driver: list[int]
    workers: list[int]

    def to_text(self) -> str:
        """Returns a line or two."""
        made = self.printed["drawn"]
        lines = [
            f"{self.printed['rows']} queries, {made:,} answers: {self.seconds:.0f} s in all, "
            f"{self.printed['seconds']:.0f} s without the start; {self.cpu_seconds:.0f} s CPU; "
            f"{made / self.printed['seconds']:,.0f} answers a second",
        ]
        for name, series in (("driver", self.driver), ("workers", self.workers)):
            thirds = [np.median(part) / 2**20 for part in np.array_split(np.array(series), 3)]
            peak = max(series) / 2**20
            lines.append(
                f"  {name}: peak {peak:,.0f} MB; median by thirds "
                + ", ".join(f"{third:,.0f}" for third in thirds)
            )
        return "\n".join(lines)


def measured(queries: int, samples: int, executor: str, workers: int) -> Measured:
    """Runs one audit on a cache of its own."""
    known = load_queries("misuse")
    chosen = known[:: max(1, len(known) // queries)][:queries]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "queries.jsonl"
        file.write_text("".join(json.dumps({"query": query.text}) + "\n" for query in chosen))
        options = {
            "--out": folder / "out",
            "--cache": folder / "cache",
            "--queries": file,
            "--samples": samples,
            "--executor": executor,
            "--workers": workers,
        }
        command = [sys.executable, "-m", "core", "audit", "--json"]
        command += [str(part) for pair in options.items() for part in pair]
        began, cpu = time.perf_counter(), _cpu_of_children()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        driver, others = [], []
        while process.poll() is None:
            driver.append(_resident(process.pid))
            others.append(sum(map(_resident, descendants(process.pid))))
            time.sleep(EVERY)
        assert process.stdout is not None
        printed = json.loads(process.stdout.read())
        return Measured(
            printed,
            time.perf_counter() - began,
            _cpu_of_children() - cpu,
            driver,
            others,
        )


def _cpu_of_children() -> float:
    """Returns the CPU seconds of all ended children, and of theirs that they waited for."""
    times = os.times()
    return times.children_user + times.children_system


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=320)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--linear", type=int, default=0, help="queries of the growth's measurement")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    found = measured(given.queries, given.samples, given.executor, given.workers)
    print(f"load before: {load:.1f}, after: {os.getloadavg()[0]:.1f}", flush=True)
    print(found.to_text(), flush=True)
    for samples in (250, 500, 1_000) if given.linear else ():
        print(f"{samples} samples:", flush=True)
        print(measured(given.linear, samples, given.executor, given.workers).to_text(), flush=True)


if __name__ == "__main__":
    main()
