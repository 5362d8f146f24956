"""Runs an audit: asks an executor for what is not in the store yet, and keeps what comes back.

The shards in the store are the only state. Whatever ends a run, at whatever moment, the next one finds
there what was drawn, draws the rest, and comes to the same numbers.
"""

import heapq
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from core.audit.leases import Leases
from core.audit.pieces import OpenQuery, Piece, find_rows, keep, work_item
from core.audit.preparation import WAIT, preparing_steps
from core.audit.progress import AuditStep, answers_of, audit_progress
from core.audit.query import QueryState, StageRequest, StageResult, init, next_rows, update
from core.audit.rows import AuditRow
from core.audit.spec import AuditModel, AuditSpec
from core.behaviours.load import load_behaviour
from core.errors import TailscopeError
from core.executors.base import Done, Executor
from core.executors.worker import Drawn, Prepared
from core.judges import served_judge
from core.judges.remembered import remembered
from core.queries.query import Query
from core.sampling.scored import JudgedShard, summed
from core.sampling.shards import AnyStore, sampling_key
from core.spec import GenerationSpec
from core.tasks import Progress, Steps, duration, mapped, timed

# So many pieces are handed over for each worker, so that none waits for the next.
AHEAD = 2


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
        self._planning_threshold = load_behaviour(spec.behaviour).spec.threshold
        self._executor, self._store, self._leases = executor, store, leases
        self._finished, self._spent, self._drawn, self._stored = 0, 0, 0, 0
        self._heap: list[tuple[int, int, OpenQuery]] = []
        self._ready: deque[Piece] = deque()
        self._in_hand: dict[str, Piece] = {}
        self._elsewhere: list[Piece] = []
        self._rows: list[AuditRow] = []
        self._looked, self._computed = 0.0, 0.0

    def run(
        self, expected: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Steps[AuditStep, None]:
        """Yields progress, and each row once. expected: by model name, what an earlier run has noted of it.

        Raises:
            SpecError: a model, its judge or its proposals are not those the audit began with.
            StoreFullError: nothing more can be stored.
            TailscopeError: a model cannot be loaded.
        """
        for model in self.spec.models:
            steps = preparing_steps(
                self.spec,
                model,
                self.queries[0].text,
                self._executor,
                self._store,
                self._leases,
                self._served,
                (expected or {}).get(model.name),
            )
            self.prepared[model.name] = yield from mapped(timed(steps), self._preparing)
            yield self._progress(f"asking {model.name}")
            yield from self._run_model(model)

    def _run_model(self, model: AuditModel) -> Steps[AuditStep, None]:
        for order, query in enumerate(self.queries):
            heapq.heappush(self._heap, (0, order, OpenQuery(order, model.name, query)))
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

    def _begin(self, piece: Piece) -> None:
        """Takes the lease on a piece and hands it over, if it is still to be done and nobody does it."""
        # Two queries of the same words wait for the same rows.
        if piece.name in self._in_hand or not self._leases.take(piece.name):
            self._elsewhere.append(piece)
            return
        # Looked up with the lease in hand: another process may have done it since it was put in line.
        item = work_item(self._store, piece, judges=self._served is None)
        if item is None:
            self._leases.release(piece.name)
            self._look_up_again(piece)
            return
        self._in_hand[piece.name] = piece
        self._executor.submit(piece.name, item)

    def _advance(self, opened: OpenQuery) -> None:
        """Takes a query to the next rows that are not all in the store, or to its end."""
        try:
            opened.state = self._next_state(opened)
            opened.shards, opened.texts = [], ()
            opened.wanted = next_rows(opened.state)
            if opened.wanted is None:
                self._finish(opened.state.row)
            else:
                stage = opened.wanted.stage
                self._look_up(opened, opened.wanted, range(stage.start, stage.stop))
                if opened.missing == 0:
                    self._push(opened)
        except TailscopeError as error:
            self._fail(opened, str(error))

    def _next_state(self, opened: OpenQuery) -> QueryState:
        if opened.state is not None:
            return update(opened.state, StageResult(opened.shards, opened.texts))
        generation = self._generations.get(opened.query.query_id)
        prepared = self.prepared[opened.model]
        return init(self.spec, opened.query, prepared, self._planning_threshold, generation)

    def _look_up(self, opened: OpenQuery, wanted: StageRequest, rows: range) -> None:
        """Takes from the store what a query waits for, and puts the rest in line."""
        self.sampling_keys.add(sampling_key(wanted.stage.spec))
        for part in find_rows(self._store, opened, wanted, rows):
            if isinstance(part, Piece):
                opened.missing += 1
                self._ready.append(part)
            else:
                self._supply(opened, part)

    def _look_up_again(self, piece: Piece) -> None:
        if piece.owner.failed:
            return
        self._look_up(piece.owner, piece.wanted, piece.rows)
        self._arrived(piece.owner)

    def _push(self, opened: OpenQuery) -> None:
        # With a precision, whoever has drawn least goes first: the hardest queries are left for last.
        first = opened.rows_drawn if self.spec.precision is not None else 0
        heapq.heappush(self._heap, (first, opened.order, opened))

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
            self._leases.release(done.name)

    def _keep(self, piece: Piece, drawn: Drawn) -> None:
        judged = keep(self._store, piece.wanted, drawn, self._served)
        if not judged.drawn.stored:
            self._drawn += len(judged.drawn)
        if piece.owner.failed:
            return
        self._supply(piece.owner, judged)
        if len(drawn.texts) == 1:
            piece.owner.texts = drawn.texts
        self._arrived(piece.owner)

    def _arrived(self, opened: OpenQuery) -> None:
        opened.missing -= 1
        if opened.missing == 0:
            self._push(opened)

    def _supply(self, opened: OpenQuery, judged: JudgedShard) -> None:
        if judged.drawn.stored:
            self._stored += len(judged.drawn)
        opened.shards.append(summed(judged))
        opened.rows_drawn += len(judged.drawn)

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
            self._look_up_again(piece)

    def _finish(self, row: AuditRow) -> None:
        self._finished += 1
        self._spent += answers_of(row)
        self._rows.append(row)

    def _fail(self, opened: OpenQuery, error: str) -> None:
        """Ends a query that cannot be answered; the others continue."""
        opened.failed = True
        self._ready = deque(piece for piece in self._ready if piece.owner is not opened)
        request = self.spec.request(self._model(opened.model), *opened.query.asked)
        self._finish(AuditRow(opened.model, opened.query, request, error=error))

    def _model(self, name: str) -> AuditModel:
        return next(model for model in self.spec.models if model.name == name)

    def _preparing(self, at: Progress[None]) -> Progress[AuditStep]:
        """Returns the audit's progress while a model is prepared: what is done, and how far that is."""
        if not 0 < at.share < 1:
            return self._progress(at.message)
        left = "" if at.seconds_left is None else f", {duration(at.seconds_left)} left"
        return self._progress(f"{at.message}: {at.share:.0%}{left}")

    def _answers_in_hand(self) -> float:
        """Returns how many answers the workers have computed of what is in hand."""
        pieces = [len(piece.rows) for piece in self._in_hand.values() if piece.draw]
        if not pieces:
            return 0.0
        return sum(self._executor.shares) * sum(pieces) / len(pieces)

    def _progress(self, message: str = "") -> Progress[AuditStep]:
        rows, self._rows = tuple(self._rows), []
        total = len(self.queries) * len(self.spec.models)
        # A worker that hands over its rows begins anew: what is in hand is less for a moment.
        self._computed = max(self._computed, self._drawn + self._answers_in_hand())
        step = AuditStep(rows, self._finished, total, self._drawn, self._stored, self._computed)
        return audit_progress(self.spec, step, self._spent, message)
