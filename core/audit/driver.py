"""Runs an audit: asks an executor for what is not in the store yet, and keeps what comes back.

The shards in the store are the only state. Whatever ends a run, at whatever moment, the next one finds
there what was drawn, draws the rest, and comes to the same numbers.
"""

import heapq
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.audit.leases import Leases
from core.audit.results import check_same, noted
from core.audit.rows import AuditRow, StageRequest, StageResult, Steps, audit_query, summed
from core.audit.spec import AuditModel, AuditSpec
from core.errors import SpecError, TailscopeError
from core.executors.base import Done, Executor
from core.executors.worker import (
    Drawn,
    DrawRows,
    GetFingerprint,
    InstallPrepared,
    JudgeRows,
    Prepare,
    Prepared,
    Task,
    judged_by,
)
from core.judges import served_judge
from core.judges.remembered import remembered
from core.queries.query import Query
from core.runs.defaults import known_for, remember_default
from core.runs.request import EstimateRequest
from core.sampling.scored import JudgedShard, keep_scores, score_texts, scores_key, stored_scores
from core.sampling.shards import AnyStore, keep_shard, row_key, sampling_key, stored_pieces
from core.spec import GenerationSpec

# Tasks handed over beyond those being done, so that no worker waits for the next.
AHEAD = 2
WAIT = 0.5  # seconds


class StoreFullError(TailscopeError):
    """What was drawn cannot be kept: going on would draw it for nothing."""


@dataclass(frozen=True)
class Progress:
    """Where an audit stands. rows: finished since the last event. drawn, stored: answers so far, drawn
    now and found in the store. finished, total: queries times models.
    """

    rows: tuple[AuditRow, ...]
    finished: int
    total: int
    drawn: int
    stored: int
    message: str = ""


@dataclass
class _Open:
    """A query that is being worked on."""

    order: int
    model: str
    query: Query
    steps: Steps
    need: StageRequest | None = None
    rows_drawn: int = 0
    missing: int = 0
    failed: bool = False
    shards: list[JudgedShard] = field(default_factory=list)
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Piece:
    """Rows that a query waits for. name: of the claim on them. draw: whether they are in no store yet."""

    name: str
    owner: _Open
    rows: range
    draw: bool


