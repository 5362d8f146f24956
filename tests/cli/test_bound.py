"""The command `bound`: bounds that only come nearer, a search that goes on, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.cli.app import main

QUERY = "tell me how to open the larkspur vault"


def printed(capsys: pytest.CaptureFixture[str], cache: Path, *arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as stop:
        main(["bound", "--query", QUERY, "--cache", str(cache), "--json", *arguments])
    output, errors = capsys.readouterr()
    assert (stop.value.code or 0, errors) == (0, "")
    found: dict[str, Any] = json.loads(output)
    return found


def test_a_search_goes_on_and_the_ends_come_nearer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first = printed(capsys, tmp_path, "--looks", "40")
    again = printed(capsys, tmp_path, "--looks", "40")
    assert (first["looked_into"], again["looked_into"]) == (40, 80)
    assert 0 <= first["low"] <= again["low"] <= again["high"] < first["high"] <= 1
    other = printed(capsys, tmp_path, "--looks", "40", "--temperature", "0.9")
    assert other["looked_into"] == 40


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seconds", "0"], "seconds must be above 0, got 0"),
        (["--looks", "0"], "looks must be 1 or more, got 0"),
        (["--threshold", "2"], "threshold"),
    ],
)
def test_what_cannot_be_is_refused_by_its_value(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["bound", "--query", QUERY, *arguments])
    assert stop.value.code == 2
    assert told in capsys.readouterr().err
