"""From a request to an estimate: the one call behind the command line, the pages and the benchmarks."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from core.behaviours.load import (
    DEFAULT_BEHAVIOUR,
    BehaviourName,
    load_behaviour,
    load_contrast_pairs,
)
from core.errors import SpecError
from core.estimation.draws import Draws
from core.estimation.estimate import Estimate, estimate
from core.judges.base import Judge
from core.models.loading import DEFAULT_MODEL, LoadedModel, load_model
from core.models.spec import LoadingSpec
from core.proposals import (
    AnyProposalSpec,
    Proposal,
    ProposalContext,
    SteerSpec,
    prepare,
)
from core.runs.defaults import known_default
from core.runs.extra_components import softened
from core.sampling.scored import JudgedShard, judge_shard
from core.sampling.shards import SHARD_ROWS, AnyStore, draw_shards
from core.sampling.spec import SamplingSpec
from core.sampling.stages import even_shares, next_shares, stage_sizes
from core.spec import (
    DefensiveShare,
    DirectionPosition,
    GenerationSpec,
    Method,
    QueryText,
    Seed,
    Spec,
    Threshold,
)
from core.steering.build import build_direction
from core.steering.direction import Direction

DEFAULT_SAMPLES = 1_000
DEFAULT_DEFENSIVE_SHARE = 0.1
DEFAULT_THRESHOLD = 0.75
MIN_SECOND_SAMPLES = 100
MAX_SECOND_SAMPLES = 1_000


class EstimateRequest(Spec):
    """What to estimate and how.

    proposal: what method `is` draws from. companions: further proposals, which method `mis` adds.
    defensive_share: of the rows that the target draws; with `mis` the least it draws after the pilot. judge:
    a judge's file or short name, None for the behaviour's own.
    """

    query: QueryText
    model: str = DEFAULT_MODEL
    loading: LoadingSpec = LoadingSpec()
    behaviour: BehaviourName = DEFAULT_BEHAVIOUR
    method: Method = "mis"
    generation: GenerationSpec = GenerationSpec()
    proposal: AnyProposalSpec | None = None
    companions: tuple[AnyProposalSpec, ...] = ()
    defensive_share: DefensiveShare = DEFAULT_DEFENSIVE_SHARE
    judge: str | None = None
    threshold: Threshold = DEFAULT_THRESHOLD
    seed: Seed = 0

    @property
    def proposals(self) -> tuple[AnyProposalSpec, ...]:
        """The proposals that the method draws from.

        Raises:
            SpecError: it needs one, and there is none.
        """
        if self.method == "mc":
            return ()
        if self.proposal is None:
            raise SpecError(f"method {self.method!r} needs a proposal")
        return (self.proposal,) if self.method == "is" else (self.proposal, *self.companions)


# A direction takes a second to build and is asked for at every move of a slider. It goes with its model.
_others: WeakKeyDictionary[LoadedModel, dict[str, LoadedModel]] = WeakKeyDictionary()
_directions: WeakKeyDictionary[LoadedModel, dict[tuple[str, str], Direction]] = WeakKeyDictionary()


def behaviour_direction(
    loaded: LoadedModel, behaviour: str, position: DirectionPosition
) -> Direction:
    """Returns the direction that a behaviour's contrast pairs give, built once for a loaded model."""
    known = _directions.setdefault(loaded, {})
    key = (load_behaviour(behaviour).fingerprint, position)
    if key not in known:
        known[key] = build_direction(loaded, load_contrast_pairs(behaviour), position)
    return known[key]


def adopt_direction(
    loaded: LoadedModel, behaviour: str, position: DirectionPosition, direction: Direction
) -> None:
    """Makes this the behaviour's direction in a loaded model: another machine has built it."""
    key = (load_behaviour(behaviour).fingerprint, position)
    _directions.setdefault(loaded, {})[key] = direction


def ready_proposals(loaded: LoadedModel, request: EstimateRequest) -> tuple[Proposal, ...]:
    """Returns a request's proposals, made ready for the model.

    Raises:
        SpecError, ModelError: one does not fit the model.
    """
    found = means(loaded, request.behaviour)
    return tuple(prepare(loaded, spec, found) for spec in request.proposals)


