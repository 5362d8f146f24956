"""The report of a tail: its numbers are those of `tails --json`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.cli.app import main
from core.cli.command_line import TailsCommand
from core.reports.pictures import svg
from core.reports.tail import tail_document
from core.tails.reading import read_csv
from core.tails.report import forecast_report
from core.tails.spec import TailSpec
from core.tails.words import headline
from tests.reports.made import HOSTILE, Read, at

QUICK = TailSpec(fit="gumbel", bootstraps=50)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A table of 90 estimates, the names of some hostile."""
    path = tmp_path / "risks.json"
    rows = [
        {
            "query": f"{n} {HOSTILE[n % 6]}",
            "estimate": 10 ** (-6 + n / 30),
            "standard_error": 10 ** (-6.5 + n / 30),
        }
        for n in range(90)
    ]
    path.write_text(json.dumps(rows), "utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("fit", ["pot", pytest.param("gev", marks=pytest.mark.study)])
def test_every_number_is_that_of_the_json(
    fit: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.html"
    horizons = ("--horizon", "100", "--horizon", "1e5")
    with pytest.raises(SystemExit) as stop:
        main(
            ["tails", "--input", str(file), *horizons, "--fit", fit, "--json", "--report", str(out)]
        )
    assert not stop.value.code
    told = json.loads(capsys.readouterr().out)
    read = Read(out.read_text("utf-8"))
    assert read.json == told
    assert len(read.numbers) > 20
    for field, value, _ in read.numbers:
        known = at(told, field)
        assert value == ("" if known is None else str(known)), field
    assert {"script", "svg"}.isdisjoint({tag for tag, _ in read.tags})
    assert f"--input={file.name}" in read.text
    assert str(file.parent) not in read.text


def test_the_first_screen_says_what_the_page_says(file: Path) -> None:
    found = forecast_report(read_csv(file, None), QUICK, [100])
    made = tail_document(found, TailsCommand(QUICK, ("input=x",), 100, found.taus))
    assert (*made.headline, *made.interval) == headline(found.forecast, 0.95)
    assert {one.name for one in made.pictures()} == {"worst-of-n", "survival"}
    assert all(svg(one.chart) for one in made.pictures())


def test_too_far_is_no_number(file: Path) -> None:
    found = forecast_report(read_csv(file, None), QUICK, [10**9])
    made = tail_document(found, TailsCommand(QUICK, ("input=x",), 10**9, found.taus))
    assert made.headline == ("No forecast so far",)
