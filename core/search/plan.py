"""What a search looks through, and its events with the time that is left. Runs in a thread: no widgets."""

import time
from collections.abc import Iterator
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
from core.runs.prepare import proposal_context
from core.runs.request import EstimateRequest
from core.sampling.shards import AnyStore
from core.search.cross_entropy import DEFAULT_PILOT_ROWS, SearchResult, SearchStep, search
from core.search.grid import SearchGrid, published_grid, rungs, small_grid
from core.search.pilot import measure_default, pilot_layers, pilot_queries
from core.spec import GenerationSpec

SMALL, PAPER = "small", "paper"
HERE, PILOT = "this question", "the behaviour's pilot questions"
# The published grid's strengths, as shares of the reach.
PAPER_SHARES = tuple(k / 10 for k in range(1, 11))
# One question has its pilot for itself; several share theirs.
ROWS_HERE = 1_000
# Questions done in less were read from the store, and say nothing of how long the others take.
STORED_SECONDS = 0.3


@dataclass(frozen=True)
class Progress:
    """`done` of `total` questions, parts of one included; seconds_left None until one has been measured."""

    done: float
    total: int
    seconds_left: float | None


@dataclass(frozen=True)
class SearchPlan:
    """What to search: a kind with what only it has, how far, on which questions.

    base: the proposal as it is now; its strength, mixing and switch do not count.
    """

    asked: EstimateRequest
    base: AnyProposalSpec
    grid: str
    questions: str
    reach: float

    @classmethod
    def of(cls, asked: EstimateRequest, grid: str, questions: str, reach: float) -> "SearchPlan":
        """Returns the plan for a request's own kind of proposal."""
        assert asked.proposal is not None
        plain = {"strength": 0.0, "alpha_mix": 0.0, "t_switch": 1}
        if grid == SMALL and isinstance(asked.proposal, DirectedSpec):
            plain["layer"] = 0
        return cls(asked, asked.proposal.model_copy(update=plain), grid, questions, reach)

    @property
    def name(self) -> str:
        """What the plan is known by: all that its result depends on."""
        asked = self.asked
        query = asked.query if self.questions == HERE else ""
        return "\n".join(
            [
                asked.model,
                asked.loading.model_dump_json(),
                asked.behaviour,
                asked.judge or "",
                f"{asked.threshold:g}",
                self.grid,
                f"{self.reach:g}",
                f"{asked.defensive_share:g}",
                asked.generation.model_dump_json(),
                self.base.model_dump_json(),
                query,
            ]
        )

    @property
    def is_default(self) -> bool:
        """Whether this is the search that the behaviour's default proposal comes from."""
        plain = SteerSpec(strength=0.0, alpha_mix=0.0, t_switch=1, layer=0)
        default = (plain, SMALL, PILOT, kind_of(plain).search.reach, GenerationSpec(), None)
        asked = self.asked
        return default == (
            self.base, self.grid, self.questions, self.reach, asked.generation, asked.judge,
        )  # fmt: skip

    @property
    def queries(self) -> tuple[str, ...]:
        """The questions that the pilot asks."""
        return (
            (self.asked.query,) if self.questions == HERE else pilot_queries(self.asked.behaviour)
        )

    @property
    def rows(self) -> int:
        """Pilot answers a question."""
        return ROWS_HERE if self.questions == HERE else DEFAULT_PILOT_ROWS


def events(
    plan: SearchPlan, loaded: LoadedModel, judge: Judge, store: AnyStore
) -> Iterator[Progress | SearchResult]:
    """Yields a plan's progress, and at last its result; what was done before comes from the store."""
    if plan.is_default:
        found = measure_default(loaded, plan.asked.behaviour, judge, store)
    else:
        found = _search(plan, loaded, judge, store)
    began, took, left = time.monotonic(), [], None
    for event in found:
        if isinstance(event, SearchResult):
            yield event
            continue
        if event.within > 0:
            yield Progress(event.done + event.within, event.total, left)
            continue
        now = time.monotonic()
        if event.done > 0 and now - began > STORED_SECONDS:
            took.append(now - began)
        began = now
        pace = sum(took) / len(took) if took else None
        left = None if pace is None else pace * (event.total - event.done)
        yield Progress(event.done, event.total, left)


def _search(
    plan: SearchPlan, loaded: LoadedModel, judge: Judge, store: AnyStore
) -> Iterator[SearchStep | SearchResult]:
    asked = plan.asked
    grid, found = search_grid(plan, loaded), proposal_context(loaded, asked.behaviour)
    yield from search(
        loaded,
        [prepare(loaded, rung, found) for rung in grid.rungs],
        grid,
        plan.queries,
        judge,
        asked.generation,
        store,
        rows=plan.rows,
        threshold=asked.threshold,
        defensive_share=asked.defensive_share,
    )


def search_grid(plan: SearchPlan, loaded: LoadedModel) -> SearchGrid:
    """Returns the grid: at every layer if it is small, else at the one that is set."""
    base, longest = plan.base, plan.asked.generation.max_new_tokens
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
    held = direction_of(loaded, base, proposal_context(loaded, plan.asked.behaviour)).held_blocks
    return tuple(layer for layer in every if layer in held) or held[:1]


def _strengths(plan: SearchPlan, loaded: LoadedModel, layer: int | None) -> list[float]:
    """Returns the strengths to try at a layer, the largest at the plan's reach."""
    base, reach = plan.base, kind_of(plan.base).search
    shares = PAPER_SHARES if plan.grid == PAPER else reach.shares
    wanted = [round(plan.reach * share, 6) for share in shares]
    if not isinstance(base, DirectedSpec) or not reach.relative or layer is None:
        return wanted
    direction = measured_direction(loaded, base, proposal_context(loaded, plan.asked.behaviour))
    return [direction.strength_of(layer, relative) for relative in wanted]
