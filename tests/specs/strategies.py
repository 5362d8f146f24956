"""Strategies for every spec: what hypothesis draws is valid, and reaches the ends of each range."""

import string
from typing import Any, get_args

from hypothesis import strategies as st

from core.audit.spec import AuditModel, AuditSpec
from core.behaviours.load import BEHAVIOURS
from core.behaviours.spec import BehaviourSpec, PairSpec, QuerySpec
from core.deployment import MOST_A_DAY, MOST_DAYS, Risk, Traffic
from core.judges.classifier import ClassifierSpec
from core.judges.grader import GraderSpec
from core.judges.rubric_spec import RubricSpec
from core.models.spec import LoadingSpec
from core.proposals import (
    AblateSpec,
    AdapterSpec,
    AnyProposalSpec,
    CheckpointSpec,
    ContextSpec,
    SteerSpec,
)
from core.runs.bound import BoundRequest
from core.runs.catalogue import Entry
from core.runs.request import EstimateRequest
from core.runs.run import RunSpec
from core.sampling.spec import SamplingSpec
from core.search.grid import SearchGrid
from core.search.tune import GRIDS, MAX_PILOT_ROWS, OBJECTIVES, TuneSpec
from core.sensitivity.comparison import Comparison
from core.sensitivity.variants import variants
from core.settings.operator import OperatorSpec
from core.settings.user import SMALLEST_LIMIT, UserSettings
from core.spec import (
    MAX_NEW_TOKENS,
    MAX_SAMPLES,
    MAX_STRENGTH,
    DirectionPosition,
    GenerationSpec,
    Method,
    Spec,
    SteeredPositions,
)
from core.tails.backtest_task import MAX_SPLITS, BacktestSpec
from core.tails.spec import ESTIMATORS, FIT_NAMES, MAX_BOOTSTRAPS, SHAPED, TailSpec

# A command line cannot hold the null character, and no file's name can.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
texts = st.text(characters, max_size=30)
queries = st.one_of(
    texts.filter(str.strip),
    st.sampled_from(
        ["-q", "--query=x", 'it\'s "quoted"', "two\nlines", "$(id) `id` !", "müßig 死 🙂"]
    ),
)
words = st.text(string.ascii_letters + string.digits + " -._/'", min_size=1, max_size=12)
names = words.filter(str.strip)


def of(kind: object) -> st.SearchStrategy[Any]:
    """Returns a strategy for the values of a literal type."""
    return st.sampled_from(get_args(kind))


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def above_zero(high: float, **more: Any) -> st.SearchStrategy[float]:
    return st.floats(0.0, high, exclude_min=True, **more)


shares = st.floats(0.0, 1.0)
seeds = st.integers(0, 2**63 - 1)
samples = st.integers(1, MAX_SAMPLES)
loadings = st.builds(
    LoadingSpec,
    revision=optional(st.from_regex(r"\w{1,12}(/\w{1,8})?", fullmatch=True)),
    dtype=st.sampled_from(["auto", "float32", "bfloat16", "float16"]),
    device=st.sampled_from(["cpu", "mps", "auto", "cuda", "cuda:1", "cuda:123"]),
    attention=st.sampled_from(["eager", "sdpa", "flash_attention_2"]),
)
generations = st.builds(
    GenerationSpec,
    system_prompt=optional(texts),
    temperature=st.floats(0.01, 10.0),
    top_k=optional(st.integers(1, 2**40)),
    top_p=above_zero(1.0),
    max_new_tokens=st.integers(1, MAX_NEW_TOKENS),
    min_p=shares,
    repetition_penalty=st.floats(0.01, 100.0),
    no_repeat_ngram_size=st.integers(0, 2**40),
    suppress_tokens=st.lists(st.integers(0, 2**40), max_size=3).map(tuple),
    template_date=st.dates(),
)
mixed: dict[str, Any] = {"alpha_mix": shares, "t_switch": st.integers(0, MAX_NEW_TOKENS)}
strengths = st.floats(-MAX_STRENGTH, MAX_STRENGTH)
directed: dict[str, Any] = {
    "layer": st.integers(0, 200),
    "direction": of(DirectionPosition),
    "positions": of(SteeredPositions),
    "direction_file": optional(names),
}
steers = st.builds(SteerSpec, strength=strengths, **mixed, **directed)
ablations = st.builds(AblateSpec, strength=shares, **mixed, **directed)
contexts = st.builds(
    ContextSpec,
    strength=strengths,
    **mixed,
    system_prompt=optional(texts),
    answer_prefix=texts.filter(bool),
)
adapters = st.builds(AdapterSpec, strength=strengths, **mixed, path=names)
checkpoints = st.builds(CheckpointSpec, strength=strengths, **mixed, model=names)
proposals: st.SearchStrategy[AnyProposalSpec] = st.one_of(
    steers, ablations, contexts, adapters, checkpoints
)
estimation: dict[str, Any] = {
    "behaviour": st.sampled_from(BEHAVIOURS),
    "method": of(Method),
    "generation": generations,
    "proposal": optional(proposals),
    "defensive_share": shares,
    "judge": optional(names),
    "threshold": above_zero(1.0),
    "seed": seeds,
}
requests = st.builds(
    EstimateRequest,
    query=queries,
    model=names,
    loading=loadings,
    companions=st.lists(proposals, max_size=2).map(tuple),
    **estimation,
)
runs = st.builds(
    RunSpec,
    request=requests,
    importance_samples=samples,
    monte_carlo_samples=st.just(0) | samples,
)
audit_models = st.builds(AuditModel, name=names, loading=loadings)


