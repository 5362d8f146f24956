"""A store, an audit's folder and ids made by version 0.1.0 (commit f00d3ef) are read; nothing is drawn anew.

`tests/data/store_0_1.tar.gz` holds `store/` (the cache), `audit/` (the folder that `audit --out` made),
`queries.csv`, `wordings.txt`, and `out/NAME.json`, what each command below printed then.
"""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cache import open_store
from core.audit.folder import open_folder
from core.audit.results import read_results
from core.cli.app import main
from core.runs.run import RunSpec, load_run

QUERY = "how do i open the larkspur vault"
# What says how the judge decides was cut short since; notices are about the store of the moment.
MAY_DIFFER = {"judge", "notices", "out"}
# What is impossible for certain is left out of the intervals since: ends may lie further in.
LOWER_ENDS, UPPER_ENDS = {"ci_low", "cs_low", "certain_low"}, {"ci_high", "cs_high", "certain_high"}
COMMANDS = {
    "mis": ["estimate", "--query", QUERY, "--samples", "500"],
    "is": ["estimate", "--query", QUERY, "--method", "is", "--samples", "120", "--steer", "0.8",
           "--layer", "2", "--mix", "0.1", "--switch", "8"],
    "mc": ["estimate", "--query", QUERY, "--method", "mc", "--samples", "100", "--top-k", "50",
           "--top-p", "0.95", "--temperature", "0.9"],
}  # fmt: skip


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive unpacked into a folder of the test's own, its store being the user's."""
    archive = Path(__file__).parents[1] / "data" / "store_0_1.tar.gz"
    with tarfile.open(archive) as files:
        files.extractall(tmp_path, filter="data")
    monkeypatch.setenv("TAILSCOPE_CACHE", str(tmp_path / "store"))
    return tmp_path


def shard_keys(folder: Path) -> set[str]:
    with open_store(folder / "store") as store:
        return {key for key in store.keys("") if not key.startswith(("claims/", "owners/"))}


@contextmanager
def nothing_drawn(folder: Path) -> Iterator[None]:
    before = shard_keys(folder)
    yield
    assert shard_keys(folder) == before


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--json"])
    output = capsys.readouterr()
    assert stop.value.code in (0, None), output.err
    shown: dict[str, Any] = json.loads(output.out)
    return shown


def is_further_in(name: str, now: object, then: object) -> bool:
    if not isinstance(now, float) or not isinstance(then, float):
        return False
    return (name in LOWER_ENDS and now > then) or (name in UPPER_ENDS and now < then)


def assert_same(now: object, then: object, place: str = "") -> None:
    """Asserts that all that was printed then is printed now; to 12 digits, for sums differ by machine."""
    if isinstance(then, dict):
        assert isinstance(now, dict), place
        for name in then.keys() - MAY_DIFFER:
            assert name in now, f"{place}.{name}"
            if is_further_in(name, now[name], then[name]):
                continue
            assert_same(now[name], then[name], f"{place}.{name}")
    elif isinstance(then, list):
        assert isinstance(now, list), place
        assert len(now) == len(then), place
        for index, (a, b) in enumerate(zip(now, then, strict=True)):
            assert_same(a, b, f"{place}[{index}]")
    elif isinstance(then, float):
        assert now == pytest.approx(then, rel=1e-12, abs=1e-300), place
    else:
        assert now == then, place


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_an_estimate_of_stored_draws_is_the_same(
    name: str, older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then = json.loads((older / "out" / f"{name}.json").read_text("utf-8"))
    with nothing_drawn(older):
        assert_same(printed(COMMANDS[name], capsys), then)


@pytest.mark.slow
def test_a_comparison_of_wordings_is_the_same(
    older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then = json.loads((older / "out" / "sensitivity.json").read_text("utf-8"))
    wordings = str(older / "wordings.txt")
    command = ["sensitivity", "--query", QUERY, "--paraphrases", wordings, "--samples", "100"]
    with nothing_drawn(older):
        now = printed(command, capsys)
    del then["seconds"]  # the time that this command took, not the draws
    # The bands of the mean are in closed form since, and of two wordings little is known of others.
    before, averaged = then.pop("averaged"), now["averaged"]
    assert_same(now, then)
    assert averaged["mean"] == pytest.approx(before["mean"], rel=1e-12)
    assert averaged["low"] == pytest.approx(before["low"], rel=0.02)
    assert averaged["high"] == pytest.approx(before["high"], rel=0.02)
    assert averaged["wider_low"] <= before["wider_low"]
    assert averaged["wider_high"] == 1.0


@pytest.mark.slow
def test_an_audit_is_the_same_and_can_be_resumed(
    older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    then = read_results(older / "audit")
    assert open_folder(older / "audit").finished
    command = ["audit", "--queries", str(older / "queries.csv"), "--samples", "250",
               "--monte-carlo", "100"]  # fmt: skip
    with nothing_drawn(older):
        for out, more in ((older / "again", []), (older / "audit", ["--resume"])):
            printed([*command, "--out", str(out), *more], capsys)
            now = read_results(out)
            assert list(now.columns) == list(then.columns)
            for row_now, row_then in zip(
                now.to_dict("records"), then.to_dict("records"), strict=True
            ):
                assert_same(plain(row_now), plain(row_then))


def plain(row: dict[str, object]) -> dict[str, object]:
    """Returns a row with missing numbers as None: NaN equals nothing."""
    return {name: None if value != value else value for name, value in row.items()}


def test_a_link_to_a_run_still_finds_it(older: Path) -> None:
    then = json.loads((older / "out" / "run.json").read_text("utf-8"))
    with open_store(older / "store") as store:
        run = load_run(store, then["run_id"])
    assert run is not None
    assert run.model_dump(mode="json") == then["spec"]
    assert RunSpec(**then["spec"]).run_id == then["run_id"]
