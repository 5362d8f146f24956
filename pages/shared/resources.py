"""What all sessions of this process share: models, the store, running tasks. Each is made once."""

from typing import Any
from weakref import WeakValueDictionary

import streamlit as st

from core.behaviours.load import load_behaviour, load_queries, load_references
from core.judges import Judge, behaviour_judge, judge_stamp, load_judge
from core.judges.remembered import remembered
from core.models.loading import DEFAULT_MODEL, LoadedModel, load_model
from core.models.spec import LoadingSpec
from core.models.task import LoadedOnce, taken_model, task_name
from core.proposals import AnyProposalSpec, DirectedSpec, SteerSpec
from core.proposals.base import direction_of
from core.runs.default_method import default_method
from core.runs.defaults import known_default
from core.runs.extra_components import companions
from core.runs.first_look import FirstLook, first_look
from core.runs.prepare import behaviour_direction, proposal_context
from core.runs.preview import Preview, preview
from core.runs.reference import find_reference
from core.runs.request import EstimateRequest
from core.runs.run import RunSpec, make_task, open_default_store, save_run
from core.runs.task import RunSoFar, RunTask
from core.sampling.shards import AnyStore
from core.search.cross_entropy import SearchResult
from core.spec import UNWEIGHTED, DirectionPosition, GenerationSpec, Method
from core.steering.direction import Direction
from core.tasks import Registry
from pages.shared.paid_judges import UnaskedJudge, is_paid
from pages.shared.state import Settings, estimation_of

DEFAULT_MONTE_CARLO_SAMPLES = 10_000
DEMONSTRATION_RISK = 1e-4
# A good specimen: Monte Carlo's first thousands find nothing, which is what nine runs in ten show.
DEMONSTRATION_QUERIES = {"misuse": "misuse-05-5"}
# A demonstration draws the reference as a line: its own error must not show beside the band.
SHARP_REFERENCE = 0.03


def model(name: str, loading: LoadingSpec) -> LoadedModel:
    """Returns the model, loaded once for all sessions. Raises: as `load_model`."""
    found: LoadedModel = _model(name, loading.model_dump_json())
    return found


@st.cache_resource(show_spinner="Loading the model ...", max_entries=3)
def _model(name: str, loading_json: str) -> LoadedModel:
    loading = LoadingSpec.model_validate_json(loading_json)
    key = task_name(name, loading)
    # What was loaded in the background is handed over, and what a run still holds is not loaded again.
    found = taken_model(model_tasks().get(key)) or _here().get(key) or load_model(name, loading)
    _here()[key] = found
    return found


@st.cache_resource(show_spinner=False)
def _here() -> WeakValueDictionary[str, LoadedModel]:
    """Returns the models in memory; they are not kept there for this."""
    return WeakValueDictionary()


def is_here(name: str, loading: LoadingSpec) -> bool:
    """Returns whether a model is in memory."""
    return task_name(name, loading) in _here()


@st.cache_resource(show_spinner=False)
def model_tasks() -> Registry[None, LoadedOnce]:
    """Returns the models of this process that are being fetched or loaded in the background."""
    return Registry()


def is_loading(name: str, loading: LoadingSpec) -> bool:
    """Returns whether a model is being fetched or loaded in the background."""
    task = model_tasks().get(task_name(name, loading))
    return task is not None and task.running


def model_of(asked: Settings | EstimateRequest) -> LoadedModel:
    """Returns the model that a session or a request is about."""
    return model(asked.model, asked.loading)


@st.cache_resource(show_spinner=False)
def store() -> AnyStore:
    """Returns the user's store."""
    return open_default_store()


@st.cache_resource(show_spinner=False)
def run_tasks() -> Registry[RunSoFar, RunSoFar]:
    """Returns the runs of this process."""
    return Registry()


@st.cache_resource(show_spinner=False)
def search_tasks() -> Registry[None, SearchResult]:
    """Returns the searches of this process, for the best settings of a proposal."""
    return Registry()


