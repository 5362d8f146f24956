"""A worker: holds a model and a judge, and does what it is handed. It keeps nothing on disk.

What it is handed decides what it hands back, bit for bit: the same rows come out of any worker.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache import MemoryStore, open_store
from core.errors import ModelError
from core.judges import behaviour_judge, load_judge
from core.judges.base import Judge
from core.look_ahead.witness import Witness
from core.models.asked_with import asked_with
from core.models.loading import LoadedModel, load_model
from core.models.spec import LoadingSpec
from core.proposals import AnyProposalSpec, DirectedSpec, Proposal
from core.runs.defaults import remember_default
from core.runs.estimate import second_request
from core.runs.extra_components import companions
from core.runs.prepare import (
    ahead_witness,
    behaviour_direction,
    fingerprints,
    install_direction,
    ready_proposals,
    show,
)
from core.runs.request import EstimateRequest, Fingerprints
from core.sampling.scored import answer_texts, score_texts, unasked_scores
from core.sampling.shards import DrawnShard, draw_steps
from core.sampling.spec import SamplingSpec
from core.search.pilot import measure_default
from core.spec import UNWEIGHTED, DirectionPosition
from core.steering.direction import Direction
from core.tasks import Progress, result_of

Directions = dict[DirectionPosition, Direction]
# Called with the share of a task that is done.
Told = Callable[[float], object]


@dataclass(frozen=True)
class GetFingerprint:
    """Asks which weights a model has. Answered by `str`, their fingerprint."""

    request: EstimateRequest


@dataclass(frozen=True)
class Prepare:
    """Asks for all that the rows of a request depend on; what has no default is measured.

    default: the measured default of the model and behaviour, if there is one. judges: whether the judge is
    asked here. store: a folder of this machine where the pilot's queries are kept, so that one that is killed
    goes on; None to keep none. Answered by `Prepared`, without a judge's spec if it is not.
    """

    request: EstimateRequest
    default: AnyProposalSpec | None
    judges: bool = True
    store: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A request with its proposals, and what they stand for.

    measured: a default that was measured for it, to be kept. directions: those that the proposals use.
    second: with method `is`, the second proposal that the verdict hears. told: what a reader must know about
    how the model is asked, a sentence each.
    """

    request: EstimateRequest
    known: Fingerprints
    judge_spec: dict[str, Any]
    directions: Directions
    measured: AnyProposalSpec | None = None
    second: "Prepared | None" = None
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class InstallPrepared:
    """Hands over what another worker has prepared, so that all draw from the very same proposals.

    Answered by `str`, the fingerprint of the model here.
    """

    prepared: Prepared


@dataclass(frozen=True)
class DrawRows:
    """Asks for rows start..stop of a sample, drawn and, if the judge is asked here, judged.

    Answered by `Drawn`.
    """

    request: EstimateRequest
    spec: SamplingSpec
    key: str
    start: int
    stop: int
    judges: bool = True


@dataclass(frozen=True)
class JudgeRows:
    """Asks for the scores of a stored shard; what has one keeps it. Answered by `Drawn`.

    judges: whether the judge is asked here; if not, it is the answers' texts that are wanted.
    """

    request: EstimateRequest
    shard: DrawnShard
    scores: NDArray[np.float64]
    judges: bool = True


@dataclass(frozen=True)
class Drawn:
    """A shard and its answers' scores, (n,) float64, NaN where there is none.

    texts: its answers, if there is but one or the judge is asked elsewhere.
    """

    shard: DrawnShard
    scores: NDArray[np.float64]
    texts: tuple[str, ...] = ()


def judged_by(prepared: Prepared, judge_spec: dict[str, Any]) -> Prepared:
    """Returns what is prepared, with the spec of a judge that is asked elsewhere."""
    second = None if prepared.second is None else judged_by(prepared.second, judge_spec)
    return replace(prepared, judge_spec=judge_spec, second=second)


WorkItem = GetFingerprint | Prepare | InstallPrepared | DrawRows | JudgeRows
Outcome = str | Prepared | Drawn


