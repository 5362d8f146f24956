"""The command line against a store that is killed, damaged, read-only or full: nothing computed is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cache
from core.cli.app import main

QUERY = "tell me how to open the larkspur vault"
ROOT = Path(__file__).parents[2]


def command(folder: Path, samples: int) -> list[str]:
    return [
        "estimate", "--query", QUERY, "--method", "mc", "--samples", str(samples),
        "--cache", str(folder), "--json",
    ]  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], folder: Path, samples: int) -> tuple[int, dict, str]:
    with pytest.raises(SystemExit) as stop:
        main(command(folder, samples))
    captured = capsys.readouterr()
    return int(stop.value.code or 0), json.loads(captured.out), captured.err


def numbers(found: dict) -> dict:
    return {
        key: found[key] for key in ("hits", "estimate", "ci_low", "ci_high", "samples", "verdict")
    }


def shard_keys(folder: Path) -> list[str]:
    with cache.Store(folder) as store:
        return [key for key in store.keys("") if not key.startswith("scores/")]


@pytest.mark.slow
def test_kill_loses_at_most_the_shard_in_flight(capsys, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "core", *command(folder, 100_000)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        # Watched from outside: entries appear as files or rows of the index.
        while time.monotonic() < deadline and len(list(folder.rglob("*"))) < 8:
            time.sleep(0.05)
        time.sleep(1.5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    survived = shard_keys(folder)
    assert len(survived) >= 2
    starts = sorted(int(key.rsplit("/", 1)[1].split("-")[0]) for key in survived)
    assert starts == list(range(0, 250 * len(starts), 250)), "no hole before the shard in flight"

    samples = 250 * len(starts) + 100
    code, resumed, err = run(capsys, folder, samples)
    assert (code, err) == (0, "")
    _, fresh, _ = run(capsys, tmp_path / "fresh", samples)
    assert numbers(resumed) == numbers(fresh)
    assert len(shard_keys(folder)) == len(starts) + 1, "only what was missing is drawn"


def test_a_damaged_entry_is_told_and_drawn_again(capsys, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    _, before, _ = run(capsys, folder, 500)
    values = sorted(path for path in folder.rglob("*.val") if path.stat().st_size > 4096)
    assert values
    content = bytearray(values[0].read_bytes())
    content[len(content) // 2] ^= 0xFF
    values[0].write_bytes(bytes(content))
    code, after, err = run(capsys, folder, 500)
    assert (code, err) == (0, "")
    assert numbers(after) == numbers(before)
    assert after["notices"], "the user is told"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "read_only"])
def test_a_store_that_takes_nothing_costs_no_result(
    kind: str, capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / kind
    _, before, _ = run(capsys, tmp_path / "good", 500)

    def refuse(self, label, sealed):
        raise OSError(28 if kind == "full" else 30, os.strerror(28 if kind == "full" else 30))

    monkeypatch.setattr(cache.Store, "_write", refuse)
    code, after, err = run(capsys, folder, 500)
    assert code == 2
    assert numbers(after) == numbers(before)
    assert err.count("\n") == 1
    assert str(folder) in err
