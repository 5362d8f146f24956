"""What commands print: the report on standard output, notes and progress on standard error."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from core.tasks.progress import Progress, duration

# How often a line tells of progress where standard error is no terminal, as in a log file.
LINE_EVERY = 10.0  # seconds

Show = Callable[[Progress[Any]], None]


def print_report(report: dict[str, Any] | str) -> None:
    """Prints a report, JSON as one object."""
    print(report if isinstance(report, str) else json.dumps(report, allow_nan=False))


def note(text: str) -> None:
    """Prints a note on standard error."""
    print(f"tailscope: {text}", file=sys.stderr)


@contextmanager
def progress(quiet: bool) -> Iterator[Show]:
    """Gives what shows progress: a bar on a terminal, else a line at intervals; nothing if quiet."""
    if quiet:
        yield lambda at: None
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _bar(bars)
    else:
        yield _lines()


def details(at: Progress[Any]) -> str:
    """Returns rate and time left, '43 answers a second, 17 s left'; empty before there is a pace."""
    if at.seconds_left is None or not at.seconds:
        return ""
    rate = (at.done - at.stored) / at.seconds
    pace = (
        f"{rate:,.3g} {at.unit} a second" if rate >= 1 else f"{60 * rate:,.3g} {at.unit} a minute"
    )
    return f"{pace}, {duration(at.seconds_left)} left"


def _bars() -> Bars:
    return Bars(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[details]}"),
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
        transient=True,
    )


def _bar(bars: Bars) -> Show:
    task = bars.add_task("starting", total=None, details="")

    def show(at: Progress[Any]) -> None:
        bars.update(
            task,
            # Work that does not name what it does at the moment still does what it named last.
            description=at.message or bars.tasks[0].description,
            completed=at.done,
            total=at.total or None,
            details=details(at),
        )

    return show


def _lines() -> Show:
    last = time.monotonic()

    def show(at: Progress[Any]) -> None:
        nonlocal last
        if time.monotonic() - last < LINE_EVERY:
            return
        last = time.monotonic()
        count = f"{at.done:,.0f} of {at.total:,.0f} {at.unit}" if at.total else ""
        note(", ".join(part for part in (at.message, count, details(at)) if part))

    return show
