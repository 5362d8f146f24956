"""One query's estimate, from its request to its report: what the command line and the Python API share."""

from collections.abc import Callable, Generator, Mapping, Sequence
from time import perf_counter
from types import MappingProxyType
from typing import Any

from core.errors import SpecError
from core.estimation.words import per_million
from core.judges import behaviour_judge, load_judge
from core.judges.base import Judge
from core.judges.budget import check_cost
from core.judges.identity import JudgeIdentity
from core.judges.remembered import remembered
from core.models.asked_with import asked_with, own_settings_of, written_date
from core.models.checked import load_checked
from core.models.loading import LoadedModel
from core.proposals import AnyProposalSpec, SteerSpec, build_proposal, target_arm
from core.runs.defaults import known_default
from core.runs.estimate import (
    estimate_shards,
    sample_in_hand,
    second_request,
    second_samples,
)
from core.runs.extra_components import companions
from core.runs.forecast import forecast, needs_pilot, worth_measuring
from core.runs.prepare import building_steps, fingerprints, ready_proposals
from core.runs.reference import find_reference
from core.runs.report import EstimateReport
from core.runs.request import EstimateRequest, ahead_rule, sampling_plan
from core.sampling.scored import JudgedShard
from core.sampling.shards import SHARD_ROWS, AnyStore, stored_pieces
from core.search.pilot import measure_default
from core.spec import UNWEIGHTED, check_samples
from core.tasks import DRAWING, LOADING, Progress, Steps, named

# With these a `steer` proposal is whole, and no default is measured for it.
WHOLE_STEERING = frozenset({"strength", "alpha_mix", "t_switch", "layer"})


def estimate_query(
    request: EstimateRequest,
    samples: int,
    store: AnyStore,
    *,
    loaded: LoadedModel | None = None,
    steering: Mapping[str, Any] = MappingProxyType({}),
    batch_rows: int = SHARD_ROWS,
    max_cost: float | None = None,
    notify: Callable[[str], object] = lambda note: None,
) -> Steps[None, EstimateReport]:
    """Yields its progress and returns the report. What the store holds is not drawn again.

    A request without a proposal gets the behaviour's measured default, and with method `mis` the proposals
    that are combined with it.

    Parameters
    ----------
    samples: answers to draw.
    loaded: the request's model; None: it is checked and loaded here.
    steering: fields of a `steer` proposal in place of the default's; only for a request without a proposal.
    batch_rows: answers computed at once; changes no result.
    max_cost: of a judge behind a server, in the currency of its file; None for any.
    notify: called with what the user must know before anything is drawn: costs, warnings on the model.

    Raises
    ------
    TailscopeError: bad input, in one sentence.
    """
    check_samples(samples)
    if batch_rows < 1:
        raise SpecError(f"batch must be 1 or more, got {batch_rows}")
    yield Progress(message=LOADING)
    longest = request.generation.max_new_tokens
    if loaded is None:
        loaded, batch_rows = load_checked(
            request.model, request.loading, batch_rows, longest, notify
        )
    target_arm(loaded, [request.query], request.generation)  # refuses a query that does not fit
    # The default proposal is measured under the behaviour's own judge.
    own = remembered(behaviour_judge(request.behaviour), store)
    judge = own if request.judge is None else remembered(load_judge(request.judge), store)
    extra = second_samples(samples) if request.method == "is" else 0
    check_cost(judge, [request.query], samples + extra, longest, max_cost, notify)
    known = known_default(loaded, request.behaviour, store, request.generation) is not None
    pilot = needs_pilot(request, known=known or set(steering) >= WHOLE_STEERING)
    if pilot:
        _tell_time(loaded, request, samples, notify, pilot=True)
    request = yield from with_proposals(loaded, request, own, store, steering)
    if request.method not in UNWEIGHTED:
        yield from building_steps(loaded, request.behaviour, request.proposals)
    if request.method == "ahead" and not ahead_rule(request).settles_early:
        notify(
            "this judge clears an answer by what may come until the end, so harm is counted at the last "
            "token only, and look-ahead gains less"
        )
    measure = not pilot and worth_measuring(loaded, samples)
    if measure and not _begun(loaded, request, samples, store):
        _tell_time(loaded, request, samples, notify)
    shards = yield from _drawn(loaded, request, judge, samples, store, batch_rows)
    second: list[JudgedShard] = []
    if request.method == "is":
        witness = second_request(loaded, request, store)
        steps = _drawn(loaded, witness, judge, second_samples(samples), store, batch_rows)
        second = yield from named("drawing from a second proposal", steps)
    return EstimateReport(
        request=request,
        model_fingerprint=loaded.fingerprint,
        judge=JudgeIdentity.of(judge.spec(), request.judge or request.behaviour),
        samples=samples,
        estimate=estimate_shards(shards, request, second),
        reference=find_reference(request),
        events=tuple(store.drain_events()),
        template_date=written_date(loaded, request.generation),
        own_settings_unused=own_settings_of(loaded).unused(request.generation),
        told=asked_with(loaded, request.generation),
        loaded=loaded,
        shards=tuple(shards),
    )


