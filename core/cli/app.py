"""Starts the command line.

Bad input ends with exit code 2 and one line on stderr; `--json` prints one object on stdout and nothing
else.
"""

import math
import sys
from itertools import pairwise
from typing import Annotated, Any

import typer

# The command-line parser inside typer; its errors have no public name there.
from typer._click.core import Context
from typer._click.exceptions import ClickException
from typer.core import TyperCommand

import core
from core.cli.audit import audit
from core.cli.bound import bound
from core.cli.console import note
from core.cli.direction import direction
from core.cli.estimate import estimate
from core.cli.models import models
from core.cli.preflight import preflight
from core.cli.report import report
from core.cli.schema import schema
from core.cli.sensitivity import sensitivity
from core.cli.tails import tails
from core.cli.tune import tune
from core.errors import SpecError, TailscopeError

app = typer.Typer(
    help="Tailscope: how often does a language model give a harmful answer?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class FiniteNumbers(TyperCommand):
    """A command whose options take no NaN and no infinity: a limit that is NaN would limit nothing."""

    def invoke(self, ctx: Context) -> Any:
        """Runs the command. Raises: SpecError, naming the option, if one of its numbers is not finite."""
        for name, value in ctx.params.items():
            for one in value if isinstance(value, list | tuple) else (value,):
                if isinstance(one, float) and not math.isfinite(one):
                    option = name.replace("_", "-")
                    raise SpecError(f"--{option} must be a finite number, got {one}")
        return super().invoke(ctx)


for command in (
    estimate,
    bound,
    tune,
    audit,
    sensitivity,
    tails,
    preflight,
    direction,
    report,
    schema,
):
    app.command(cls=FiniteNumbers)(command)


app.add_typer(models, name="models")

INTERRUPTED = 130


def _print_version(wanted: bool) -> None:
    if wanted:
        print(core.__version__)
        raise typer.Exit


@app.callback()
def _tailscope(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Tailscope: how often does a language model give a harmful answer?"""


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; ends the process."""
    try:
        # typer answers Ctrl-C with a code here, and seldom raises.
        code = app(args=arguments, standalone_mode=False)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except ClickException as error:
        _refuse(error.format_message() + _given(error, arguments or sys.argv[1:]))
    except TailscopeError as error:
        _refuse(str(error))
    if code == INTERRUPTED:
        note(
            "interrupted; what was drawn is stored, and the same command goes on from there (audit: with "
            "--resume)"
        )
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> None:
    note(" ".join(message.split()))
    sys.exit(2)


def _given(error: ClickException, arguments: list[str]) -> str:
    """Returns ', got VALUE' for an option whose value the parser refused without repeating it."""
    names = set(getattr(getattr(error, "param", None), "opts", []))
    for name, value in pairwise(arguments):
        if name in names:
            return f", got {value!r}"
    return ""
