"""The rows that a query waits for, piece by piece: read from the store, or given to a worker and kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.audit.query import QueryState, StageRequest
from core.errors import TailscopeError
from core.executors.worker import Drawn, DrawRows, JudgeRows, WorkItem
from core.judges.base import Judge
from core.queries.query import Query
from core.sampling.scored import (
    JudgedShard,
    keep_scores,
    known_scores,
    score_texts,
    scores_key,
)
from core.sampling.shards import AnyStore, keep_shard, row_key, sampling_key, stored_pieces


class StoreFullError(TailscopeError):
    """What was drawn cannot be kept: going on would draw it for nothing."""


@dataclass
class OpenQuery:
    """A query that is being worked on. wanted: the rows it waits for, None before the first.

    missing: how many pieces of them have not arrived; shards, texts: what has.
    """

    order: int
    model: str
    query: Query
    state: QueryState | None = None
    wanted: StageRequest | None = None
    rows_drawn: int = 0
    missing: int = 0
    failed: bool = False
    shards: list[JudgedShard] = field(default_factory=list)
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Rows that are not in the store, or not with all their scores.

    name: of the lease on them. draw: whether the rows themselves are missing.
    """

    name: str
    owner: OpenQuery
    wanted: StageRequest
    rows: range
    draw: bool


def find_rows(
    store: AnyStore, owner: OpenQuery, wanted: StageRequest, rows: range
) -> Iterator[JudgedShard | Piece]:
    """Yields what the store holds of these rows, and a piece for each part that is still to be done."""
    spec = wanted.stage.spec
    for part, stored in stored_pieces(store, spec, rows.start, rows.stop):
        if stored is None:
            name = row_key(sampling_key(spec), part.start, part.stop)
            yield Piece(name, owner, wanted, part, draw=True)
            continue
        name = scores_key(wanted.judge_spec, stored.key)
        scores = known_scores(store, name, stored)
        if _unfinished(wanted, scores):
            yield Piece(name, owner, wanted, part, draw=False)
        else:
            yield JudgedShard(stored, scores, wanted.stage.number)


def work_item(store: AnyStore, piece: Piece, *, judges: bool) -> WorkItem | None:
    """Returns what a worker is to do for a piece; None if the store has changed since it was found.

    judges: whether the judge is asked by the worker.
    """
    wanted, spec = piece.wanted, piece.wanted.stage.spec
    rows, stored = next(stored_pieces(store, spec, piece.rows.start, piece.rows.stop))
    if rows != piece.rows or piece.draw != (stored is None):
        return None
    if stored is None:
        key = sampling_key(spec)
        return DrawRows(wanted.request, spec, key, rows.start, rows.stop, judges)
    scores = known_scores(store, piece.name, stored)
    if not _unfinished(wanted, scores):
        return None
    return JudgeRows(wanted.request, stored, scores, judges)


def keep(store: AnyStore, wanted: StageRequest, drawn: Drawn, served: Judge | None) -> JudgedShard:
    """Stores what a worker has drawn and returns it: what is not stored must not be counted.

    served: the judge, if it is asked in this process.

    Raises:
        StoreFullError: it could not be stored.
    """
    shard = drawn.shard
    name = scores_key(wanted.judge_spec, shard.key)
    kept = shard.stored or keep_shard(store, shard)
    scores = _scored(served, wanted.request.query, drawn)
    kept = keep_scores(store, name, scores) and kept
    if not kept and store.path is not None:
        why = " ".join(event.message for event in store.drain_events())
        raise StoreFullError(
            f"the audit stops here, for what it draws can no longer be stored. {why} Then resume it."
        )
    return JudgedShard(shard, scores, wanted.stage.number)


def _scored(served: Judge | None, query: str, drawn: Drawn) -> NDArray[np.float64]:
    """Returns the answers' scores; a judge behind a server is asked about those without one."""
    scores = drawn.scores.copy()
    missing = np.flatnonzero(np.isnan(scores))
    if served is not None and len(missing):
        scores[missing] = score_texts(served, query, [drawn.texts[row] for row in missing])
    return scores


def _unfinished(wanted: StageRequest, scores: NDArray[np.float64]) -> bool:
    # The likeliest answer is shown, and its text is not stored.
    return wanted.arm == "greedy" or bool(np.isnan(scores).any())