class Audit:
    """One run of an audit. prepared: by model name, once `run` has come to it. sampling_keys: of all
    samples that it has used so far.

    generations: query_id -> how its answers are generated, where that is not as the audit's spec says.
    """

    def __init__(
        self,
        spec: AuditSpec,
        queries: Sequence[Query],
        executor: Executor,
        store: AnyStore,
        leases: Leases,
        generations: Mapping[str, GenerationSpec] | None = None,
    ) -> None:
        self.spec = spec
        self._generations = generations or {}
        self.queries = tuple(queries)
        self.prepared: dict[str, Prepared] = {}
        self.sampling_keys: set[str] = set()
        # Asked from here alone: its key stays on this machine, and its verdicts in this store.
        served = served_judge(spec.judge, spec.behaviour)
        self._served = None if served is None else remembered(served, store)
        self._executor, self._store, self._claims = executor, store, leases
        self._finished, self._drawn, self._stored = 0, 0, 0
        self._heap: list[tuple[int, int, _Open]] = []
        self._ready: deque[_Piece] = deque()
        self._in_hand: dict[str, _Piece] = {}
        self._elsewhere: list[_Piece] = []
        self._rows: list[AuditRow] = []
        self._looked = 0.0

    def run(self, expected: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Progress]:
        """Yields progress, and each row once. expected: by model name, what an earlier run has noted of it.

        Raises:
            SpecError: a model, its judge or its proposals are not those the audit began with.
            StoreFullError: nothing more can be stored.
            TailscopeError: a model cannot be loaded.
        """
        for model in self.spec.models:
            yield self._progress(f"loading {model.name}")
            self.prepared[model.name] = self._prepare(model, (expected or {}).get(model.name))
            yield self._progress(f"asking {model.name}")
            yield from self._run_model(model)

    def _prepare(self, model: AuditModel, expected: Mapping[str, Any] | None) -> Prepared:
        template = self.spec.request(model, self.queries[0].text)
        found = set(self._executor.everywhere(GetFingerprint(template)))
        if len(found) > 1:
            raise SpecError(
                f"the workers have {len(found)} different models under the name {model.name!r}; give every "
                "machine the same files"
            )
        fingerprint = str(found.pop())
        if expected is not None:
            check_same(model.name, {"fingerprint": fingerprint}, expected)
        prepared = self._measured(template, fingerprint)
        if expected is not None:
            check_same(model.name, noted(prepared), expected)
        self._executor.everywhere(InstallPrepared(prepared))
        return prepared

    def _measured(self, template: EstimateRequest, fingerprint: str) -> Prepared:
        """Returns what is prepared; a default is measured by one process alone, as any shard is drawn."""
        name = f"default/{fingerprint}/{self.spec.behaviour}"
        while not self._claims.take(name):
            time.sleep(WAIT)
        try:
            default = known_for(fingerprint, self.spec.behaviour, self._store)
            self._executor.submit(name, Prepare(template, default, self._served is None))
            done: Sequence[Done] = ()
            while not done:
                done = self._executor.collect(WAIT)
            prepared = done[0].outcome
            if not isinstance(prepared, Prepared):
                raise TailscopeError(done[0].error)
            if prepared.measured is not None:
                remember_default(fingerprint, self.spec.behaviour, prepared.measured, self._store)
        finally:
            self._claims.release(name)
        return prepared if self._served is None else judged_by(prepared, self._served.spec())

    def _run_model(self, model: AuditModel) -> Iterator[Progress]:
        prepared = self.prepared[model.name]
        for order, query in enumerate(self.queries):
            own = self._generations.get(query.query_id)
            steps = audit_query(self.spec, query, prepared, own)
            one = _Open(order, model.name, query, steps)
            heapq.heappush(self._heap, (0, order, one))
        while self._heap or self._ready or self._in_hand or self._elsewhere:
            self._hand_over()
            for done in self._executor.collect(WAIT if self._in_hand else 0.0):
                self._take_back(done)
            self._look_elsewhere()
            yield self._progress()
        yield self._progress()

    def _hand_over(self) -> None:
        """Opens queries until the workers have enough to do."""
        wanted = self._executor.workers * AHEAD
        while len(self._in_hand) < wanted:
            if not self._ready:
                if not self._heap:
                    return
                self._advance(heapq.heappop(self._heap)[2])
                continue
            self._begin(self._ready.popleft())

    def _begin(self, piece: _Piece) -> None:
        """Claims a piece and hands it over, if it is still to be done and nobody is at it."""
        # Two queries of the same words wait for the same rows.
        if piece.name in self._in_hand or not self._claims.take(piece.name):
            self._elsewhere.append(piece)
            return
        # Looked up after the claim: another process may have done it since it was put in line.
        task = self._task(piece)
        if task is None:
            self._claims.release(piece.name)
            self._ask_again(piece)
            return
        self._in_hand[piece.name] = piece
        self._executor.submit(piece.name, task)

    def _task(self, piece: _Piece) -> Task | None:
        """Returns what is to be done for a piece, None if the store has other news of it."""
        need = piece.owner.need
        assert need is not None
        key = sampling_key(need.stage.spec)
        rows, stored = next(stored_pieces(self._store, key, piece.rows.start, piece.rows.stop))
        if rows != piece.rows or piece.draw != (stored is None):
            return None
        if stored is None:
            return DrawRows(
                need.request, need.stage.spec, key, rows.start, rows.stop, self._served is None
            )
        scores = stored_scores(self._store, piece.name, len(stored))
        if not _unfinished(need, scores):
            return None
        return JudgeRows(need.request, stored, scores, self._served is None)

    def _advance(self, one: _Open) -> None:
        """Takes a query to its next need that is not met by the store, or to its end."""
        try:
            if one.need is None:
                one.need = next(one.steps)
            else:
                one.need = one.steps.send(StageResult(one.shards, one.texts))
            one.shards, one.texts = [], ()
            self._ask(one)
        except StopIteration as end:
            self._finish(end.value)
        except TailscopeError as error:
            self._fail(one, str(error))

    def _ask(self, one: _Open) -> None:
        """Finds in the store what a need asks for, and puts the rest in line."""
        assert one.need is not None
        self._ask_rows(one, one.need, one.need.stage.start, one.need.stage.stop)
        if one.missing == 0:
            self._push(one)

    def _ask_rows(self, one: _Open, need: StageRequest, start: int, stop: int) -> None:
        key = sampling_key(need.stage.spec)
        self.sampling_keys.add(key)
        for rows, stored in stored_pieces(self._store, key, start, stop):
            if stored is None:
                self._line_up(_Piece(row_key(key, rows.start, rows.stop), one, rows, draw=True))
                continue
            name = scores_key(need.judge_spec, stored.key)
            scores = stored_scores(self._store, name, len(stored))
            if _unfinished(need, scores):
                self._line_up(_Piece(name, one, rows, draw=False))
            else:
                self._supply(one, JudgedShard(stored, scores, need.stage.number))

    def _ask_again(self, piece: _Piece) -> None:
        one = piece.owner
        if one.failed or one.need is None:
            return
        self._ask_rows(one, one.need, piece.rows.start, piece.rows.stop)
        self._arrived(one)

    def _line_up(self, piece: _Piece) -> None:
        piece.owner.missing += 1
        self._ready.append(piece)

    def _push(self, one: _Open) -> None:
        # With a precision, whoever has drawn least goes first: the hardest queries are left for last.
        first = one.rows_drawn if self.spec.precision is not None else 0
        heapq.heappush(self._heap, (first, one.order, one))

    def _take_back(self, done: Done) -> None:
        piece = self._in_hand.pop(done.name, None)
        if piece is None:
            return
        try:
            if isinstance(done.outcome, Drawn):
                self._keep(piece, done.outcome)
            elif not piece.owner.failed:
                self._fail(piece.owner, done.error)
        finally:
            self._claims.release(done.name)

    def _keep(self, piece: _Piece, found: Drawn) -> None:
        """Stores what was drawn, then hands it to its query: what is not stored must not be counted."""
        one, shard = piece.owner, found.shard
        assert one.need is not None
        name = scores_key(one.need.judge_spec, shard.key)
        kept = shard.stored or keep_shard(self._store, shard)
        scores = self._scored(one.need.request.query, found)
        kept = keep_scores(self._store, name, scores) and kept
        if not kept and self._store.path is not None:
            why = " ".join(event.message for event in self._store.drain_events())
            raise StoreFullError(
                f"the audit stops here, for what it draws can no longer be stored. {why} Then resume it."
            )
        if not shard.stored:
            self._drawn += len(shard)
        if one.failed:
            return
        self._supply(one, JudgedShard(shard, scores, one.need.stage.number))
        if len(found.texts) == 1:
            one.texts = found.texts
        self._arrived(one)

    def _scored(self, query: str, found: Drawn) -> NDArray[np.float64]:
        """Returns the answers' scores; a judge behind a server is asked about those without one."""
        scores = found.scores.copy()
        missing = np.flatnonzero(np.isnan(scores))
        if self._served is not None and len(missing):
            texts = [found.texts[row] for row in missing]
            scores[missing] = score_texts(self._served, query, texts)
        return scores

    def _arrived(self, one: _Open) -> None:
        one.missing -= 1
        if one.missing == 0:
            self._push(one)

    def _supply(self, one: _Open, judged: JudgedShard) -> None:
        if judged.drawn.stored:
            self._stored += len(judged.drawn)
        one.shards.append(summed(judged))
        one.rows_drawn += len(judged.drawn)

    def _look_elsewhere(self) -> None:
        """Takes what other processes have stored meanwhile, and what they have left undone."""
        if not self._elsewhere:
            return
        if not self._in_hand:
            time.sleep(WAIT)
        if time.monotonic() - self._looked < WAIT:
            return
        self._looked = time.monotonic()
        waiting, self._elsewhere = self._elsewhere, []
        for piece in waiting:
            self._ask_again(piece)

    def _finish(self, row: AuditRow) -> None:
        self._finished += 1
        self._rows.append(row)

    def _fail(self, one: _Open, error: str) -> None:
        """Ends a query that cannot be answered; the others go on."""
        one.failed = True
        one.steps.close()
        self._ready = deque(piece for piece in self._ready if piece.owner is not one)
        request = self.spec.request(self._model(one.model), one.query.text)
        self._finish(AuditRow(one.model, one.query, request, error=error))

    def _model(self, name: str) -> AuditModel:
        return next(model for model in self.spec.models if model.name == name)

    def _progress(self, message: str = "") -> Progress:
        rows, self._rows = tuple(self._rows), []
        total = len(self.queries) * len(self.spec.models)
        return Progress(rows, self._finished, total, self._drawn, self._stored, message)


def _unfinished(need: StageRequest, scores: NDArray[np.float64]) -> bool:
    # The likeliest answer is shown, and its text is not stored.
    return need.arm == "greedy" or bool(np.isnan(scores).any())
