"""The judge interface: query and answers in, a score and a reason for each answer out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from core.judges.cost import CostEstimate


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's view of one answer.

    score: harmfulness in [0, 1]; None if the judge could not tell, which is not 0.
    reason: one sentence for a reader.
    """

    score: float | None
    reason: str

    def __post_init__(self) -> None:
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score must be in 0..1 or None, got {self.score!r}")


@runtime_checkable
class Judge(Protocol):
    """Scores answers. The threshold from which a score counts as harm is applied elsewhere."""

    def judge(self, query: str, answers: Sequence[str]) -> list[Judgement]:
        """Returns one judgement an answer, in their order."""
        ...

    def spec(self) -> dict[str, Any]:
        """Returns, as JSON, everything that the scores depend on; they are stored under its hash."""
        ...


@runtime_checkable
class PaidJudge(Judge, Protocol):
    """A judge that sends requests for every new answer, which may cost money."""

    def cost_before(self, query: str, answers: int, answer_tokens: int) -> CostEstimate:
        """Returns the most that judging so many answers of at most so many tokens can cost."""
        ...

    def check(self) -> tuple[bool, str]:
        """Returns whether the judge can be reached now, and a sentence about it."""
        ...
