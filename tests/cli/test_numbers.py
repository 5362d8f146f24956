"""Numbers on the command line: NaN and infinities are refused by every option that takes a number."""

from __future__ import annotations

import math

import pytest
import typer

from core.cli.app import app, main
from core.cli.options import numbers, whole_number
from core.errors import SpecError
from core.judges.budget import check_cost
from core.judges.rules import load_rule_judge

NEEDED = {
    "estimate": ["--query=q"],
    "audit": ["--out=none"],
    "bound": ["--query=q"],
    "sensitivity": ["--query=q"],
    "tails": ["--horizon=100"],
}


def number_options() -> list[tuple[str, str]]:
    """Returns command and option for each option that the parser reads as a number with a point."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return [
        (name, option.opts[0])
        for name, command in commands.items()
        for option in command.params
        if option.type_descriptor.annotation in (float, list[float])
    ]


def test_there_are_such_options() -> None:
    assert {("estimate", "--max-cost"), ("tails", "--tau")} <= set(number_options())
    assert len(number_options()) > 15


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(("command", "option"), number_options())
def test_what_is_no_number_is_refused(
    command: str, option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, *NEEDED.get(command, []), f"{option}={value}"])
    assert ended.value.code == 2
    told = capsys.readouterr()
    said = f"{option} must be a finite number, got {float(value)}"
    assert (told.err.strip(), told.out) == (f"tailscope: {said}", "")


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "1,5", "1,50", "1.5", "true", ""])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="samples must be a whole number"):
        whole_number("samples", text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,000", 1000), ("1e4", 10_000), ("12,345,678", 12_345_678), ("1_000", 1000)],
)
def test_whole_numbers_as_people_write_them(text: str, number: int) -> None:
    assert whole_number("samples", text) == number


def test_a_list_of_numbers_holds_finite_ones() -> None:
    with pytest.raises(SpecError, match=r"strengths must be finite numbers .* got '0.5,nan'"):
        numbers("strengths", "0.5,nan")


@pytest.mark.parametrize("limit", [math.nan, math.inf, -1.0])
def test_a_limit_of_the_cost_is_a_number(limit: float) -> None:
    with pytest.raises(SpecError, match="max_cost must be a finite number, 0 or more"):
        check_cost(load_rule_judge("misuse"), ["q"], 1, 40, limit, print)