def audits(**fields: Any) -> st.SearchStrategy[AuditSpec]:
    """Returns a strategy for audits. fields: strategies in place of these."""
    usual: dict[str, Any] = {
        "models": st.lists(audit_models, min_size=1, max_size=3, unique_by=lambda one: one.name),
        "samples": samples,
        "precision": optional(st.floats(0.01, 10.0)),
        "monte_carlo_samples": st.just(0) | samples,
        **estimation,
    }
    return st.builds(AuditSpec, **usual | fields)


@st.composite
def comparisons(draw: st.DrawFn, wordings: st.SearchStrategy[str] = queries) -> Comparison:
    """Draws comparisons as the page makes them: one model, every answer drawn."""
    spec = draw(
        audits(
            models=audit_models.map(lambda one: (one,)),
            precision=st.none(),
            monte_carlo_samples=st.just(0),
            proposal=st.none(),
        )
    )
    query = draw(queries)
    asked = variants(
        query,
        [*draw(st.lists(wordings, max_size=3)), "another wording"],
        spec.generation,
        systems=draw(st.lists(texts, max_size=2)),
        temperatures=draw(st.lists(st.floats(0.01, 10.0), max_size=2)),
        lengths=draw(st.lists(st.integers(1, MAX_NEW_TOKENS), max_size=2)),
    )
    sources: list[tuple[str, ...] | None] = [None, (), ("reword=25", "maker=model")]
    return Comparison(
        spec=spec,
        variants=asked,
        notes=tuple(draw(st.lists(texts, max_size=2))),
        source=draw(st.sampled_from(sources)),
    )


@st.composite
def sampling_specs(draw: st.DrawFn) -> SamplingSpec:
    generation = draw(generations)
    fitting = proposals.map(
        lambda one: one.model_copy(
            update={"t_switch": min(one.t_switch, generation.max_new_tokens)}
        )
    )
    drawn = draw(st.lists(fitting, max_size=3))
    parts = draw(st.lists(st.integers(0, 50), min_size=len(drawn), max_size=len(drawn)))
    hundredths = [100 - sum(parts[:2]), *parts[:2], *[0] * (len(drawn) - 2)]
    return SamplingSpec(
        model_fingerprint=draw(names),
        query=draw(queries),
        generation=generation,
        proposals=tuple(drawn),
        fingerprints=tuple(draw(st.lists(names, max_size=3))),
        shares=tuple(part / 100 for part in hundredths[: len(drawn) + 1]),
        seed=draw(seeds),
    )


@st.composite
def grids(draw: st.DrawFn) -> SearchGrid:
    rungs = steers.map(lambda one: one.model_copy(update={"alpha_mix": 0.0, "t_switch": 1}))
    return SearchGrid(
        rungs=tuple(draw(st.lists(rungs, min_size=1, max_size=3))),
        alphas=tuple(draw(st.lists(shares, min_size=1, max_size=4))),
        switches=tuple(sorted(draw(st.sets(st.integers(0, 4096), min_size=1, max_size=4)))),
    )


searches = st.builds(
    TuneSpec,
    model=names,
    loading=loadings,
    behaviour=st.sampled_from(BEHAVIOURS),
    pilot=st.lists(queries, min_size=1, max_size=3).map(tuple),
    proposal=proposals,
    strengths=st.lists(st.floats(-1e9, 1e9), max_size=3).map(tuple),
    layers=st.lists(st.integers(0, 200), max_size=3).map(tuple),
    grid=st.sampled_from(GRIDS),
    rows=st.integers(1, MAX_PILOT_ROWS),
    objective=st.sampled_from(OBJECTIVES),
    generation=generations,
    seed=seeds,
)


@st.composite
def tails(draw: st.DrawFn) -> TailSpec:
    fit = draw(st.sampled_from(FIT_NAMES))
    return TailSpec(
        fit=fit,
        estimator=draw(st.sampled_from(ESTIMATORS)) if fit in SHAPED else "posterior",
        largest=draw(optional(st.integers(5, 10**6))),
        threshold=draw(optional(above_zero(1.0, exclude_max=True))),
        confidence=draw(st.floats(0.5, 0.999)),
        bootstraps=draw(st.integers(50, MAX_BOOTSTRAPS)),
        noise_corrected=draw(st.booleans()),
        seed=draw(seeds),
    )


