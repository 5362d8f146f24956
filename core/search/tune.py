"""The search for a proposal, from its spec to its report: what the command line and the Python API share."""

import math
import time
from collections.abc import Callable
from typing import get_args

from pydantic import field_validator

from core.behaviours.load import DEFAULT_BEHAVIOUR, BehaviourName
from core.judges import behaviour_judge
from core.models.asked_with import asked_with
from core.models.checked import load_checked
from core.models.loading import DEFAULT_MODEL, LoadedModel
from core.models.spec import LoadingSpec
from core.proposals import (
    AnyProposalSpec,
    DirectedSpec,
    SteerSpec,
    measured_direction,
)
from core.queries import QueryFile, evenly_spread
from core.runs.prepare import behaviour_direction, building_steps, proposal_context, ready_proposals
from core.runs.request import EstimateRequest
from core.sampling.shards import SHARD_ROWS, AnyStore
from core.search.cross_entropy import Objective, search
from core.search.grid import PAPER_STRENGTHS, SearchGrid, published_grid, small_grid
from core.search.pilot import PILOT_QUERIES, default_rungs, pilot_layers, pilot_queries
from core.search.report import TuneReport
from core.spec import (
    DirectionPosition,
    Finite,
    GenerationSpec,
    QueryText,
    Seed,
    Spec,
    Whole,
    within,
)
from core.steering.direction import Direction
from core.tasks import LOADING, MEASURING, Progress, Steps, named

GRIDS = ("small", "paper")
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
MAX_PILOT_ROWS = 100_000


class TuneSpec(Spec):
    """What to search, and on which queries.

    pilot: the queries to draw answers to; an audit should leave them out. proposal: its kind and what only
    it has; its strength, mixing and switch are searched. strengths, layers: empty for those worth a try.
    rows: pilot answers a query.
    """

    model: str = DEFAULT_MODEL
    loading: LoadingSpec = LoadingSpec()
    behaviour: BehaviourName = DEFAULT_BEHAVIOUR
    pilot: tuple[QueryText, ...]
    proposal: AnyProposalSpec = SteerSpec()
    strengths: tuple[Finite, ...] = ()
    layers: tuple[Whole, ...] = ()
    grid: str = "small"
    rows: Whole = 400
    objective: Objective = "cross_entropy"
    generation: GenerationSpec = GenerationSpec()
    seed: Seed = 0

    @field_validator("pilot")
    @classmethod
    def _pilot(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("pilot must hold at least one query, got none")
        return value

    @field_validator("grid")
    @classmethod
    def _grid(cls, value: str) -> str:
        if value not in GRIDS:
            raise ValueError(f"grid must be one of {', '.join(GRIDS)}, got {value!r}")
        return value

    @field_validator("rows")
    @classmethod
    def _rows(cls, value: int) -> int:
        if not 1 <= value <= MAX_PILOT_ROWS:
            raise ValueError(f"rows must be in 1..{MAX_PILOT_ROWS:,}, got {value:,}")
        return value

    @field_validator("objective", mode="before")
    @classmethod
    def _objective(cls, value: str) -> str:
        if value not in OBJECTIVES:
            raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}, got {value!r}")
        return value


def tune(
    spec: TuneSpec, store: AnyStore, *, notify: Callable[[str], object] = lambda note: None
) -> Steps[None, TuneReport]:
    """Yields its progress and returns the report. What the store holds is not searched again.

    notify: called with warnings on the model.

    Raises:
        TailscopeError: bad input, in one sentence.
    """
    began = time.perf_counter()
    yield Progress(message=LOADING)
    longest = spec.generation.max_new_tokens
    loaded, _ = load_checked(spec.model, spec.loading, SHARD_ROWS, longest, notify)
    for told in asked_with(loaded, spec.generation):
        notify(told)
    judge = behaviour_judge(spec.behaviour)
    yield from building_steps(loaded, spec.behaviour, (spec.proposal,))
    grid = grid_of(loaded, spec)
    request = EstimateRequest.build(
        query=spec.pilot[0],
        behaviour=spec.behaviour,
        method="mis",
        proposal=grid.rungs[0],
        companions=grid.rungs[1:],
    )
    proposals = ready_proposals(loaded, request)
    steps = search(
        loaded,
        proposals,
        grid,
        spec.pilot,
        judge,
        spec.generation,
        store,
        rows=spec.rows,
        seed=spec.seed,
    )
    result = yield from named(MEASURING, steps)
    return TuneReport(
        model=spec.model,
        behaviour=spec.behaviour,
        seed=spec.seed,
        model_fingerprint=loaded.fingerprint,
        objective=spec.objective,
        pilot=spec.pilot,
        result=result,
        seconds=time.perf_counter() - began,
        events=tuple(store.drain_events()),
    )


def pilot_of(file: QueryFile | None, behaviour: str, share: float) -> tuple[str, ...]:
    """Returns the queries of a pilot: a share of the file's, evenly spread, but six if it has so many.

    Without a file, the behaviour's own pilot queries.

    Raises:
        SpecError: the share is not in 0..1, or a query has a system prompt of its own.
    """
    within("pilot_share", share, 0.0, 1.0)
    if file is None:
        return pilot_queries(behaviour)
    queries = file.texts()
    return evenly_spread(queries, max(PILOT_QUERIES, math.ceil(share * len(queries))))


def grid_of(loaded: LoadedModel, spec: TuneSpec) -> SearchGrid:
    """Returns the grid to search; strengths and layers that were left out are those worth a try.

    Raises:
        SpecError: the model has no such layer, or the grid is too large.
    """
    base, strengths, layers = spec.proposal, spec.strengths, spec.layers
    if not layers and "layer" in base.model_fields_set:
        layers = (base.model_dump()["layer"],)
    if spec.grid == "paper":
        # The published grid has no layers: one is enough, and the middle a fair guess.
        if not layers and "layer" in type(base).model_fields:
            among = pilot_layers(len(loaded.blocks))
            layers = (among[len(among) // 2],)
        strengths = strengths or PAPER_STRENGTHS
    rungs = default_rungs(
        loaded,
        base,
        lambda position: _direction(loaded, spec.behaviour, base, position),
        strengths,
        layers,
    )
    make = published_grid if spec.grid == "paper" else small_grid
    return make(rungs, spec.generation.max_new_tokens)


def _direction(
    loaded: LoadedModel, behaviour: str, base: AnyProposalSpec, position: DirectionPosition
) -> Direction:
    """Returns the direction of a proposal's own file, or the behaviour's."""
    if isinstance(base, DirectedSpec) and base.direction_file is not None:
        return measured_direction(loaded, base, proposal_context(loaded, behaviour))
    return behaviour_direction(loaded, behaviour, position)
