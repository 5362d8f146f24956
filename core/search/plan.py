"""Plans a search for a proposal's settings: which kind, how far, on which queries; and carries it out."""

from dataclasses import dataclass

from core.judges.base import Judge
from core.models.loading import LoadedModel
from core.proposals import (
    AnyProposalSpec,
    DirectedSpec,
    SteerSpec,
    kind_of,
    measured_direction,
    prepare,
)
from core.proposals.base import direction_of
from core.runs.prepare import building_steps, proposal_context
from core.runs.request import EstimateRequest
from core.sampling.shards import AnyStore
from core.search.cross_entropy import DEFAULT_PILOT_ROWS, SearchSteps, search
from core.search.grid import SearchGrid, published_grid, rungs, small_grid
from core.search.pilot import measure_default, pilot_layers, pilot_queries
from core.spec import GenerationSpec
from core.tasks import MEASURING, named

SMALL, PAPER = "small", "paper"
OWN_QUERY, PILOT = "own query", "pilot queries"
# The published grid's strengths, as shares of the reach.
PAPER_SHARES = tuple(k / 10 for k in range(1, 11))
# Pilot answers to a query that is searched alone; several share theirs.
OWN_QUERY_ROWS = 1_000


@dataclass(frozen=True)
class SearchPlan:
    """What to search.

    base: the kind of proposal with all settings that the search does not vary. grid: SMALL tries every layer,
    PAPER the base's. queries_from: OWN_QUERY, the request's, or PILOT, the behaviour's. reach: the largest
    strength to try, in the unit of the kind's `search.reach`.
    """

    request: EstimateRequest
    base: AnyProposalSpec
    grid: str
    queries_from: str
    reach: float

    @classmethod
    def of(
        cls, request: EstimateRequest, grid: str, queries_from: str, reach: float
    ) -> "SearchPlan":
        """Returns the plan for a request's own kind of proposal."""
        assert request.proposal is not None
        plain = {"strength": 0.0, "alpha_mix": 0.0, "t_switch": 1}
        if grid == SMALL and isinstance(request.proposal, DirectedSpec):
            plain["layer"] = 0
        base = request.proposal.model_copy(update=plain)
        return cls(request, base, grid, queries_from, reach)

    @property
    def name(self) -> str:
        """All that the result depends on: plans of the same name have the same result."""
        request = self.request
        query = request.query if self.queries_from == OWN_QUERY else ""
        return "\n".join(
            [
                request.model,
                request.loading.model_dump_json(),
                request.behaviour,
                request.judge or "",
                f"{request.threshold:g}",
                self.grid,
                f"{self.reach:g}",
                f"{request.defensive_share:g}",
                request.generation.model_dump_json(),
                self.base.model_dump_json(),
                query,
            ]
        )

    @property
    def is_default(self) -> bool:
        """Whether this is the search that the behaviour's default proposal comes from."""
        plain = SteerSpec(strength=0.0, alpha_mix=0.0, t_switch=1, layer=0)
        default = (plain, SMALL, PILOT, kind_of(plain).search.reach, GenerationSpec(), None)
        request = self.request
        return default == (
            self.base, self.grid, self.queries_from, self.reach, request.generation, request.judge,
        )  # fmt: skip

    @property
    def queries(self) -> tuple[str, ...]:
        """The queries that the pilot asks."""
        return (
            (self.request.query,)
            if self.queries_from == OWN_QUERY
            else pilot_queries(self.request.behaviour)
        )

    @property
    def rows(self) -> int:
        """Pilot answers to each query."""
        return OWN_QUERY_ROWS if self.queries_from == OWN_QUERY else DEFAULT_PILOT_ROWS


def search_steps(
    plan: SearchPlan, loaded: LoadedModel, judge: Judge, store: AnyStore
) -> SearchSteps:
    """Yields a plan's progress and returns its result; queries that were done before come from the store.

    The default search's proposal of least variance becomes the behaviour's default.
    """
    if plan.is_default:
        return measure_default(loaded, plan.request.behaviour, judge, store)
    return _search(plan, loaded, judge, store)


def _search(plan: SearchPlan, loaded: LoadedModel, judge: Judge, store: AnyStore) -> SearchSteps:
    request = plan.request
    yield from building_steps(loaded, request.behaviour, (plan.base,))
    grid, context = search_grid(plan, loaded), proposal_context(loaded, request.behaviour)
    steps = search(
        loaded,
        [prepare(loaded, rung, context) for rung in grid.rungs],
        grid,
        plan.queries,
        judge,
        request.generation,
        store,
        rows=plan.rows,
        threshold=request.threshold,
        defensive_share=request.defensive_share,
    )
    return (yield from named(MEASURING, steps))


def search_grid(plan: SearchPlan, loaded: LoadedModel) -> SearchGrid:
    """Returns the grid: SMALL at every layer, PAPER at the base's."""
    base, longest = plan.base, plan.request.generation.max_new_tokens
    layers: tuple[int | None, ...] = (None,)
    if isinstance(base, DirectedSpec):
        layers = _layers(plan, loaded) if plan.grid == SMALL else (base.layer,)
    chosen = tuple(
        rung
        for layer in layers
        for rung in rungs(base, _strengths(plan, loaded, layer), () if layer is None else (layer,))
    )
    if plan.grid == SMALL:
        return small_grid(chosen, longest)
    return published_grid(chosen, longest)


def _layers(plan: SearchPlan, loaded: LoadedModel) -> tuple[int, ...]:
    """Returns the layers to try; a direction's file may leave some out."""
    base, every = plan.base, pilot_layers(len(loaded.blocks))
    if not isinstance(base, DirectedSpec) or base.direction_file is None:
        return every
    held = direction_of(loaded, base, proposal_context(loaded, plan.request.behaviour)).held_blocks
    return tuple(layer for layer in every if layer in held) or held[:1]


def _strengths(plan: SearchPlan, loaded: LoadedModel, layer: int | None) -> list[float]:
    """Returns the strengths to try at a layer, the largest at the plan's reach."""
    base, reach = plan.base, kind_of(plan.base).search
    shares = PAPER_SHARES if plan.grid == PAPER else reach.shares
    wanted = [round(plan.reach * share, 6) for share in shares]
    if not isinstance(base, DirectedSpec) or not reach.relative or layer is None:
        return wanted
    direction = measured_direction(loaded, base, proposal_context(loaded, plan.request.behaviour))
    return [direction.strength_of(layer, relative) for relative in wanted]
