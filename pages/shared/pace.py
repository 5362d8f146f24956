"""How long an answer takes, measured: in an earlier audit, or by drawing a few now."""

from dataclasses import dataclass

import streamlit as st

from core.audit.spec import AuditModel, AuditSpec
from core.errors import TailscopeError
from core.models.loading import embedded_models
from core.models.threads import SMALL_PARAMETERS, usable_cores
from core.runs.catalogue import entries
from core.runs.extra_components import companions
from core.runs.forecast import Forecast, forecast, worth_measuring
from core.runs.request import EstimateRequest
from core.runs.run import RunSpec
from core.spec import UNWEIGHTED
from pages.shared import resources


def known_pace(spec: AuditSpec, query: str) -> float | None:
    """Returns seconds an answer, all cores together; None where nothing can be measured yet."""
    names = {model.name for model in spec.models}
    for entry in entries(resources.store()):
        if entry.kind != "audit" or entry.seconds_per_answer is None:
            continue
        before = entry.spec
        same_models = {model.get("name") for model in before.get("models", [])} == names
        alike = ("generation", "method", "judge", "monte_carlo_samples")
        now = spec.model_dump(mode="json")
        if same_models and all(before.get(name) == now.get(name) for name in alike):
            return entry.seconds_per_answer
    try:
        measured = [_probed(spec, model, query) for model in spec.models]
    except TailscopeError:
        return None
    if any(one is None for one in measured):
        return None
    return sum(one or 0.0 for one in measured) / len(measured)


def _probed(spec: AuditSpec, model: AuditModel, query: str) -> float | None:
    """Returns seconds an answer of one model, all workers together; None where it is not loaded."""
    if model.name not in embedded_models() and not resources.is_here(model.name, model.loading):
        return None
    loaded = resources.model(model.name, model.loading)
    # A small model has one core for each worker; a large one has them all, however many workers share them.
    at_once = usable_cores() if loaded.parameters < SMALL_PARAMETERS else 1
    if loaded.device.type != "cpu":
        at_once = 1
    if spec.method in UNWEIGHTED:
        return _seconds(spec.request(model, query).model_dump_json())[0] / at_once
    default = resources.default_proposal(loaded, spec.behaviour, spec.generation)
    longest = spec.generation.max_new_tokens
    first = default.model_copy(update={"t_switch": min(default.t_switch, longest)})
    others = companions(loaded, spec.behaviour, first, longest, resources.store())
    asked = spec.request(model, query).model_copy(update={"proposal": first, "companions": others})
    weighted, plain = _seconds(asked.model_dump_json())
    drawn, direct = spec.samples, spec.monte_carlo_samples
    return (weighted * drawn + plain * direct) / (drawn + direct) / at_once


@st.cache_data(show_spinner="Measuring how fast the models answer ...", max_entries=64)
def _seconds(request_json: str) -> tuple[float, float]:
    """Returns seconds an answer by the request's method, and from the model itself; nothing is judged."""
    request = EstimateRequest.model_validate_json(request_json)
    loaded = resources.model_of(request)
    plain = request.model_copy(update={"method": "mc"})
    return forecast(loaded, request).answer, forecast(loaded, plain).answer


@dataclass(frozen=True)
class RunPace:
    """Seconds an answer in a run: by importance sampling or look-ahead, and by Monte Carlo."""

    weighted: float
    plain: float

    def seconds(self, weighted: int, plain: int) -> float:
        """Returns how long so many answers of both take."""
        return self.weighted * weighted + self.plain * plain

    def fewer(self, weighted: int) -> int | None:
        """Returns how many answers to offer instead, without Monte Carlo; None if they take long anyway."""
        return Forecast(0.0, self.weighted).fewer(weighted)


def run_pace(run: RunSpec) -> RunPace | None:
    """Returns how long a run's answers take; None for a small model, which draws them in no time."""
    loaded = resources.model_of(run.request)
    if not worth_measuring(loaded, run.importance_samples + run.monte_carlo_samples):
        return None
    try:
        return RunPace(*_seconds(run.request.model_dump_json()))
    except TailscopeError:  # told where the run is started
        return None