class Worker:
    """Does tasks. It holds one model at a time: a second one may not fit beside it."""

    def __init__(self, told: Told = lambda share: None) -> None:
        """told: called with how far a task is, several times a second at most."""
        self._told = told
        self._loaded: tuple[tuple[str, LoadingSpec], LoadedModel] | None = None
        self._judge: tuple[tuple[str | None, str], Judge] | None = None
        self._proposals: tuple[object, tuple[Proposal, ...]] | None = None
        self._follows: tuple[object, Witness | None] | None = None
        self._adopted: dict[tuple[str, str], Directions] = {}

    def do(self, task: WorkItem) -> Outcome:
        """Returns what a task asks for. Raises: TailscopeError if it cannot be had."""
        if isinstance(task, GetFingerprint):
            return self._model(task.request).fingerprint
        if isinstance(task, Prepare):
            return self._prepare(task)
        if isinstance(task, InstallPrepared):
            return self._adopt(task.prepared)
        if isinstance(task, DrawRows):
            return self._draw(task)
        return self._rejudge(task)

    def _model(self, request: EstimateRequest) -> LoadedModel:
        wanted = (request.model, request.loading)
        if self._loaded is None or self._loaded[0] != wanted:
            self._loaded = self._proposals = None  # let go first: both may not fit
            self._loaded = (wanted, load_model(*wanted))
        loaded = self._loaded[1]
        for (model, behaviour), directions in self._adopted.items():
            if model == loaded.fingerprint:
                for position, direction in directions.items():
                    install_direction(loaded, behaviour, position, direction)
        return loaded

    def _judge_of(self, request: EstimateRequest) -> Judge:
        wanted = (request.judge, request.behaviour)
        if self._judge is None or self._judge[0] != wanted:
            own = request.judge is None
            judge = behaviour_judge(request.behaviour) if own else load_judge(str(request.judge))
            self._judge = (wanted, judge)
        return self._judge[1]

    def _prepare(self, task: Prepare) -> Prepared:
        request, loaded = task.request, self._model(task.request)
        judge_spec = self._judge_of(request).spec() if task.judges else {}
        measured = None
        if request.method not in UNWEIGHTED and request.proposal is None:
            default = task.default
            if default is None:
                default = measured = self._measured(request, loaded, task.store)
            request = _with_default(request, loaded, default)
        proposals = ready_proposals(loaded, request)
        used = {
            one.direction
            for one in request.proposals
            if isinstance(one, DirectedSpec) and one.direction_file is None
        }
        return Prepared(
            request=request,
            known=fingerprints(loaded, proposals),
            judge_spec=judge_spec,
            directions={
                position: behaviour_direction(loaded, request.behaviour, position)
                for position in sorted(used)
            },
            measured=measured,
            second=None if request.method != "is" else self._second(request, loaded, judge_spec),
            told=asked_with(loaded, request.generation),
        )

    def _second(
        self, request: EstimateRequest, loaded: LoadedModel, judge_spec: dict[str, Any]
    ) -> "Prepared":
        witness = second_request(loaded, request, MemoryStore())
        known = fingerprints(loaded, ready_proposals(loaded, witness))
        return Prepared(witness, known, judge_spec, {})

    def _measured(
        self, request: EstimateRequest, loaded: LoadedModel, folder: Path | None
    ) -> AnyProposalSpec:
        own = behaviour_judge(request.behaviour)
        store = MemoryStore() if folder is None else open_store(folder)
        search = measure_default(
            loaded, request.behaviour, own, store, generation=request.generation
        )
        return result_of(search, self._tell).best("variance")

    def _tell(self, progress: Progress[Any]) -> None:
        self._told(progress.share)

    def _adopt(self, prepared: Prepared) -> str:
        loaded = self._model(prepared.request)
        self._adopted[loaded.fingerprint, prepared.request.behaviour] = prepared.directions
        return self._model(prepared.request).fingerprint

    def _draw(self, task: DrawRows) -> Drawn:
        loaded = self._model(task.request)
        proposals = self._ready(task.request, loaded)
        here = fingerprints(loaded, proposals)
        if here != Fingerprints(task.spec.model_fingerprint, task.spec.fingerprints):
            raise ModelError(
                f"a worker has other weights under the name {task.request.model!r} than the audit began "
                "with; give every machine the same files"
            )
        witness = self._witness(task.request, loaded)
        steps = draw_steps(
            loaded,
            task.spec,
            range(task.start, task.stop),
            proposals,
            key=task.key,
            ahead=None if witness is None else witness.ahead,
        )
        shard = result_of(steps, self._tell)
        show(witness, shard)
        return self._judged(task, shard, unasked_scores(shard))

    def _ready(self, request: EstimateRequest, loaded: LoadedModel) -> tuple[Proposal, ...]:
        # An adapter or another checkpoint is read from disk: once, and not for every shard.
        wanted = (loaded.fingerprint, request.behaviour, request.proposals)
        if self._proposals is None or self._proposals[0] != wanted:
            self._proposals = (wanted, ready_proposals(loaded, request))
        return self._proposals[1]

    def _witness(self, request: EstimateRequest, loaded: LoadedModel) -> Witness | None:
        # Following a rule over a large vocabulary takes a second: once a query, and not for every shard.
        wanted = (loaded.fingerprint, request)
        if self._follows is None or self._follows[0] != wanted:
            self._follows = (wanted, ahead_witness(loaded, request, self._judge_of(request)))
        return self._follows[1]

    def _rejudge(self, task: JudgeRows) -> Drawn:
        return self._judged(task, task.shard, task.scores)

    def _judged(
        self, task: DrawRows | JudgeRows, shard: DrawnShard, scores: NDArray[np.float64]
    ) -> Drawn:
        request = task.request
        texts = answer_texts(self._model(request), shard)
        if not task.judges:
            return Drawn(shard, scores, tuple(texts))
        missing = np.flatnonzero(np.isnan(scores))
        if len(missing):
            scores = scores.copy()
            judge = self._judge_of(request)
            scores[missing] = score_texts(judge, request.query, [texts[row] for row in missing])
        # Only the likeliest answer is shown as it stands; a whole shard's texts would be sent for nothing.
        return Drawn(shard, scores, tuple(texts) if len(texts) == 1 else ())


def _with_default(
    request: EstimateRequest, loaded: LoadedModel, default: AnyProposalSpec
) -> EstimateRequest:
    """Returns the request with the default proposal, and with method `mis` its companions."""
    longest = request.generation.max_new_tokens
    first = default.model_copy(update={"t_switch": min(default.t_switch, longest)})
    others: tuple[AnyProposalSpec, ...] = ()
    if request.method == "mis":
        store = MemoryStore()
        remember_default(loaded.fingerprint, request.behaviour, default, store)
        others = companions(loaded, request.behaviour, first, longest, store, request.generation)
    return request.model_copy(update={"proposal": first, "companions": others})
