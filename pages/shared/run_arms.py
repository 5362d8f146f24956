"""What a run has drawn so far, read under the threshold that this session has set for its judge."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.estimation import Estimate
from core.estimation.certain_bounds import CertainBounds
from core.runs.convergence import convergence_table
from core.runs.estimate import certain_of, estimate_shards
from core.runs.run import ARMS, SECOND, RunSpec
from core.runs.task import ArmProgress, RunSnapshot
from core.sampling.scored import JudgedShard

THRESHOLDS = "threshold_view.kept"


def at_session_threshold(run: RunSpec) -> RunSpec:
    """Returns the run under the threshold that this session has set, its own if it has set none.

    Of look-ahead it is always the run's own: with another one, other beginnings would have been drawn.
    """
    if run.request.method == "ahead":
        return run
    thresholds: dict[tuple[str, str], float] = st.session_state.get(THRESHOLDS, {})
    return run.seen_at(thresholds.get(scored_by(run), run.request.threshold))


def set_threshold(run: RunSpec, threshold: float | None) -> None:
    """Sets the threshold for all runs of this behaviour and judge; None goes back to each run's own."""
    thresholds: dict[tuple[str, str], float] = st.session_state.setdefault(THRESHOLDS, {})
    if threshold is None:
        thresholds.pop(scored_by(run), None)
    else:
        thresholds[scored_by(run)] = round(threshold, 6)


def scored_by(run: RunSpec) -> tuple[str, str]:
    """Returns behaviour and judge: a threshold means something for the scores of one judge only."""
    return run.request.behaviour, run.request.judge or ""


@dataclass(frozen=True)
class ArmEstimate:
    """One arm at one moment: its draws, the estimate from them, and the path that led there."""

    progress: ArmProgress
    estimate: Estimate
    path: pd.DataFrame


def arm_estimates(run: RunSpec, snapshot: RunSnapshot) -> dict[str, ArmEstimate]:
    """Returns the estimate of each arm that has a draw. run: as `at_session_threshold` returns it."""
    arms = snapshot.progress.partial.arms
    second = arms.get(SECOND)
    opinions = {} if second is None else {"weighted": second.partial}
    return {
        method: ArmEstimate(
            arm,
            *_estimated(
                run.run_id,
                method,
                _answers(arm.partial),
                _answers(opinions.get(method, ())),
                arm.partial,
                opinions.get(method, ()),
                run,
            ),
        )
        for method, arm in arms.items()
        if method in ARMS and arm.partial
    }


def _answers(shards: Sequence[JudgedShard]) -> int:
    return sum(len(shard.drawn) for shard in shards)


def certain(run: RunSpec, snapshot: RunSnapshot) -> CertainBounds:
    """Returns what is certain by the answers of all arms. run: as `at_session_threshold` returns it."""
    arms = {name: arm for name, arm in snapshot.progress.partial.arms.items() if arm.done > 0}
    done = tuple((name, int(arm.done)) for name, arm in arms.items())
    return _certain(run.run_id, done, [arm.partial for arm in arms.values()], run.request.threshold)


@st.cache_resource(show_spinner=False, max_entries=64)
def _certain(
    run_id: str,
    done: tuple[tuple[str, int], ...],
    _samples: Sequence[Sequence[JudgedShard]],
    threshold: float,
) -> CertainBounds:
    return certain_of(_samples, threshold)


@st.cache_resource(show_spinner=False, max_entries=64)
def _estimated(
    run_id: str,
    method: str,
    done: int,
    second_done: int,
    _shards: Sequence[JudgedShard],
    _second: Sequence[JudgedShard],
    _run: RunSpec,
) -> tuple[Estimate, pd.DataFrame]:
    """Returns estimate and path of an arm's first `done` draws; computed once for all sessions.

    run_id: the id of the run under the threshold that it is read with.
    """
    request = _run.arm_request("weighted" if method == "weighted" else "mc")
    return estimate_shards(_shards, request, _second), convergence_table(_shards, request)