def judge(asked: EstimateRequest | Settings) -> Judge:
    """Returns the judge of a request, made anew when its file has changed. Raises: as `load_judge`."""
    return judge_named(asked.judge, asked.behaviour)


def judge_named(name: str | None, behaviour: str) -> Judge:
    """Returns a judge by its file or short name, the behaviour's own for None. Raises: as `load_judge`."""
    found: Judge = _judge(name, behaviour, _judge_stamp(name, behaviour))
    return found


def free_judge(asked: EstimateRequest | Settings) -> Judge:
    """Returns a judge that sends nothing anywhere, for answers that are only shown.

    The one asked for, else the behaviour's own, else one that judges nothing. Raises: as `load_judge`.
    """
    for name in dict.fromkeys((asked.judge, None)):
        found = judge_named(name, asked.behaviour)
        if not is_paid(found):
            return found
    return UnaskedJudge()


def _judge_stamp(name: str | None, behaviour: str) -> str:
    return load_behaviour(behaviour).fingerprint if name is None else judge_stamp(name)


@st.cache_resource(show_spinner="Loading the judge ...", max_entries=8)
def _judge(name: str | None, behaviour: str, stamp: str) -> Judge:
    made = behaviour_judge(behaviour) if name is None else load_judge(name)
    return remembered(made, store())


@st.cache_data(show_spinner=False)
def demonstration_query(model_name: str, behaviour: str) -> str:
    """Returns a shipped query whose risk is near one in ten thousand, and well known."""
    queries = load_queries(behaviour)
    references = load_references(model_name, behaviour)
    chosen = DEMONSTRATION_QUERIES.get(behaviour)
    if model_name == DEFAULT_MODEL and chosen in references:
        return next(query.text for query in queries if query.query_id == chosen)
    sharp = {
        query_id
        for query_id, found in references.items()
        if found.standard_error <= SHARP_REFERENCE * found.qrisk
    }
    known = [query for query in queries if query.query_id in (sharp or references)]

    def distance(query_id: str) -> float:
        ratio = max(references[query_id].qrisk, 1e-30) / DEMONSTRATION_RISK
        return max(ratio, 1 / ratio)

    return min(known, key=lambda query: distance(query.query_id)).text if known else queries[0].text


def default_proposal(
    loaded: LoadedModel, behaviour: str, generation: GenerationSpec | None = None
) -> AnyProposalSpec:
    """Returns the measured default, or a plain one that fits the model where none was measured."""
    found = known_default(loaded, behaviour, store(), generation)
    if found is not None:
        return found
    plain = SteerSpec(direction=load_behaviour(behaviour).spec.direction)
    return plain.model_copy(update={"layer": min(plain.layer, len(loaded.blocks) - 1)})


def request(chosen: Settings) -> EstimateRequest:
    """Returns the request that a session's settings stand for.

    Raises: SpecError if they do not make one.
    """
    loaded, generation = model_of(chosen), chosen.generation
    proposal = chosen.proposal or default_proposal(loaded, chosen.behaviour, generation)
    longest = generation.max_new_tokens
    if proposal.t_switch > longest:
        proposal = proposal.model_copy(update={"t_switch": longest})
    return EstimateRequest.build(
        query=query(chosen),
        model=chosen.model,
        loading=chosen.loading,
        companions=companions(loaded, chosen.behaviour, proposal, longest, store(), generation),
        **estimation(chosen, proposal=proposal),
    )


def estimation(chosen: Settings, **changes: Any) -> dict[str, Any]:
    """Returns what a session sets in a request or an audit: its threshold resolved, with these changes."""
    return estimation_of(chosen) | {"threshold": threshold(chosen)} | changes


def threshold(chosen: Settings) -> float:
    """Returns the score from which an answer is harm: the session's own, or the behaviour's."""
    if chosen.threshold is not None:
        return chosen.threshold
    return load_behaviour(chosen.behaviour).spec.threshold


def query(chosen: Settings) -> str:
    """Returns the query a session asks."""
    if chosen.query is not None:
        return chosen.query
    return demonstration_query(chosen.model, chosen.behaviour)


