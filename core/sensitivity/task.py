"""A comparison in the background: its progress, first as the store has it, then as answers are drawn."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from core.executors.base import Executor
from core.sampling.shards import AnyStore
from core.sensitivity.comparison import Comparison, VariantRow, estimated, stored_rows


@dataclass(frozen=True)
class ComparisonProgress:
    """Where the work is.

    rows: what is known, an earlier time's included. finished: how many are of this time. seconds: since the
    first answer was drawn. cancel: set by whoever wants no more of it; what is in hand is finished.
    """

    cancel: threading.Event
    rows: tuple[VariantRow, ...] = ()
    total: int = 0
    finished: int = 0
    drawn: int = 0
    stored: int = 0
    seconds: float = 0.0
    message: str = "starting"

    @property
    def whole(self) -> bool:
        """Whether every variant has its row."""
        return 0 < self.total == self.finished

    @property
    def last_known(self) -> tuple[VariantRow, ...]:
        """The rows, of each variant the last."""
        return tuple({one.variant.variant_id: one for one in self.rows}.values())


def events(
    plan: Comparison, executor: Callable[[], Executor], store: AnyStore
) -> Iterator[ComparisonProgress]:
    """Yields where the work is, until it is whole or cancelled. Raises: as `estimated`."""
    at = ComparisonProgress(threading.Event(), total=len(plan.variants))
    for read in stored_events(plan, store):
        # Shown until they are had again: the model or its judge may be another by now.
        at = replace(at, rows=read.rows, stored=read.stored, message=read.message)
        yield at
        if at.cancel.is_set():
            return
    began: float | None = None
    hands = executor()
    try:
        with closing(estimated(plan, hands, store)) as found:
            for event, rows in found:
                if began is None and event.drawn + event.stored:
                    began = time.perf_counter()
                at = replace(
                    at,
                    rows=at.rows + rows,
                    finished=event.finished,
                    drawn=event.drawn,
                    stored=max(event.stored, at.stored - event.drawn),
                    seconds=0.0 if began is None else time.perf_counter() - began,
                    message=event.message,
                )
                yield at
                if at.cancel.is_set():
                    return
    finally:
        hands.close()


def stored_events(plan: Comparison, store: AnyStore) -> Iterator[ComparisonProgress]:
    """Yields what the store holds of a comparison; nothing is drawn and no judge is asked."""
    at = ComparisonProgress(
        threading.Event(), total=len(plan.variants), message="reading what is stored"
    )
    yield at
    for row in stored_rows(plan, store):
        stored = at.stored + (plan.spec.samples + 1 if row.row.estimate is not None else 0)
        at = replace(at, rows=(*at.rows, row), finished=at.finished + 1, stored=stored)
        yield at
        if at.cancel.is_set():
            return


def seconds_left(at: ComparisonProgress, plan: Comparison) -> float | None:
    """Returns the time left at the pace so far; None before there is one."""
    done = at.drawn + at.stored
    if not done or at.seconds <= 0:
        return None
    return at.seconds / done * max(plan.answers - done, 0)
