"""What the command line does with its options: load, draw, judge, estimate, report."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache import default_folder, open_store
from core.behaviours.load import load_behaviour
from core.errors import SpecError
from core.judges import behaviour_judge, load_judge
from core.judges.base import Judge
from core.judges.budget import check_cost
from core.judges.remembered import remembered
from core.models.checked import load_checked
from core.models.loading import LoadedModel
from core.models.spec import LoadingSpec
from core.proposals import AnyProposalSpec, SteerSpec, build_proposal, target_arm
from core.runs.defaults import known_default, measure_default
from core.runs.dump import check_dump, write_dump
from core.runs.extra_components import companions
from core.runs.reference import find_reference
from core.runs.report import EstimateReport
from core.runs.request import (
    EstimateRequest,
    estimate_shards,
    sample,
    second_samples,
    second_shards,
)
from core.sampling.scored import JudgedShard
from core.sampling.shards import SHARD_ROWS, AnyStore
from core.search.cross_entropy import SearchResult
from core.spec import GenerationSpec, check_samples

Progress = Callable[[str], None]


@dataclass(frozen=True)
class EstimateOptions:
    """The options of `estimate`, as given: nothing is checked yet.

    steering: fields of a `steer` proposal; what is left out comes from the measured default. proposals:
    whole proposals as JSON, instead of it; with `mis` all but the first are its companions. judge: a judge's
    file or short name, instead of the behaviour's own. threshold: None for the behaviour's. max_cost:
    of a judge behind a server, None for any.
    """

    query: str
    model: str
    loading: Mapping[str, Any]
    behaviour: str
    method: str
    samples: int
    seed: int
    steering: Mapping[str, Any]
    defensive_share: float
    generation: Mapping[str, Any]
    threshold: float | None = None
    proposals: Sequence[str] = ()
    batch_rows: int = SHARD_ROWS
    cache: Path | None = None
    dump: Path | None = None
    judge: str | None = None
    max_cost: float | None = None


def estimate_headless(options: EstimateOptions, progress: Progress | None = None) -> EstimateReport:
    """Returns the report of one `estimate` command.

    Raises:
        TailscopeError: bad input, in one sentence.
    """
    tell = progress or (lambda text: None)
    samples = check_samples(options.samples)
    if options.batch_rows < 1:
        raise SpecError(f"batch must be 1 or more, got {options.batch_rows}")
    threshold = options.threshold
    if threshold is None:
        threshold = load_behaviour(options.behaviour).spec.threshold
    # Checked with a stand-in proposal first: a slip in a number should not cost a model load.
    request = EstimateRequest.build(
        query=options.query,
        model=options.model,
        loading=LoadingSpec.build(**options.loading),
        behaviour=options.behaviour,
        method=options.method,
        generation=GenerationSpec.build(**options.generation),
        proposal=SteerSpec.build(**options.steering) if options.method != "mc" else None,
        defensive_share=options.defensive_share,
        judge=options.judge,
        threshold=threshold,
        seed=options.seed,
    )
    given = [parsed_proposal(text) for text in options.proposals]
    if given and options.steering:
        raise SpecError(
            f"proposal and steer, mix, switch, layer, direction or positions exclude each other, got "
            f"proposal {options.proposals[0]!r} and {', '.join(options.steering)}"
        )
    if len(given) > 1 and options.method != "mis":
        raise SpecError(
            f"method {options.method!r} takes one proposal, got {len(given)}; use 'mis'"
        )
    check_dump(options.dump)
    tell("loading the model")
    loaded, batch_rows = load_checked(
        request.model, request.loading, options.batch_rows, request.generation.max_new_tokens
    )
    target_arm(loaded, [request.query], request.generation)  # refuses a query that does not fit
    # The default proposal is measured under the behaviour's own judge.
    store = open_store(options.cache or default_folder())
    own = remembered(behaviour_judge(options.behaviour), store)
    judge = own if options.judge is None else remembered(load_judge(options.judge), store)
    longest = request.generation.max_new_tokens
    extra = second_samples(samples) if request.method == "is" else 0
    check_cost(judge, [request.query], samples + extra, longest, options.max_cost)
    if request.method != "mc":
        first, *others = given or [_steering(loaded, request, options.steering, own, store, tell)]
        if request.method == "mis" and not others:
            others = list(companions(loaded, request.behaviour, first, longest, store))
        request = EstimateRequest.build(
            **request.model_dump() | {"proposal": first, "companions": tuple(others)}
        )
    shards: list[JudgedShard] = []
    drawn = 0
    for shard in sample(loaded, request, judge, samples, store, batch_rows=batch_rows):
        shards.append(shard)
        drawn += len(shard.drawn)
        tell(f"{drawn:,} of {samples:,} answers drawn")
    second: list[JudgedShard] = []
    if request.method == "is":
        tell("asking a second proposal")
        second = second_shards(loaded, request, judge, samples, store)
    tell("")
    if options.dump is not None:
        write_dump(options.dump, loaded, shards, request)
    return EstimateReport(
        request=request,
        model_fingerprint=loaded.fingerprint,
        judge=judge.spec(),
        samples=samples,
        estimate=estimate_shards(shards, request, second),
        reference=find_reference(request),
        events=tuple(store.drain_events()),
    )


def parsed_proposal(text: str) -> AnyProposalSpec:
    """Returns the proposal that a JSON object on the command line stands for."""
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise SpecError(
            f'proposal must be a JSON object like {{"kind": "ablate", "strength": 0.8}}, got {text!r}'
        ) from error
    if not isinstance(fields, dict):
        raise SpecError(f"proposal must be a JSON object, got {text!r}")
    return build_proposal(fields)


def _steering(
    loaded: LoadedModel,
    request: EstimateRequest,
    given: Mapping[str, Any],
    judge: Judge,
    store: AnyStore,
    tell: Progress,
) -> AnyProposalSpec:
    """Returns the proposal asked for; what was left out comes from the measured default."""
    if {"strength", "alpha_mix", "t_switch", "layer"} <= set(given):
        return SteerSpec.build(**given)
    default: AnyProposalSpec | None = known_default(loaded, request.behaviour, store)
    if default is None:
        for event in measure_default(loaded, request.behaviour, judge, store):
            if isinstance(event, SearchResult):
                default = event.best("variance")
            else:
                tell(f"measuring the default proposal: query {event.done} of {event.total}")
    assert default is not None
    fitted = {"t_switch": min(default.t_switch, request.generation.max_new_tokens)}
    return build_proposal({**default.model_dump(), **fitted, **given})
