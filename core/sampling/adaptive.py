"""The adaptive sampler as a state: which rows to draw next follows from those drawn so far.

    state = init(plan)
    while (stage := next_rows(state)) is not None:
        state = update(state, shards of these rows, drawn and judged)

All three are pure: nothing here draws, stores or reads a file, so a single estimate, an audit on a cluster
and a reader of stored answers drive the same state. An estimator that chooses its rows in another way is
three functions more, over the same types.

Stages end at fixed row numbers, so that a longer sample begins with the rows of a shorter one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from core.estimation.draws import Draws
from core.estimation.optimal_allocation import optimal_shares
from core.sampling.collect import collect_draws, in_order
from core.sampling.schedule import whole_shares
from core.sampling.scored import JudgedShard
from core.sampling.shards import SHARD_ROWS
from core.sampling.spec import SamplingSpec

# The pilot, spread evenly: one shard, and enough rows a component to compare them by.
PILOT_ROWS = SHARD_ROWS
# After the pilot, shares are whole twentieths: short periods keep the confidence sequence sharp.
STAGE_PERIOD = 20
# Every proposal goes on drawing: its word against the others is a witness to the end.
PROPOSAL_FLOOR = 0.05


@dataclass(frozen=True)
class SamplingPlan:
    """What a sample is to be, settled before its first row.

    spec: of the rows before anything is known: of all of them, or of the pilot. adaptive: whether later
    stages have shares of their own; defensive_share: the least that the target then draws. threshold: the
    score from which an answer counts as harmful when shares are chosen. It is the behaviour's own, so
    that reading the sample under another threshold draws nothing anew.
    """

    spec: SamplingSpec
    samples: int
    adaptive: bool
    defensive_share: float
    threshold: float


@dataclass(frozen=True)
class Stage:
    """Rows start..stop of a sample, all drawn in the same shares. number: which stage, from 0."""

    spec: SamplingSpec
    start: int
    stop: int
    number: int


@dataclass(frozen=True)
class State:
    """Where a sample stands. stage: the one being drawn. shards: all so far, in the order of their rows."""

    plan: SamplingPlan
    stage: Stage
    shards: tuple[JudgedShard, ...] = ()


def init(plan: SamplingPlan) -> State:
    """Returns the state before the first row.

    Parameters
    ----------
    plan : SamplingPlan
        What the sample is to be.

    Returns
    -------
    State
        No shards; its stage is the pilot, or the whole sample if the plan is not adaptive.

    Examples
    --------
    A plan of 1,000 answers from the target alone, hence of one stage:

    >>> spec = SamplingSpec(model_fingerprint="a model", query="a question")
    >>> plan = SamplingPlan(spec, 1_000, adaptive=False, defensive_share=1.0, threshold=0.75)
    >>> rows = next_rows(init(plan))
    >>> rows.start, rows.stop
    (0, 1000)
    """
    return State(plan, Stage(plan.spec, 0, _stage_stop(plan, 0), 0))


def next_rows(state: State) -> Stage | None:
    """Returns the first run of rows that the stage still lacks; None once the sample is whole.

    Parameters
    ----------
    state : State
        Where the sample stands.

    Returns
    -------
    Stage or None
        Rows start..stop to draw in the shares of its spec; fewer than the stage's if some are there.
    """
    gap = _first_gap(state)
    return replace(state.stage, start=gap.start, stop=gap.stop) if gap else None


def update(state: State, judged: Sequence[JudgedShard]) -> State:
    """Returns the state with these shards of its stage, in any order; a whole stage opens the next one.

    The shares of the next stage follow from the rows of all stages so far (`next_shares`).

    Parameters
    ----------
    state : State
        Where the sample stood.
    judged : sequence of JudgedShard
        Rows of the state's stage, drawn and judged; all that it lacks, or some.

    Returns
    -------
    State
        The old one is unchanged.

    Raises
    ------
    ValueError
        A shard of another stage or of other rows, or rows that were handed in before.

    References
    ----------
    He & Owen (2014), "Optimal mixture weights in multiple importance sampling": the shares.
    """
    shards = in_order([*state.shards, *judged])
    _check_fits(state.stage, judged, shards)
    grown = replace(state, shards=tuple(shards))
    done = state.stage.stop
    if _first_gap(grown) or done == state.plan.samples:
        return grown
    shares = next_shares(collect_draws(shards, state.plan.threshold), state.plan.defensive_share)
    # Rows are counted through: two stages of equal shares must not draw the same rows.
    spec = state.plan.spec.model_copy(update={"shares": shares})
    stage = Stage(spec, done, _stage_stop(state.plan, done), state.stage.number + 1)
    return replace(grown, stage=stage)


def even_shares(components: int) -> tuple[float, ...]:
    """Returns the pilot's shares: as many rows from each component."""
    return whole_shares([1.0] * components, components)


def next_shares(draws: Draws, defensive_share: float) -> tuple[float, ...]:
    """Returns the shares of the next stage, the target first, that promise the least variance."""
    # Draws list the target last, shares list it first.
    components = len(draws.component_names)
    target = max(defensive_share, PROPOSAL_FLOOR)
    floors = np.full(components, min(PROPOSAL_FLOOR, (1.0 - target) / (components - 1)))
    floors[-1] = target
    best = optimal_shares(draws, floors)
    return whole_shares([float(best[-1]), *best[:-1].tolist()], STAGE_PERIOD)


def _stage_stop(plan: SamplingPlan, start: int) -> int:
    """Returns where a stage ends: stages end after 250, 500, 1,000, 2,000, ... rows, or all at once."""
    return min(plan.samples, max(PILOT_ROWS, 2 * start)) if plan.adaptive else plan.samples


def _first_gap(state: State) -> range:
    """Returns the first rows of the stage that no shard holds; empty if none are missing."""
    start = state.stage.start
    for shard in state.shards:
        if shard.stage == state.stage.number:
            if shard.drawn.start > start:
                return range(start, shard.drawn.start)
            start = shard.drawn.stop
    return range(start, state.stage.stop)


def _check_fits(stage: Stage, judged: Sequence[JudgedShard], shards: Sequence[JudgedShard]) -> None:
    for shard in judged:
        rows = shard.drawn
        if shard.stage != stage.number or not stage.start <= rows.start <= rows.stop <= stage.stop:
            raise ValueError(
                f"shards must be of rows {stage.start}..{stage.stop} of stage {stage.number}, got rows "
                f"{rows.start}..{rows.stop} of stage {shard.stage}"
            )
    for first, second in pairwise(shards):
        if second.drawn.start < first.drawn.stop:
            raise ValueError(f"row {second.drawn.start} must be handed in once, got it twice")
