"""How far work is: generators that yield their progress and return a result.

The command line runs through one with `result_of`, the app in the background with `core.tasks.task.Task`.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast

Partial = TypeVar("Partial")
Result = TypeVar("Result")
Other = TypeVar("Other")
Parameters = ParamSpec("Parameters")

# A watcher learns of progress within two seconds, through whatever lies between; loops that turn a thousand
# times a second tell of it no more often than this.
BEAT = 0.25  # seconds


# The default type-checks for any partial result, and is right where a work has none.
_NO_PARTIAL: Any = None

# What long work is at, where several kinds of it follow each other.
LOADING, BUILDING = "loading the model", "building the direction"
MEASURING, DRAWING = "measuring proposals", "drawing"


@dataclass(frozen=True)
class Progress(Generic[Partial]):
    """How far some work is.

    done, total: in `unit`; part of a unit counts; total 0: not known. stored: of those done, how many were
    read from the store, which says nothing of the pace. message: what is being done now. partial: the result
    so far; None, and of type None, where a work has none. seconds: spent on work that counts for the pace,
    None until it is timed. seconds_left: None before there is a pace.
    """

    done: float = 0.0
    total: float = 0.0
    unit: str = ""
    stored: float = 0.0
    message: str = ""
    partial: Partial = _NO_PARTIAL
    seconds: float | None = None
    seconds_left: float | None = None

    @property
    def share(self) -> float:
        """The part that is done, 0..1; 0 where the total is not known."""
        return min(self.done / self.total, 1.0) if self.total > 0 else 0.0

    def with_partial(self, partial: Other) -> "Progress[Other]":
        """Returns the same progress with another partial result."""
        return replace(cast("Progress[Other]", self), partial=partial)


Steps = Generator[Progress[Partial], None, Result]


class Pace:
    """Computes the seconds that work takes a unit and those it still takes; all times left come from here.

    least: units before which there is no pace, where the first ones also wait for workers to begin; but
    patience: seconds of work after which there is one all the same.
    """

    def __init__(self, least: float = 0.0, patience: float = 10.0) -> None:
        self._least, self._patience = least, patience
        self._seconds, self._units, self._unit = 0.0, 0.0, ""

    @property
    def seconds_per_unit(self) -> float | None:
        """None before there is a pace."""
        if self._units <= 0:
            return None
        if self._units < self._least and self._seconds < self._patience:
            return None
        return self._seconds / self._units

    def timed(self, progress: Progress[Partial], seconds: float) -> Progress[Partial]:
        """Returns the progress with its times, `seconds` of work after the one before.

        Work in another unit has another pace.
        """
        if progress.unit != self._unit:
            self._seconds, self._unit = 0.0, progress.unit
        self._units = progress.done - progress.stored
        # Loading models and reading the store say nothing of the pace.
        if self._units > 0:
            self._seconds += seconds
        pace = self.seconds_per_unit
        left = None if pace is None else pace * max(progress.total - progress.done, 0.0)
        return replace(progress, seconds=self._seconds, seconds_left=left)


def timed(steps: Steps[Partial, Result], pace: Pace | None = None) -> Steps[Partial, Result]:
    """Yields the progress with its times, and returns the result. Progress that is timed stays as it is.

    Time that passes while nobody asks for the next step, as in a pause, does not count.
    """
    pace = pace or Pace()
    with closing(steps):
        while True:
            began = time.perf_counter()
            try:
                progress = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            if progress.seconds is None:
                progress = pace.timed(progress, time.perf_counter() - began)
            yield progress


def mapped(
    steps: Steps[Partial, Result], change: Callable[[Progress[Partial]], Progress[Other]]
) -> Steps[Other, Result]:
    """Yields what `change` makes of each progress, and returns the steps' result."""
    with closing(steps):
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            yield change(progress)


def named(message: str, steps: Steps[Partial, Result]) -> Steps[Partial, Result]:
    """Yields the steps' progress with a message of what is done, and returns their result."""
    return mapped(steps, lambda progress: replace(progress, message=message))


def part_of(
    whole: Progress[Partial], span: float, steps: Steps[None, Result]
) -> Steps[Partial, Result]:
    """Yields the steps' progress as that of greater work, and returns their result.

    whole: the greater work before these steps. span: how many of its units they are.
    """
    return mapped(steps, lambda part: replace(whole, done=whole.done + span * part.share))


def result_of(
    steps: Steps[Partial, Result], show: Callable[[Progress[Partial]], object] | None = None
) -> Result:
    """Returns what the steps return. show: called with each progress, its times included."""
    with closing(timed(steps)) as timed_steps:
        while True:
            try:
                progress = next(timed_steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            if show is not None:
                show(progress)


def outcome_last(steps: Steps[Partial, Result]) -> Iterator[Progress[Partial] | Result]:
    """Yields the steps' progress, and their result at the end."""
    with closing(steps):
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                yield end.value
                return
            yield progress


def at_once(
    steps: Callable[Parameters, Steps[Any, Result]],
) -> Callable[Parameters, Result]:
    """Returns the same work as one call, for whoever does not ask how far it is."""

    @wraps(steps)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return result_of(steps(*args, **kwargs))

    return call


class Beat:
    """Says when a loop is to tell of its progress again."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it was last told long enough ago; being asked for it counts as telling."""
        now = time.monotonic()
        if now - self._told < BEAT:
            return False
        self._told = now
        return True


def duration(seconds: float) -> str:
    """Returns a time in words: '17 s', '3 min', '2.5 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3_600:.1f} h"
