"""From a request to an estimate: the one call behind the command line, the pages and the benchmarks."""

from collections.abc import Iterable, Iterator, Sequence

from core.behaviours.load import load_behaviour
from core.estimation.certain_bounds import CertainBounds, certain_bounds
from core.estimation.estimate import estimate
from core.estimation.record import Estimate
from core.judges.base import Judge
from core.models.loading import LoadedModel
from core.proposals import SteerSpec
from core.runs.defaults import known_default
from core.runs.extra_components import softened
from core.runs.prepare import ahead_witness, fingerprints, ready_proposals, show
from core.runs.request import EstimateRequest, sampling_plan
from core.sampling import adaptive
from core.sampling.collect import collect_draws
from core.sampling.scored import JudgedShard, judge_head, judge_shard
from core.sampling.shards import SHARD_ROWS, AnyStore, DrawnShard, shards_in_hand
from core.tasks import Progress

MIN_SECOND_SAMPLES = 100
MAX_SECOND_SAMPLES = 1_000


# How far a shard is that is being drawn, in answers; those that are finished, judged, if any are.
JudgedInHand = Progress[JudgedShard | None]


def sample(
    loaded: LoadedModel,
    request: EstimateRequest,
    judge: Judge,
    samples: int,
    store: AnyStore,
    *,
    batch_rows: int = SHARD_ROWS,
) -> Iterator[JudgedShard]:
    """Returns an iterator over the shards of `sample_in_hand` that are whole. Raises: as it does."""
    drawn = sample_in_hand(loaded, request, judge, samples, store, batch_rows=batch_rows)
    return (each for each in drawn if isinstance(each, JudgedShard))


def sample_in_hand(
    loaded: LoadedModel,
    request: EstimateRequest,
    judge: Judge,
    samples: int,
    store: AnyStore,
    *,
    batch_rows: int = SHARD_ROWS,
) -> Iterator[JudgedShard | JudgedInHand]:
    """Returns an iterator over a request's shards, drawn and judged here, in the order of the rows.

    Between them it tells how far the next one is.

    Raises:
        SpecError, ModelError: the request does not fit the model; at once, not at the first shard.
    """
    proposals = ready_proposals(loaded, request)
    planned = load_behaviour(request.behaviour).spec.threshold
    plan = sampling_plan(request, fingerprints(loaded, proposals), samples, planned)
    witness = ahead_witness(loaded, request, judge)

    def of_stage(stage: adaptive.Stage) -> Iterator[JudgedShard | JudgedInHand]:
        head: JudgedShard | None = None
        for each in shards_in_hand(
            loaded,
            stage.spec,
            stage.stop,
            store,
            proposals=proposals,
            batch_rows=batch_rows,
            start=stage.start,
            ahead=None if witness is None else witness.ahead,
        ):
            if isinstance(each, DrawnShard):
                show(witness, each)
                asked = loaded, judge, request.query, each, store, stage.number
                yield judge_shard(*asked, head)
                head = None
                continue
            if each.partial is not None and (head is None or head.drawn is not each.partial):
                head = judge_head(loaded, judge, request.query, each.partial, stage.number, head)
            yield each.with_partial(head)

    def shards() -> Iterator[JudgedShard | JudgedInHand]:
        state = adaptive.init(plan)
        while (stage := adaptive.next_rows(state)) is not None:
            judged = []
            for each in of_stage(stage):
                if isinstance(each, JudgedShard):
                    judged.append(each)
                yield each
            state = adaptive.update(state, judged)

    return shards()


def second_request(
    loaded: LoadedModel, request: EstimateRequest, store: AnyStore
) -> EstimateRequest:
    """Returns the request of a second, unlike proposal: a witness against what the first one misses.

    With method `mis` the same proposal is one of the components instead (`core.runs.extra_components`).
    """
    longest = request.generation.max_new_tokens
    known = known_default(loaded, request.behaviour, store, request.generation)
    base = known or request.proposal or SteerSpec()
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
    """Returns a request's estimate in one call, without progress.

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
    """Returns the estimate from a sample's shards; with `is`, the verdict weighs the second proposal."""
    draws = collect_draws(shards, request.threshold)
    witness = collect_draws(second, request.threshold) if second else None
    return estimate(draws, method=request.method, confidence=confidence, second=witness)


def certain_of(samples: Iterable[Sequence[JudgedShard]], threshold: float) -> CertainBounds:
    """Returns what is certain by the answers of several samples of one question, whatever drew them."""
    return certain_bounds([collect_draws(shards, threshold) for shards in samples if shards])
