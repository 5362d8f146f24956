"""How long the Runs page waits for its list, with ten million answers in the store.

    python -m benchmarks.catalogue [--shards 40000] [--entries 400]

Makes a store in a temporary folder: shards of 250 rows of few tokens with their scores, shared out among
entries, and one audit of 320 queries and two models. Prints the seconds for the list, for an audit's keys,
for its results table, and for deleting an entry, each the median of five from a store that was just opened.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cache import Shard, Store, spec_hash
from core.audit.results import RESULTS, SCHEMA, read_results
from core.runs.catalogue import Entry, delete, entries, keys_of, remember
from core.sampling.shards import SHARD_ROWS, row_key

REPEATS = 5
TOKENS = 4
AUDIT_KEYS = 640 * 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=int, default=40_000)
    parser.add_argument("--entries", type=int, default=400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        began = time.perf_counter()
        fill(path / "cache", options.shards, options.entries)
        results(path)
        print(f"made in {time.perf_counter() - began:.0f} s")
        with Store(path / "cache") as store:
            rows = len(store.keys("")) // 2 * SHARD_ROWS
            print(
                f"{rows:,} answers, {store.volume() / 1e9:.2f} GB, {len(entries(store)):,} entries"
            )
        print_seconds("list of all entries", path, entries)
        print_seconds("keys of the audit", path, lambda store: keys_of(store, "audit", "a"))
        print(f"{'results table of 640 rows':<28} {timed(lambda: read_results(path)):6.3f} s")
        with Store(path / "cache") as store:
            began = time.perf_counter()
            gone = delete(store, "run", "r0")
            print(
                f"{'deleting a run':<28} {time.perf_counter() - began:6.3f} s, {gone} shards and scores"
            )


def fill(path: Path, shards: int, count: int) -> None:
    """Writes the shards and the entries that use them."""
    generator = np.random.default_rng(0)
    drawn = Shard(
        arrays={
            "tokens": generator.integers(0, 700, (SHARD_ROWS, TOKENS)).astype(np.int32),
            "lengths": np.full(SHARD_ROWS, TOKENS),
            "log_p": generator.normal(size=(SHARD_ROWS, TOKENS)).astype(np.float32),
            "log_q": generator.normal(size=(1, SHARD_ROWS, TOKENS)).astype(np.float32),
            "component": np.zeros(SHARD_ROWS, dtype=np.int64),
        },
        meta={"forward_tokens": 1_000, "seconds": 0.1},
    )
    scores = Shard(arrays={"scores": generator.random(SHARD_ROWS)})
    samples = [spec_hash({"sample": number}) for number in range(max(1, shards // 10))]
    with Store(path) as store:
        for number in range(shards):
            start = number // len(samples) * SHARD_ROWS
            name = row_key(samples[number % len(samples)], start, start + SHARD_ROWS)
            store.put(name, drawn)
            store.put(f"scores/{spec_hash({'judge': 1})}/{name}", scores)
        for number in range(count):
            used = samples[number::count] or samples[:1]
            remember(store, entry("run", f"r{number}"), used)
        remember(store, entry("audit", "a"), [spec_hash({"key": n}) for n in range(AUDIT_KEYS)])


def entry(kind: str, id: str) -> Entry:
    """Returns an entry with a spec as long as a real one's."""
    spec = {f"field {number}": "x" * 40 for number in range(30)}
    return Entry(
        kind=kind, id=id, saved="2026-01-01T00:00:00+00:00", title="a query " * 8, spec=spec, rows=25_000
    )  # fmt: skip


def results(folder: Path) -> None:
    """Writes a results table of 320 queries and two models."""
    blank = pd.DataFrame({"query": [f"query {number}" for number in range(640)]})
    table = pa.Table.from_pandas(blank.reindex(columns=SCHEMA.names), schema=SCHEMA)
    pq.write_table(table, folder / RESULTS)


def print_seconds(what: str, path: Path, ask: Callable[[Store], object]) -> None:
    """Prints how long a question to a store that was just opened takes."""

    def once() -> None:
        with Store(path / "cache") as store:
            ask(store)

    print(f"{what:<28} {timed(once):6.3f} s, opening included")


def timed(work: Callable[[], object]) -> float:
    """Returns the median seconds of a few repeats."""
    found = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


if __name__ == "__main__":
    main()
