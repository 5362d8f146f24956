"""What commands print: the report on standard output, notes and progress on standard error."""

import json
import sys
from collections.abc import Callable
from typing import Any

from core.tasks.progress import Progress


def print_report(report: dict[str, Any] | str) -> None:
    """Prints a report, JSON as one object."""
    print(report if isinstance(report, str) else json.dumps(report, allow_nan=False))


def note(text: str) -> None:
    """Prints a note on standard error."""
    print(f"tailscope: {text}", file=sys.stderr)


def progress(quiet: bool) -> Callable[[Progress[Any]], None] | None:
    """Returns what shows progress on a terminal; None where nothing is to be shown."""
    if quiet:
        return None

    def show(at: Progress[Any]) -> None:
        if sys.stderr.isatty():
            count = f" {at.done:,.0f} of {at.total:,.0f} {at.unit}" if at.total else ""
            print(f"\r{at.message + count:<72}", end="", file=sys.stderr, flush=True)

    return show
