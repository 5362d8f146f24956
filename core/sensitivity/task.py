"""Comparisons of wordings in the background: drawn, or read from what is stored; and wordings being made."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from core.executors.base import Executor
from core.sampling.shards import AnyStore
from core.sensitivity.comparison import (
    Comparison,
    ComparisonSoFar,
    comparison_steps,
    stored_rows,
)
from core.sensitivity.rewordings import Made
from core.tasks import Progress, Snapshot, Steps, Task, steps_of_call

ComparisonTask = Task[ComparisonSoFar, ComparisonSoFar]
ComparisonSnapshot = Snapshot[ComparisonSoFar, ComparisonSoFar]


def comparison_task(
    comparison: Comparison, executor: Callable[[], Executor], store: AnyStore
) -> ComparisonTask:
    """Returns the task that draws what a comparison still needs, not yet started.

    executor: makes what draws; it is closed at the end. The task fails as `comparison_steps` raises.
    """
    return _task(comparison, drawing_steps(comparison, executor, store))


def stored_comparison_task(comparison: Comparison, store: AnyStore) -> ComparisonTask:
    """Returns the task that reads what the store holds of a comparison, not yet started.

    Nothing is drawn and no judge is asked.
    """
    return _task(comparison, reading_steps(comparison, store))


RewordingTask = Task[None, Made]


def rewording_task(make: Callable[[], Made]) -> RewordingTask:
    """Returns the task that makes rewordings, not yet started.

    make: asks a model or a server. A cancel acts at once, also while a server is silent.
    """
    return Task(steps_of_call(lambda _: make()), what="making wordings")


def _task(comparison: Comparison, steps: Steps[ComparisonSoFar, ComparisonSoFar]) -> ComparisonTask:
    first = ComparisonSoFar(total=len(comparison.variants))
    return Task(
        steps,
        what="the comparison",
        first=Progress(0, comparison.answers, "answers", message="starting", partial=first),
    )


def drawing_steps(
    comparison: Comparison, make_executor: Callable[[], Executor], store: AnyStore
) -> Steps[ComparisonSoFar, ComparisonSoFar]:
    """Yields what is stored, then what is estimated; returns the whole. Raises: as `comparison_steps`."""
    read = ComparisonSoFar(total=len(comparison.variants))
    # What is stored is shown until it is estimated again: the model or its judge may have changed.
    for progress in reading_steps(comparison, store):
        read = replace(progress.partial, finished=0)
        yield progress.with_partial(read)
    executor = make_executor()
    now = read
    try:
        with closing(comparison_steps(comparison, executor, store)) as steps:
            for progress in steps:
                drawn = progress.partial.drawn
                now = replace(
                    progress.partial,
                    rows=read.rows + progress.partial.rows,
                    stored=max(progress.partial.stored, read.stored - drawn),
                )
                yield progress.with_partial(now)
    finally:
        executor.close()
    return now


def reading_steps(
    comparison: Comparison, store: AnyStore
) -> Steps[ComparisonSoFar, ComparisonSoFar]:
    """Yields what the store holds of a comparison, variant by variant."""
    now = ComparisonSoFar(total=len(comparison.variants))
    yield _stored(comparison, now)
    for row in stored_rows(comparison, store):
        answers = comparison.spec.samples + 1 if row.row.estimate is not None else 0
        now = replace(
            now, rows=(*now.rows, row), finished=now.finished + 1, stored=now.stored + answers
        )
        yield _stored(comparison, now)
    return now


def _stored(comparison: Comparison, now: ComparisonSoFar) -> Progress[ComparisonSoFar]:
    return Progress(
        now.stored,
        comparison.answers,
        "answers",
        now.stored,
        message="reading what is stored",
        partial=now,
    )