def _tell_time(
    loaded: LoadedModel,
    request: EstimateRequest,
    samples: int,
    notify: Callable[[str], object],
    *,
    pilot: bool = False,
) -> None:
    """Says how long it will take, if long; and what takes less."""
    said = forecast(loaded, request, pilot=pilot).sentence(samples)
    if said is not None:
        notify(said)


def _begun(loaded: LoadedModel, request: EstimateRequest, samples: int, store: AnyStore) -> bool:
    """Returns whether the store holds answers of this sample: what is left is then told by its progress."""
    known = fingerprints(loaded, ready_proposals(loaded, request))
    plan = sampling_plan(request, known, samples, request.threshold)
    return next(stored_pieces(store, plan.spec, 0, samples))[1] is not None


def with_proposals(
    loaded: LoadedModel,
    request: EstimateRequest,
    judge: Judge,
    store: AnyStore,
    steering: Mapping[str, Any] = MappingProxyType({}),
) -> Steps[None, EstimateRequest]:
    """Yields the progress of a pilot, if one is needed, and returns the request with its proposals.

    judge: the behaviour's own. steering: as for `estimate_query`.
    """
    if request.method in UNWEIGHTED:
        return request
    first, others = request.proposal, request.companions
    if first is None:
        first = yield from _measured(loaded, request, judge, store, steering)
    if request.method == "mis" and not others:
        generation = request.generation
        longest = generation.max_new_tokens
        others = companions(loaded, request.behaviour, first, longest, store, generation)
    return EstimateRequest.build(
        **request.model_dump() | {"proposal": first, "companions": tuple(others)}
    )


def _measured(
    loaded: LoadedModel,
    request: EstimateRequest,
    judge: Judge,
    store: AnyStore,
    steering: Mapping[str, Any],
) -> Steps[None, AnyProposalSpec]:
    """Returns the measured default, a pilot's where none is known, with the steering given."""
    if set(steering) >= WHOLE_STEERING:
        return SteerSpec.build(**steering)
    default: AnyProposalSpec | None = known_default(
        loaded, request.behaviour, store, request.generation
    )
    if default is None:
        result = yield from measure_default(
            loaded, request.behaviour, judge, store, generation=request.generation
        )
        default = result.best("variance")
    switch = min(default.t_switch, request.generation.max_new_tokens)
    return build_proposal({**default.model_dump(), "t_switch": switch, **steering})


def _drawn(
    loaded: LoadedModel,
    request: EstimateRequest,
    judge: Judge,
    samples: int,
    store: AnyStore,
    batch_rows: int,
) -> Generator[Progress[None], None, list[JudgedShard]]:
    """Returns the sample's shards, drawn and judged."""
    shards: list[JudgedShard] = []
    done = stored = 0
    so_far = _SoFar(request)
    # The pace begins here: what went before is none of it.
    yield Progress(0, samples, "answers", message=DRAWING)
    for each in sample_in_hand(loaded, request, judge, samples, store, batch_rows=batch_rows):
        if not isinstance(each, JudgedShard):
            head = [] if each.partial is None else [each.partial]
            message = so_far.words([*shards, *head])
            yield Progress(done + each.done, samples, "answers", stored, message)
            continue
        shards.append(each)
        done += len(each.drawn)
        stored += len(each.drawn) if each.drawn.stored else 0
        yield Progress(done, samples, "answers", stored, so_far.words(shards))
    return shards


class _SoFar:
    """Says what is known by now. A look at a long sample takes longer: looking gets a tenth of the time."""

    def __init__(self, request: EstimateRequest) -> None:
        self._request = request
        self._words, self._rows = DRAWING, 0
        self._looked = self._spent = 0.0

    def words(self, shards: Sequence[JudgedShard]) -> str:
        rows = sum(len(shard.drawn) for shard in shards)
        began = perf_counter()
        if rows > self._rows and began - self._looked > 9 * self._spent:
            found = estimate_shards(shards, self._request)
            known = [found.estimate, found.ci_low, found.ci_high]
            value, low, high = map(per_million, known)
            number = f"{value} ({low} to {high})" if found.estimate > 0 else f"below {high}"
            self._words, self._rows = f"{DRAWING}; so far {number}", rows
            self._looked = perf_counter()
            self._spent = self._looked - began
        return self._words
