"""What the user has chosen, held apart from any widget so that it survives a change of page."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

import streamlit as st

from core.behaviours.load import DEFAULT_BEHAVIOUR
from core.models.loading import DEFAULT_MODEL
from core.models.spec import LoadingSpec
from core.proposals import AnyProposalSpec
from core.runs.request import DEFAULT_DEFENSIVE_SHARE, DEFAULT_SAMPLES, EstimationSpec
from core.runs.run import RunSpec
from core.spec import GenerationSpec

KEY = "state.settings"
RUN_KEY = "state.run_id"
PREDICTED_KEY = "state.predicted"


@dataclass(frozen=True)
class Settings:
    """query None: the behaviour's demonstration query. proposal None: the measured default. judge,
    threshold None: the behaviour's. monte_carlo_samples None: what the method needs beside it.
    """

    model: str = DEFAULT_MODEL
    loading: LoadingSpec = field(default_factory=LoadingSpec)
    behaviour: str = DEFAULT_BEHAVIOUR
    query: str | None = None
    generation: GenerationSpec = field(default_factory=GenerationSpec)
    proposal: AnyProposalSpec | None = None
    defensive_share: float = DEFAULT_DEFENSIVE_SHARE
    judge: str | None = None
    threshold: float | None = None
    importance_samples: int = DEFAULT_SAMPLES
    monte_carlo_samples: int | None = None
    seed: int = 0


# Settings that sessions, requests and audits share. The method is not among them: pages use the default.
ESTIMATION = [one.name for one in fields(Settings) if one.name in EstimationSpec.model_fields]


def settings() -> Settings:
    """Returns what this session has chosen."""
    chosen: Settings = st.session_state.setdefault(KEY, Settings())
    return chosen


def has_chosen() -> bool:
    """Returns whether this session has settings of its own yet."""
    return KEY in st.session_state


def change(**changes: Any) -> Settings:
    """Changes some of this session's settings, and returns them all."""
    st.session_state[KEY] = replace(settings(), **changes)
    return settings()


def estimation_of(holder: Settings | EstimationSpec) -> dict[str, Any]:
    """Returns the settings, by name, that sessions, requests and audits share."""
    return {name: getattr(holder, name) for name in ESTIMATION}


def adopt(run: RunSpec) -> None:
    """Takes over a run's settings: those of a link, in a session that has chosen nothing yet."""
    request = run.request
    change(
        model=request.model,
        loading=request.loading,
        query=request.query,
        importance_samples=run.importance_samples,
        monte_carlo_samples=run.monte_carlo_samples,
        **estimation_of(request),
    )


def current_run_id() -> str | None:
    """Returns the id of the run this session looks at."""
    found: str | None = st.session_state.get(RUN_KEY)
    return found


def look_at_run(run_id: str | None) -> None:
    """Makes this the session's run."""
    st.session_state[RUN_KEY] = run_id


def remember_prediction(
    proposal: AnyProposalSpec, query: str | None, relative_variance: float
) -> None:
    """Keeps what a search has predicted for a proposal. query: None for the pilot questions."""
    chosen = settings()
    known = st.session_state.setdefault(PREDICTED_KEY, {})
    known[chosen.model, chosen.behaviour, query, proposal.model_dump_json()] = relative_variance


def prediction(run: RunSpec, *, pilot: bool) -> float | None:
    """Returns the relative variance of one draw that a search predicted for a run's first proposal.

    pilot: from the behaviour's pilot questions, not from the run's own.
    """
    request = run.request
    if request.proposal is None:
        return None
    query = None if pilot else request.query
    key = (request.model, request.behaviour, query, request.proposal.model_dump_json())
    found: float | None = st.session_state.get(PREDICTED_KEY, {}).get(key)
    return found