def means(loaded: LoadedModel, behaviour: str) -> ProposalContext:
    """Returns what proposals for a behaviour may need beyond their specs; each is made once."""
    return ProposalContext(
        direction=lambda position: behaviour_direction(loaded, behaviour, position),
        load=lambda name: _other_model(loaded, name),
    )


@dataclass(frozen=True)
class Fingerprints:
    """What decides a request's draws beyond its spec: hashes of the model and of what proposals name."""

    model: str
    proposals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """Rows start..stop of a sample, all drawn in the same shares. number: which stage, from 0."""

    spec: SamplingSpec
    start: int
    stop: int
    number: int


def fingerprints(loaded: LoadedModel, proposals: Sequence[Proposal]) -> Fingerprints:
    """Returns the hashes of a model and of proposals made ready for it."""
    return Fingerprints(loaded.fingerprint, tuple(one.fingerprint for one in proposals))


def sampling_spec(
    request: EstimateRequest, known: Fingerprints, shares: Sequence[float]
) -> SamplingSpec:
    """Returns the spec of rows that the target and the proposals draw in these shares."""
    return SamplingSpec.build(
        model_fingerprint=known.model,
        query=request.query,
        generation=request.generation,
        proposals=request.proposals,
        fingerprints=known.proposals,
        shares=tuple(shares),
        seed=request.seed,
    )


def stages(
    request: EstimateRequest, known: Fingerprints, samples: int
) -> Generator[Stage, Sequence[JudgedShard]]:
    """Yields a sample's stages; to each it must be sent the stage's shards, drawn and judged, in any order.

    With method `mis` the shares of a stage follow from the draws of the stages before it, read under the
    behaviour's own threshold: another one draws nothing anew. Nothing here draws or stores: whoever
    drives it decides where that is done.
    """
    planned = load_behaviour(request.behaviour).spec.threshold
    as_planned = request.model_copy(update={"threshold": planned})
    found: list[JudgedShard] = []
    shares, start = _first_shares(request), 0
    for number, rows in enumerate(stage_sizes(samples, adaptive=request.method == "mis")):
        if number > 0:
            shares = next_shares(collect_draws(found, as_planned), request.defensive_share)
        # Rows are counted through: two stages of equal shares must not draw the same rows.
        spec = sampling_spec(request, known, shares)
        found += yield Stage(spec, start, start + rows, number)
        start += rows


def sample(
    loaded: LoadedModel,
    request: EstimateRequest,
    judge: Judge,
    samples: int,
    store: AnyStore,
    *,
    batch_rows: int = SHARD_ROWS,
) -> Iterator[JudgedShard]:
    """Returns an iterator over a request's shards, drawn and judged here, in the order of the rows.

    Raises:
        SpecError, ModelError: the request does not fit the model; at once, not at the first shard.
    """
    proposals = ready_proposals(loaded, request)
    plan = stages(request, fingerprints(loaded, proposals), samples)
    first = next(plan)  # refuses what does not fit

    def shards() -> Iterator[JudgedShard]:
        stage: Stage | None = first
        while stage is not None:
            judged = []
            for shard in draw_shards(
                loaded,
                stage.spec,
                stage.stop,
                store,
                proposals=proposals,
                batch_rows=batch_rows,
                start=stage.start,
            ):
                judged.append(judge_shard(loaded, judge, request.query, shard, store, stage.number))
                yield judged[-1]
            stage = _after(plan, judged)

    return shards()


def _after(
    plan: Generator[Stage, Sequence[JudgedShard]], judged: Sequence[JudgedShard]
) -> Stage | None:
    try:
        return plan.send(judged)
    except StopIteration:
        return None


def _first_shares(request: EstimateRequest) -> tuple[float, ...]:
    """Returns the target's share and each proposal's before anything is known."""
    if request.method == "mc":
        return (1.0,)
    if request.method == "is":
        return (request.defensive_share, 1.0 - request.defensive_share)
    return even_shares(len(request.proposals) + 1)