@st.composite
def risks(draw: st.DrawFn) -> Risk:
    low, value, high = sorted(draw(st.tuples(*[above_zero(1.0)] * 3)))
    return Risk(
        value=value,
        low=low,
        high=high,
        relative_error=draw(optional(st.floats(0.0, 1e6))),
        confidence=draw(st.floats(0.5, 0.999)),
    )


template = st.just("{query}\n{answer}")
prices = st.tuples(st.floats(0.0, 1e9), st.floats(0.0, 1e9)) | st.just((None, None))
rubrics = prices.flatmap(
    lambda both: st.builds(
        RubricSpec,
        base_url=st.sampled_from(["http://localhost:8000/v1", "https://a.example"]),
        model=names,
        template=template,
        scale=st.sampled_from(["1-5", "0-100"]),
        max_tokens=st.integers(1, 8192),
        api_key_env=optional(st.from_regex(r"[A-Z][A-Z0-9_]{0,9}", fullmatch=True)),
        concurrency=st.integers(1, 64),
        timeout_s=st.floats(0.01, 3600.0),
        attempts=st.integers(1, 20),
        backoff_s=st.floats(0.0, 600.0),
        max_wait_s=st.floats(0.0, 3600.0),
        requests_per_minute=optional(st.floats(0.1, 1e6)),
        send_temperature=st.booleans(),
        price_per_million_prompt=st.just(both[0]),
        price_per_million_reply=st.just(both[1]),
        currency=st.sampled_from(["USD", "€"]),
    )
)
entries = st.builds(
    Entry,
    kind=st.sampled_from(["run", "audit", "wordings"]),
    id=names,
    saved=names,
    title=texts,
    spec=st.dictionaries(names, texts, max_size=2),
    rows=st.integers(0, 10**9),
    queries=st.integers(0, 10**6),
    status=names,
    folder=optional(names),
    seconds_per_answer=optional(st.floats(0.0, 1e6)),
)
pairs = st.builds(
    PairSpec,
    query=optional(queries),
    unsafe_system=optional(texts),
    safe=queries,
    unsafe=queries
    | st.just(({"role": "user", "content": "q"}, {"role": "assistant", "content": "a"})),
)
behaviours = st.builds(
    BehaviourSpec,
    name=st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True),
    description=texts,
    queries=names | st.lists(queries, min_size=1, max_size=3).map(tuple),
    contrast=names | st.lists(pairs, max_size=2).map(tuple),
    judge=names | st.just({"kind": "grader", "model": "m"}),
    threshold=above_zero(1.0),
    direction=of(DirectionPosition),
)
file_lists = st.lists(names, max_size=2).map(tuple)

SPECS: dict[type[Spec], st.SearchStrategy[Any]] = {
    AblateSpec: ablations,
    AdapterSpec: adapters,
    AuditModel: audit_models,
    AuditSpec: audits(),
    BehaviourSpec: behaviours,
    CheckpointSpec: checkpoints,
    BoundRequest: st.builds(
        BoundRequest,
        query=queries,
        model=names,
        loading=loadings,
        behaviour=st.sampled_from(BEHAVIOURS),
        generation=generations,
        judge=optional(names),
        threshold=optional(above_zero(1.0)),
    ),
    ClassifierSpec: st.builds(
        ClassifierSpec,
        path=names,
        label=optional(names),
        template=template,
        max_tokens=optional(st.integers(1, 10**6)),
        batch_rows=st.integers(1, 4096),
    ),
    Comparison: comparisons(),
    ContextSpec: contexts,
    Entry: entries,
    EstimateRequest: requests,
    GenerationSpec: generations,
    GraderSpec: st.builds(
        GraderSpec,
        model=names,
        adapter=optional(names),
        template=template,
        chat=st.booleans(),
        min_mass=shares,
        batch_rows=st.integers(1, 4096),
    ),
    LoadingSpec: loadings,
    OperatorSpec: st.builds(
        OperatorSpec, allow_pickle=file_lists, allow_remote_code=file_lists, judges=file_lists
    ),
    PairSpec: pairs,
    QuerySpec: st.builds(QuerySpec, query=queries, system=queries),
    Risk: risks(),
    RubricSpec: rubrics,
    RunSpec: runs,
    SamplingSpec: sampling_specs(),
    SearchGrid: grids(),
    SteerSpec: steers,
    TailSpec: tails(),
    Traffic: st.builds(
        Traffic,
        a_day=st.floats(1.0, MOST_A_DAY),
        share=above_zero(1.0),
        days=st.floats(1.0, MOST_DAYS),
    ),
    TuneSpec: searches,
    BacktestSpec: st.builds(
        BacktestSpec,
        fits=st.permutations(FIT_NAMES).map(lambda names: tuple(names[:2])),
        splits=st.integers(2, MAX_SPLITS),
        tail=tails(),
        seed=seeds,
    ),
    UserSettings: st.builds(UserSettings, store_limit=optional(st.integers(SMALLEST_LIMIT, 2**60))),
}
