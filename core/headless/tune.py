"""What `tune` does with its options: choose a pilot and a grid, search, report."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from cache import default_folder, open_store
from core.behaviours.load import check_behaviour
from core.errors import SpecError
from core.headless.estimate import (
    Progress,
    parsed_proposal,
)
from core.judges import behaviour_judge
from core.models.checked import load_checked
from core.models.loading import LoadedModel
from core.models.spec import LoadingSpec
from core.proposals import (
    AblateSpec,
    AnyProposalSpec,
    SteerSpec,
    build_proposal,
    measured_direction,
)
from core.queries import QueryFile, evenly_spread, read_query_file
from core.runs.defaults import PILOT_QUERIES, default_rungs, pilot_layers, pilot_queries
from core.runs.dump import check_dump
from core.runs.request import EstimateRequest, behaviour_direction, means, ready_proposals
from core.sampling.shards import SHARD_ROWS
from core.search.cross_entropy import Objective, SearchResult, search
from core.search.grid import PAPER_STRENGTHS, SearchGrid, published_grid, small_grid
from core.search.report import TuneReport, write_surface
from core.spec import DirectionPosition, GenerationSpec, check_query, within
from core.steering.direction import Direction

GRIDS = ("small", "paper")
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
MAX_PILOT_ROWS = 100_000


@dataclass(frozen=True)
class TuneOptions:
    """The options of `tune`, as given: nothing is checked yet.

    queries: a file, of which a pilot_share is asked; query: one query instead. With neither, the
    behaviour's own pilot queries are. proposal: the base proposal as JSON, instead of its kind alone.
    """

    model: str
    loading: Mapping[str, Any]
    behaviour: str
    queries: Path | None = None
    query: str | None = None
    kind: str | None = None
    proposal: str | None = None
    strengths: str | None = None
    layers: str | None = None
    grid: str = "small"
    rows: int = 400
    pilot_share: float = 0.1
    objective: str = "cross_entropy"
    max_new_tokens: int = 40
    seed: int = 0
    cache: Path | None = None
    dump: Path | None = None


def tune_headless(options: TuneOptions, progress: Progress | None = None) -> TuneReport:
    """Returns the report of one `tune` command.

    Raises:
        TailscopeError: bad input, in one sentence.
    """
    tell = progress or (lambda text: None)
    began = time.perf_counter()
    objective = _check(options)
    base = _base(options)
    file = None if options.queries is None else read_query_file(options.queries)
    pilot = choose_pilot(options, file)
    strengths, layers = _floats(options.strengths), _whole_numbers(options.layers)
    generation = GenerationSpec.build(max_new_tokens=options.max_new_tokens)
    loading = LoadingSpec.build(**options.loading)
    tell("loading the model")
    loaded, _ = load_checked(options.model, loading, SHARD_ROWS, generation.max_new_tokens)
    judge = behaviour_judge(options.behaviour)
    store = open_store(options.cache or default_folder())
    grid = choose_grid(loaded, options, base, strengths, layers)
    ready = ready_proposals(
        loaded,
        EstimateRequest.build(
            query=pilot[0],
            behaviour=options.behaviour,
            method="mis",
            proposal=grid.rungs[0],
            companions=grid.rungs[1:],
        ),
    )
    result: SearchResult | None = None
    for event in search(
        loaded,
        ready,
        grid,
        pilot,
        judge,
        generation,
        store,
        rows=options.rows,
        seed=options.seed,
    ):
        if isinstance(event, SearchResult):
            result = event
        else:
            tell(f"{event.done} of {event.total} pilot queries searched")
    tell("")
    assert result is not None, "a search ends with its result"
    if options.dump is not None:
        write_surface(options.dump, result)
    return TuneReport(
        model=options.model,
        behaviour=options.behaviour,
        seed=options.seed,
        model_fingerprint=loaded.fingerprint,
        objective=objective,
        pilot=pilot,
        result=result,
        seconds=time.perf_counter() - began,
        events=tuple(store.drain_events()),
        file=file,
    )


def choose_pilot(options: TuneOptions, file: QueryFile | None) -> tuple[str, ...]:
    """Returns the queries to ask: a share of the file's, evenly spread, but six if it has so many."""
    if options.query is not None:
        return (check_query(options.query),)
    if file is None:
        return pilot_queries(options.behaviour)
    queries = [query.text for query in file.queries]
    count = max(PILOT_QUERIES, math.ceil(options.pilot_share * len(queries)))
    return evenly_spread(queries, count)


def choose_grid(
    loaded: LoadedModel,
    options: TuneOptions,
    base: AnyProposalSpec,
    strengths: Sequence[float],
    layers: Sequence[int],
) -> SearchGrid:
    """Returns the grid asked for; strengths and layers that were left out are those worth a try.

    Raises:
        SpecError: the model has no such layer, or the grid is too large.
    """
    if not layers and "layer" in base.model_fields_set:
        layers = (base.model_dump()["layer"],)
    if options.grid == "paper":
        # The published grid has no layers: one is enough, and the middle a fair guess.
        if not layers and "layer" in type(base).model_fields:
            among = pilot_layers(len(loaded.blocks))
            layers = (among[len(among) // 2],)
        strengths = strengths or PAPER_STRENGTHS
    chosen = default_rungs(
        loaded,
        base,
        lambda position: _direction(loaded, options.behaviour, base, position),
        strengths,
        layers,
    )
    make = published_grid if options.grid == "paper" else small_grid
    return make(chosen, options.max_new_tokens)


def _direction(
    loaded: LoadedModel, behaviour: str, base: AnyProposalSpec, position: DirectionPosition
) -> Direction:
    """Returns what a base goes along: the direction of its file, or the behaviour's."""
    if isinstance(base, SteerSpec | AblateSpec) and base.direction_file is not None:
        return measured_direction(loaded, base, means(loaded, behaviour))
    return behaviour_direction(loaded, behaviour, position)


def _check(options: TuneOptions) -> Objective:
    """Returns the objective. Raises SpecError for what can be seen to be wrong before a model is loaded."""
    check_behaviour(options.behaviour)
    if options.query is not None and options.queries is not None:
        raise SpecError(
            f"query and queries exclude each other, got {options.query!r} and {str(options.queries)!r}"
        )
    if options.grid not in GRIDS:
        raise SpecError(f"grid must be one of {', '.join(GRIDS)}, got {options.grid!r}")
    if not 1 <= options.rows <= MAX_PILOT_ROWS:
        raise SpecError(f"rows must be in 1..{MAX_PILOT_ROWS:,}, got {options.rows:,}")
    try:
        within("pilot_share", options.pilot_share, 0.0, 1.0)
        if options.query is not None:
            check_query(options.query)
    except ValueError as error:
        raise SpecError(str(error)) from None
    check_dump(options.dump)
    for objective in OBJECTIVES:
        if objective == options.objective:
            return objective
    raise SpecError(f"objective must be one of {', '.join(OBJECTIVES)}, got {options.objective!r}")


def _base(options: TuneOptions) -> AnyProposalSpec:
    """Returns the proposal to start from."""
    if options.proposal is None:
        return build_proposal({} if options.kind is None else {"kind": options.kind})
    base = parsed_proposal(options.proposal)
    if options.kind is not None and options.kind != base.kind:
        raise SpecError(
            f"kind and proposal must agree, got {options.kind!r} and {options.proposal!r}"
        )
    return base


def _floats(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise SpecError(f"strengths must be numbers like 0.5,1,2, got {text!r}") from None


def _whole_numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise SpecError(f"layers must be whole numbers like 1,2, got {text!r}") from None