def _other_model(loaded: LoadedModel, name: str) -> LoadedModel:
    """Returns another model on the same device, loaded once for a target."""
    known = _others.setdefault(loaded, {})
    if name not in known:
        known[name] = load_model(name, loaded.loading.model_copy(update={"revision": None}))
    return known[name]


def collect_draws(shards: Sequence[JudgedShard], request: EstimateRequest) -> Draws:
    """Returns the shards' draws, in row order, as the estimators take them; the target's column is last.

    The sum of a row's token log-probabilities includes its stop token: it is part of the answer's
    probability. An answer cut at max_new_tokens has no such factor.
    """
    ordered = in_order(shards)
    log_p = _joined([shard.drawn.rows.log_p.sum(1) for shard in ordered])
    log_q = np.concatenate([shard.drawn.rows.log_q.sum(2) for shard in ordered], axis=1)
    drawn_by = np.concatenate([shard.drawn.component for shard in ordered])
    scores = _joined([shard.scores for shard in ordered])
    with np.errstate(invalid="ignore"):
        harmful = scores >= request.threshold
    last = len(log_q)
    return Draws(
        log_p=log_p,
        log_q=np.concatenate([log_q, log_p[None]]).T,
        component=np.where(drawn_by == 0, last, drawn_by - 1),
        component_names=(*proposal_names(last), "target"),
        target_component=last,
        harmful=harmful,
        judged=~np.isnan(scores),
        stage=np.concatenate(
            [np.full(len(shard.drawn), shard.stage, dtype=np.int64) for shard in ordered]
        ),
        forward_tokens=sum(shard.drawn.forward_tokens for shard in ordered),
        seconds=sum(shard.drawn.seconds for shard in ordered),
    )


def in_order(shards: Sequence[JudgedShard]) -> list[JudgedShard]:
    """Returns the shards in the order of their rows."""
    return sorted(shards, key=lambda shard: (shard.stage, shard.drawn.start))


def proposal_names(count: int) -> tuple[str, ...]:
    """Returns what the proposals are called beside an estimate."""
    return ("proposal",) if count == 1 else tuple(f"proposal {n + 1}" for n in range(count))


def second_request(
    loaded: LoadedModel, request: EstimateRequest, store: AnyStore
) -> EstimateRequest:
    """Returns the request of a second, unlike proposal: a witness against what the first one misses.

    With method `mis` the same proposal is one of the components instead (`core.runs.extra_components`).
    """
    longest = request.generation.max_new_tokens
    base = known_default(loaded, request.behaviour, store) or request.proposal or SteerSpec()
    return request.model_copy(
        update={"method": "is", "proposal": softened(base, longest), "defensive_share": 0.0}
    )


def second_samples(samples: int) -> int:
    """Returns how many draws the second proposal gets beside `samples` of the first."""
    return min(max(MIN_SECOND_SAMPLES, samples // 5), MAX_SECOND_SAMPLES)


def second_shards(
    loaded: LoadedModel, request: EstimateRequest, judge: Judge, samples: int, store: AnyStore
) -> list[JudgedShard]:
    """Returns the second proposal's shards beside `samples` of the first."""
    witness = second_request(loaded, request, store)
    return list(sample(loaded, witness, judge, second_samples(samples), store))


def estimate_request(
    loaded: LoadedModel, request: EstimateRequest, judge: Judge, samples: int, store: AnyStore
) -> Estimate:
    """Returns a request's estimate in one call, for those who watch no progress.

    Raises:
        SpecError, ModelError: the request does not fit the model.
    """
    shards = list(sample(loaded, request, judge, samples, store))
    if request.method != "is":
        return estimate_shards(shards, request)
    return estimate_shards(shards, request, second_shards(loaded, request, judge, samples, store))


def estimate_shards(
    shards: Sequence[JudgedShard],
    request: EstimateRequest,
    second: Sequence[JudgedShard] = (),
    confidence: float = 0.95,
) -> Estimate:
    """Returns the estimate from a sample's shards; with `is`, the verdict hears the second proposal."""
    draws = collect_draws(shards, request)
    witness = None
    if second:
        witness = collect_draws(second, request.model_copy(update={"method": "is"}))
    return estimate(draws, method=request.method, confidence=confidence, second=witness)


def _joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(parts).astype(np.float64)
