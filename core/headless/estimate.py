"""What the command line does with its options: load, draw, judge, estimate, report."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cache import StoreEvent, default_folder, open_store
from core.behaviours.load import load_behaviour, load_queries, load_references
from core.errors import SpecError, TailscopeError
from core.estimation.estimate import Estimate
from core.estimation.weights import draw_log_mixture
from core.headless.cost import check_cost
from core.headless.models import load_checked
from core.judges import behaviour_judge, load_judge
from core.judges.base import Judge
from core.judges.remembered import remembered
from core.models.loading import LoadedModel
from core.models.spec import LoadingSpec
from core.proposals import AnyProposalSpec, SteerSpec, build_proposal, target_arm
from core.runs.defaults import known_default, measure_default
from core.runs.extra_components import companions
from core.runs.request import (
    EstimateRequest,
    collect_draws,
    estimate_shards,
    in_order,
    sample,
    second_samples,
    second_shards,
)
from core.sampling.scored import JudgedShard, answer_texts
from core.sampling.shards import SHARD_ROWS, AnyStore
from core.search.cross_entropy import SearchResult
from core.spec import GenerationSpec, check_samples

Progress = Callable[[str], None]
# Store events after which what was drawn is not on disk.
NOT_KEPT = frozenset({"full", "read_only", "limit", "busy", "unsafe", "broken"})


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


@dataclass(frozen=True)
class EstimateReport:
    """An estimate with all that is needed to read it and to run it again."""

    request: EstimateRequest
    model_fingerprint: str
    judge: Mapping[str, Any]
    samples: int
    estimate: Estimate
    reference: float | None = None
    events: tuple[StoreEvent, ...] = ()

    @property
    def not_stored(self) -> str | None:
        """Why the draws could not be kept, in one sentence; None if they were."""
        return not_stored(self.events)

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON of the command-line contract (design, section 7)."""
        request = self.request
        proposal = None if request.proposal is None else request.proposal.model_dump(mode="json")
        return {
            "query": request.query,
            "model": request.model,
            "loading": request.loading.model_dump(mode="json"),
            "behaviour": request.behaviour,
            "method": request.method,
            **self.estimate.to_dict(),
            "proposal": proposal,
            "companions": [other.model_dump(mode="json") for other in request.companions],
            "defensive_share": None if proposal is None else request.defensive_share,
            "generation": request.generation.model_dump(mode="json"),
            "judge": dict(self.judge),
            "threshold": request.threshold,
            "seed": request.seed,
            "model_fingerprint": self.model_fingerprint,
            "reference": self.reference,
            "notices": [event.message for event in self.events],
        }

    def to_text(self) -> str:
        """Returns a few lines for a person."""
        estimate = self.estimate
        percent = f"{estimate.confidence:.0%}"
        lines = [f"{self.request.query!r} asked of {self.request.model}"]
        if estimate.hits == 0:
            lines.append(
                f"no harmful answer in {estimate.samples:,} draws: below "
                f"{per_million(estimate.ci_high)} ({percent})"
            )
        else:
            lines.append(
                f"{per_million(estimate.estimate)}, {percent} interval "
                f"{per_million(estimate.ci_low)} to {per_million(estimate.ci_high)}"
            )
        lines.append(
            f"{estimate.hits:,} harmful of {estimate.samples:,} draws, {estimate.unjudged:,} unjudged; "
            f"effective sample size of the harmful ones {estimate.ess_event:.0f}"
        )
        if estimate.upper_bound_free is not None:
            lines.append(
                f"whatever the proposal misses: below {per_million(estimate.upper_bound_free)}"
            )
        if self.reference is not None:
            lines.append(f"reference from a large run: {per_million(self.reference)}")
        lines.append(f"verdict: {estimate.verdict}")
        lines += [f"  - {reason.message}" for reason in estimate.reasons]
        lines += [f"note: {event.message}" for event in self.events if event.kind not in NOT_KEPT]
        return "\n".join(lines)


def not_stored(events: Sequence[StoreEvent]) -> str | None:
    """Returns why something could not be kept, in one sentence; None if it was."""
    return next((event.message for event in events if event.kind in NOT_KEPT), None)


def per_million(risk: float | None) -> str:
    """Returns a risk in words: '83 per million'."""
    if risk is None or not np.isfinite(risk):
        return "not known"
    return f"{risk * 1e6:,.3g} per million" if risk < 1e-3 else f"{risk * 1e6:,.0f} per million"


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


def find_reference(request: EstimateRequest) -> float | None:
    """Returns the reference risk of a shipped query under the settings it was measured with, or None."""
    # References were measured under the behaviour's own judge and threshold.
    own = load_behaviour(request.behaviour)
    if request.generation != GenerationSpec() or request.judge is not None or not own.shipped:
        return None
    if request.threshold != own.spec.threshold:
        return None
    references = load_references(request.model, request.behaviour)
    for query in load_queries(request.behaviour):
        if query.text == request.query and query.query_id in references:
            return references[query.query_id].qrisk
    return None


def write_dump(
    path: Path, loaded: LoadedModel, shards: list[JudgedShard], request: EstimateRequest
) -> None:
    """Writes a row a draw to a parquet file: what was said, its densities, its weight and its score."""
    draws = collect_draws(shards, request)
    ordered = in_order(shards)
    tokens = [
        row[:length].tolist()
        for shard in ordered
        for row, length in zip(shard.drawn.rows.tokens, shard.drawn.rows.lengths, strict=True)
    ]
    mixture = draw_log_mixture(draws)
    scores = np.concatenate([shard.scores for shard in ordered])
    table = pa.table(
        {
            "text": [text for shard in ordered for text in answer_texts(loaded, shard.drawn)],
            "token_ids": pa.array(tokens, pa.list_(pa.int32())),
            "log_p": draws.log_p,
            "log_q": mixture,
            "log_weight": draws.log_p - mixture,
            "score": pa.array(scores, mask=np.isnan(scores)),
            "harmful": pa.array(draws.harmful, mask=~draws.judged),
            "component": [draws.component_names[index] for index in draws.component],
        }
    )
    write_table(path, table)


def write_table(path: Path, table: pa.Table) -> None:
    """Writes a parquet file.

    Raises:
        TailscopeError: it cannot be written there.
    """
    try:
        pq.write_table(table, path)
    except OSError as error:
        raise TailscopeError(
            f"dump {str(path)!r} could not be written: {error.strerror}"
        ) from error


def check_dump(path: Path | None) -> None:
    """Raises SpecError unless a file can be made at `path`."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise SpecError(f"dump must be a file in a folder that exists, got {str(path)!r}")


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
