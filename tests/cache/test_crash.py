"""A process killed at any moment loses at most the shard it was writing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cache import Store, shard_key
from tests.cache.helpers import LARGE, SMALL, assert_same, make_shard

ROOT = Path(__file__).parents[2]
ROUNDS = 12

# Says which shard it begins and which is saved; every third is small, every fifth written twice.
WRITER = """
import sys
from cache import Store, shard_key
from tests.cache.helpers import LARGE, SMALL, make_shard
folder, first = sys.argv[1], int(sys.argv[2])
store = Store(folder)
print("open", flush=True)
for index in range(first, first + 100_000):
    shard = make_shard(index, LARGE if index % 3 else SMALL)
    print("begin", index, flush=True)
    store.put(shard_key({}, index), shard)
    print("saved", index, flush=True)
    if index % 5 == 0:
        store.put(shard_key({}, index), shard)
"""


@pytest.mark.slow
def test_kill_at_random_moments(folder: Path) -> None:
    chance = random.Random(20)
    saved: set[int] = set()
    begun: set[int] = set()
    for round_number in range(ROUNDS):
        first = round_number * 100_000
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(first)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        time.sleep(chance.uniform(0.0, 0.15))
        writer.send_signal(signal.SIGKILL)
        with writer.stdout:
            lines = writer.stdout.read().splitlines()
        said = [line.split() for line in lines if line.count(" ") == 1]
        assert writer.wait(timeout=30) == -signal.SIGKILL
        # The last line may have been cut in the middle of its number.
        begun |= {int(number) for word, number in said if word == "begin"}
        saved |= {int(number) for word, number in said if word == "saved"} & begun

        with Store(folder) as store:
            found = {int(key.rpartition("/")[2]) for key in store.keys("")}
            assert saved <= found, "a shard that was saved is gone"
            assert len(found - saved) <= round_number + 1, "one shard in flight a kill"
            for index in found if round_number == ROUNDS - 1 else found - set(range(first)):
                rows = LARGE if index % 3 else SMALL
                assert_same(store.get(shard_key({}, index)), make_shard(index, rows))
            assert store.drain_events() == []
    assert len(saved) > 50, "the writers were killed too early to test anything"
