"""How long an answer takes, measured: in an earlier audit, or by drawing a few now."""

import time

import streamlit as st

from core.audit.spec import AuditModel, AuditSpec
from core.errors import TailscopeError
from core.models.loading import embedded_models
from core.models.threads import usable_cores
from core.runs.catalogue import entries
from core.runs.extra_components import companions
from core.runs.prepare import fingerprints, ready_proposals
from core.runs.request import EstimateRequest, sampling_spec
from core.sampling.adaptive import even_shares
from core.sampling.schedule import whole_shares
from core.sampling.shards import draw_rows
from core.spec import UNWEIGHTED
from pages.shared import resources

# Enough that the pace is that of a full batch, few enough that nobody waits.
PROBE_ROWS = 100


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
    on_cpu = all(model.loading.device == "cpu" for model in spec.models)
    return sum(one or 0.0 for one in measured) / len(measured) / (usable_cores() if on_cpu else 1)


def _probed(spec: AuditSpec, model: AuditModel, query: str) -> float | None:
    if model.name not in embedded_models() and not resources.is_here(model.name, model.loading):
        return None
    loaded = resources.model(model.name, model.loading)
    if spec.method in UNWEIGHTED:
        _, plain = _seconds(
            spec.request(model, query).model_copy(update={"method": "mc"}).model_dump_json()
        )
        # A beginning takes as long as an answer, but for those that end early.
        return plain
    default = resources.default_proposal(loaded, spec.behaviour)
    longest = spec.generation.max_new_tokens
    first = default.model_copy(update={"t_switch": min(default.t_switch, longest)})
    others = companions(loaded, spec.behaviour, first, longest, resources.store())
    asked = spec.request(model, query).model_copy(update={"proposal": first, "companions": others})
    weighted, plain = _seconds(asked.model_dump_json())
    drawn, direct = spec.samples, spec.monte_carlo_samples
    return (weighted * drawn + plain * direct) / (drawn + direct)


@st.cache_data(show_spinner="Measuring how fast the models answer ...", max_entries=64)
def _seconds(request_json: str) -> tuple[float, float]:
    """Returns seconds an answer from the proposals, and from the model itself; nothing is judged."""
    request = EstimateRequest.model_validate_json(request_json)
    loaded = resources.model_of(request)
    found = []
    for asked in (request, request.model_copy(update={"method": "mc"})):
        proposals = ready_proposals(loaded, asked)
        count = len(proposals) + 1
        shares = even_shares(count) if count > 1 else whole_shares([1.0], 1)
        spec = sampling_spec(asked, fingerprints(loaded, proposals), shares)
        began = time.perf_counter()
        draw_rows(loaded, spec, range(PROBE_ROWS), proposals)
        found.append((time.perf_counter() - began) / PROBE_ROWS)
    return found[0], found[1]
