"""Judges that send requests to a server, and the judge that stands in where none may be sent."""

from collections.abc import Sequence
from typing import Any, TypeGuard

from core.judges.base import Judge, Judgement, PaidJudge


def is_paid(judge: Judge) -> TypeGuard[PaidJudge]:
    """Returns whether a judge sends requests: it must not be asked before the user has agreed."""
    return isinstance(judge, PaidJudge)


class UnaskedJudge:
    """Stands in for a judge that must not be asked yet: it judges nothing."""

    def judge(self, query: str, answers: Sequence[str]) -> list[Judgement]:
        """Returns no score for any answer."""
        return [Judgement(None, "The judge was not asked.") for _ in answers]

    def spec(self) -> dict[str, Any]:
        """Returns what is no stored judge's."""
        return {"judge": "unasked"}
