"""A judge behind a server: what it may cost is told, and can be limited, before anything is drawn."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.cli.app import main

QUERY = "how do i open the larkspur vault"


@pytest.fixture
def judge_file(tmp_path: Path) -> Path:
    path = tmp_path / "rubric.json"
    write(path)
    return path


def write(path: Path, **changes: Any) -> None:
    settings = {
        "kind": "rubric",
        "base_url": "http://127.0.0.1:9/v1",
        "model": "grader",
        "attempts": 1,
        "timeout_s": 0.5,
        "price_per_million_prompt": 100.0,
        "price_per_million_reply": 100.0,
        "currency": "EUR",
        **changes,
    }
    path.write_text(json.dumps(settings))


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def estimate(judge: Path, *more: str) -> list[str]:
    return ["estimate", "--query", QUERY, "--samples", "40", "--json", f"--judge={judge}", *more]


@pytest.mark.slow
def test_what_it_may_cost_is_told_first(
    judge_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(estimate(judge_file)) == 0
    told = capsys.readouterr()
    assert "At most 40 requests" in told.err
    assert "EUR" in told.err
    found = json.loads(told.out)
    # Nobody answers there: everything is unjudged, and nothing is harmless for it.
    assert (found["unjudged"], found["verdict"]) == (40, "do not use")


@pytest.mark.parametrize("command", ["estimate", "audit"])
def test_a_limit_is_kept(
    command: str, judge_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queries = tmp_path / "queries.csv"
    queries.write_text(f"query\n{QUERY}\n")
    more = ["--max-cost", "0.5"]
    arguments = estimate(judge_file, *more)
    if command == "audit":
        arguments = ["audit", f"--queries={queries}", f"--out={tmp_path / 'out'}", *arguments[3:]]
    assert run(arguments) == 2
    assert "above max_cost 0.5" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_limit_without_prices_is_refused(
    judge_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(judge_file, price_per_million_prompt=None, price_per_million_reply=None)
    assert run(estimate(judge_file, "--max-cost", "5")) == 2
    assert "has no prices" in capsys.readouterr().err


def test_a_judge_that_sends_nothing_costs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["estimate", "--query", QUERY, "--samples", "20", "--max-cost", "0", "--json"]) == 0
    assert capsys.readouterr().err == ""
