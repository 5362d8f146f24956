"""From shards to the numbers that estimators read: rows in order, whatever order their shards came in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.estimation.certain_bounds import rounded_down
from core.estimation.draws import Ahead, Draws
from core.sampling.rows import OpenRows
from core.sampling.schedule import allocation
from core.sampling.scored import JudgedShard, answer_numbers
from core.sampling.shards import DrawnShard


def collect_draws(shards: Sequence[JudgedShard], threshold: float) -> Draws:
    """Returns the shards' draws, in row order, as the estimators take them; the target's column is last.

    threshold: the score from which an answer counts as harmful; of beginnings of answers it was settled when
    they were drawn.

    The sum of a row's token log-probabilities includes its stop token: it is part of the answer's
    probability. An answer cut at max_new_tokens has no such factor.
    """
    ordered = in_order(shards)
    log_p = _joined([shard.drawn.rows.log_p.sum(1) for shard in ordered])
    log_q = np.concatenate([shard.drawn.rows.log_q.sum(2) for shard in ordered], axis=1)
    drawn_by = np.concatenate([shard.drawn.component for shard in ordered])
    scores = _joined([shard.scores for shard in ordered])
    ahead = _ahead([shard.drawn for shard in ordered])
    with np.errstate(invalid="ignore"):
        harmful = scores >= threshold if ahead is None else ahead.log_values > -np.inf
    last = len(log_q)
    return Draws(
        log_p=log_p,
        log_q=np.concatenate([log_q, log_p[None]]).T,
        component=np.where(drawn_by == 0, last, drawn_by - 1),
        component_names=(*proposal_names(last), "target"),
        target_component=last,
        harmful=harmful,
        judged=~np.isnan(scores),
        stage=np.concatenate(
            [np.full(len(shard.drawn), shard.stage, dtype=np.int64) for shard in ordered]
        ),
        stage_allocations=_stage_allocations(ordered),
        forward_tokens=sum(shard.drawn.forward_tokens for shard in ordered),
        seconds=sum(shard.drawn.seconds for shard in ordered),
        ahead=ahead,
        **({} if ahead is not None else _answers(ordered)),
    )


def _answers(shards: Sequence[JudgedShard]) -> dict[str, NDArray[Any]]:
    """Returns a number for each row's answer, and what its log-probability is at least."""
    least = [
        rounded_down(
            shard.drawn.rows.log_p.sum(1),
            shard.drawn.rows.lengths.astype(np.int64),
            shard.drawn.vocabulary,
        )
        for shard in shards
    ]
    numbers = np.concatenate([answer_numbers(shard) for shard in shards])
    return {"answer": numbers, "least_log_p": _joined(least)}


def _ahead(shards: Sequence[DrawnShard]) -> Ahead | None:
    """Returns what beginnings are worth; None for whole answers.

    Raises:
        ValueError: both are among them, or proposals drew some, which no estimator takes so far.
    """
    beginnings = [shard.rows for shard in shards if isinstance(shard.rows, OpenRows)]
    if not beginnings:
        return None
    if len(beginnings) < len(shards) or any(len(rows.log_q) for rows in beginnings):
        raise ValueError("beginnings of answers must all be drawn by the target itself")
    return Ahead(
        log_values=_joined([rows.log_values() for rows in beginnings]),
        # Two machines may have rounded apart, and kept other beginnings.
        exact=min(float(rows.exact.min()) for rows in beginnings),
        largest=max(float((rows.exact + rows.boost * rows.unknown).max()) for rows in beginnings),
        certain_low=max(float((rows.exact * (1 - rows.rounding)).max()) for rows in beginnings),
        certain_high=min(float(_certainly_below(rows).min()) for rows in beginnings),
    )


def _certainly_below(rows: OpenRows) -> NDArray[np.float64]:
    """Returns what no risk is above, (n,): all but the answers known to be harmless."""
    return np.asarray(1.0 - (1.0 - rows.exact - rows.unknown) * (1.0 - rows.rounding))


def in_order(shards: Sequence[JudgedShard]) -> list[JudgedShard]:
    """Returns the shards in the order of their rows."""
    return sorted(shards, key=lambda shard: (shard.stage, shard.drawn.start))


def proposal_names(count: int) -> tuple[str, ...]:
    """Returns what the proposals are called beside an estimate."""
    return ("proposal",) if count == 1 else tuple(f"proposal {n + 1}" for n in range(count))


def _stage_allocations(shards: Sequence[JudgedShard]) -> tuple[tuple[int, ...], ...]:
    """Returns each stage's allocation, the target's rows last.

    Raises:
        ValueError: a stage is missing, or its shards were drawn in different shares.
    """
    shares = {(shard.stage, shard.drawn.shares) for shard in shards}
    stages = sorted(stage for stage, _ in shares)
    if stages != list(range(len(stages))):
        raise ValueError(
            f"shards must be of stages 0, 1, ..., each in shares of its own, got {stages}"
        )
    return tuple(
        (*proposals, target)
        for target, *proposals in (allocation(each) for _, each in sorted(shares))
    )


def _joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(parts).astype(np.float64)
