"""Draws of several parts as one."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from core.estimation.draws import Ahead, Draws


def concatenate(parts: Iterable[Draws]) -> Draws:
    """Returns all rows of all parts, in the order given; costs add up.

    Raises:
        ValueError: no parts, or parts whose components differ (their log_q cannot be stacked), whose
            stages fall from one to the next, or which say different things of a stage's allocation.
    """
    all_parts = list(parts)
    if not all_parts:
        raise ValueError("draws to concatenate must be at least one, got 0")
    first = all_parts[0]
    for part in all_parts[1:]:
        if (part.component_names, part.target_component) != (
            first.component_names,
            first.target_component,
        ):
            raise ValueError(
                f"draws must share their components {first.component_names} "
                f"(target {first.target_component}), got {part.component_names} "
                f"(target {part.target_component})"
            )
    return Draws(
        log_p=np.concatenate([part.log_p for part in all_parts]),
        log_q=np.concatenate([part.log_q for part in all_parts]),
        component=np.concatenate([part.component for part in all_parts]),
        component_names=first.component_names,
        target_component=first.target_component,
        harmful=np.concatenate([part.harmful for part in all_parts]),
        judged=np.concatenate([part.judged for part in all_parts]),
        forward_tokens=sum(part.forward_tokens for part in all_parts),
        seconds=float(sum(part.seconds for part in all_parts)),
        stage=np.concatenate([part.stage for part in all_parts]),
        stage_allocations=_joint_allocations([part.stage_allocations for part in all_parts]),
        ahead=_joint_ahead([part.ahead for part in all_parts]),
        **_joint_answers(all_parts),
    )


def _joint_answers(parts: Sequence[Draws]) -> dict[str, npt.NDArray[Any]]:
    """Returns the answers' numbers and what bounds their densities; none if a part does not know them."""
    if not all(part.knows_answers for part in parts):
        return {}
    return {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("answer", "least_log_p")
    }


def _joint_ahead(parts: Sequence[Ahead | None]) -> Ahead | None:
    known = [part for part in parts if part is not None]
    if not known:
        return None
    alike = {(part.exact, part.largest, part.certain_low, part.certain_high) for part in known}
    if len(known) < len(parts) or len(alike) > 1:
        raise ValueError(f"draws must all be beginnings of answers of one kind, got {len(alike)}")
    return replace(known[0], log_values=np.concatenate([part.log_values for part in known]))


def _joint_allocations(
    parts: Sequence[tuple[tuple[int, ...], ...]],
) -> tuple[tuple[int, ...], ...]:
    """Returns the allocations of all stages; none if a part does not know its own."""
    longest = max(parts, key=len)
    for part in parts:
        if part != longest[: len(part)]:
            raise ValueError(f"draws must share their stage_allocations {longest}, got {part}")
    return longest if all(parts) else ()