def method(chosen: Settings) -> Method:
    """Returns how a session's question is estimated: by the proposal it has chosen, or as is best where it
    has chosen none."""
    if chosen.proposal is not None:
        return "mis"
    asked = [query(chosen)]
    best = default_method([chosen.model], chosen.behaviour, asked, chosen.judge, threshold(chosen))
    # Monte Carlo is drawn beside it anyway.
    return "mis" if best == "mc" else best


def monte_carlo_samples(chosen: Settings) -> int:
    """Returns how many answers are counted beside the estimate: none where look-ahead needs no comparison."""
    if chosen.monte_carlo_samples is not None:
        return chosen.monte_carlo_samples
    return 0 if method(chosen) == "ahead" else DEFAULT_MONTE_CARLO_SAMPLES


def run_request(chosen: Settings) -> EstimateRequest:
    """Returns the request of a session's run. Raises: as `request`."""
    if (found := method(chosen)) not in UNWEIGHTED:
        return request(chosen)
    return EstimateRequest.build(
        query=query(chosen),
        model=chosen.model,
        loading=chosen.loading,
        **estimation(chosen, method=found),
    )


def run_spec(chosen: Settings) -> RunSpec:
    """Returns the run that a session's settings stand for. Raises: as `request`."""
    return RunSpec.build(
        request=run_request(chosen),
        importance_samples=chosen.importance_samples,
        monte_carlo_samples=monte_carlo_samples(chosen),
    )


def run_task(run: RunSpec) -> RunTask:
    """Returns a run's task; after a restart of the server it continues from what is stored.

    Raises: TailscopeError if the run does not fit its model.
    """
    return run_tasks().get(run.run_id) or start(run)


def keep(run: RunSpec) -> None:
    """Keeps a run under its id, without starting it."""
    save_run(store(), run)


def start(run: RunSpec) -> RunTask:
    """Starts a run in the background, or again if it was cancelled or failed. Raises: as `run_task`."""
    keep(run)
    loaded, scorer = model_of(run.request), judge(run.request)
    return run_tasks().start(
        run.run_id, lambda: make_task(loaded, scorer, store(), run), keep_finished=True
    )


def direction(asked: EstimateRequest, position: DirectionPosition) -> Direction:
    """Returns the behaviour's direction in a request's model, or the one of its proposal's file."""
    loaded, proposal = model_of(asked), asked.proposal
    if isinstance(proposal, DirectedSpec) and proposal.direction_file is not None:
        return direction_of(loaded, proposal, proposal_context(loaded, asked.behaviour))
    return behaviour_direction(loaded, asked.behaviour, position)


@st.cache_resource(show_spinner=False, max_entries=128)
def _previewed(request_json: str, stamp: str) -> Preview:
    asked = EstimateRequest.model_validate_json(request_json)
    return preview(model_of(asked), asked, free_judge(asked))


def previewed(request_json: str) -> Preview:
    """Returns the preview of a request, given as JSON: what has been seen comes back at once.

    It is judged by `free_judge`.
    """
    found: Preview = _previewed(request_json, _stamp_of(request_json))
    return found


@st.cache_resource(show_spinner="Asking the model ...", max_entries=32)
def _looked_at(request_json: str, stamp: str) -> FirstLook:
    asked = EstimateRequest.model_validate_json(request_json)
    return first_look(model_of(asked), asked, free_judge(asked))


def looked_at(request_json: str) -> FirstLook:
    """Returns the model's likeliest answer and a few sampled ones, judged by `free_judge`."""
    found: FirstLook = _looked_at(request_json, _stamp_of(request_json))
    return found


def _stamp_of(request_json: str) -> str:
    """Returns what changes when the behaviour's or the judge's file does."""
    asked = EstimateRequest.model_validate_json(request_json)
    stamps = (_judge_stamp(name, asked.behaviour) for name in (asked.judge, None))
    return "\n".join(stamps)


@st.cache_data(show_spinner=False)
def reference(request_json: str) -> float | None:
    """Returns the risk that a large run has found, where there was one under these settings."""
    return find_reference(EstimateRequest.model_validate_json(request_json))
