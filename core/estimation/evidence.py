"""What a verdict is made from and made of: the evidence, and reasons with their limits."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from core.estimation.certain_bounds import CertainBounds
from core.estimation.component_checks import ComponentChecks
from core.estimation.diagnostics import Diagnostics
from core.estimation.second_opinion import SecondOpinion

NOTHING_CERTAIN = CertainBounds()
ReasonLevel = Literal["caution", "do not use"]
Verdict = Literal["trust", "caution", "do not use"]
Method = Literal["mc", "is", "mis", "ahead"]


@dataclass(frozen=True)
class Reason:
    """Why an estimate is not simply trusted: one sentence, the value and the limit it broke."""

    code: str
    level: ReasonLevel
    message: str
    value: float | None
    threshold: float | None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return {
            "code": self.code,
            "level": self.level,
            "message": self.message,
            "value": self.value,
            "threshold": self.threshold,
        }


@dataclass(frozen=True)
class Evidence:
    """All that the rules look at.

    sampling_low, sampling_high: the interval from the judged answers alone.
    ci_low, ci_high: the same, widened by what the unjudged answers could be.
    """

    method: Method
    samples: int
    unjudged: int
    hits: int
    estimate: float
    sampling_low: float
    sampling_high: float
    ci_low: float
    ci_high: float
    diagnostics: Diagnostics
    component_checks: ComponentChecks
    certain: CertainBounds = NOTHING_CERTAIN
    second: SecondOpinion | None = None


VerdictRule = Callable[[Evidence], Iterator[Reason]]


def reason(code: str, level: ReasonLevel, message: str, value: float, threshold: float) -> Reason:
    return Reason(code, level, message, _finite(value), _finite(threshold))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def above(code: str, value: float, caution: float, wrong: float, message: str) -> Iterator[Reason]:
    """One reason if value exceeds a limit; a nan exceeds none."""
    if value > wrong:
        yield reason(code, "do not use", message, value, wrong)
    elif value > caution:
        yield reason(code, "caution", message, value, caution)


def below(code: str, value: float, caution: float, wrong: float, message: str) -> Iterator[Reason]:
    """One reason if value falls short of a limit; a nan falls short of none."""
    if value < wrong:
        yield reason(code, "do not use", message, value, wrong)
    elif value < caution:
        yield reason(code, "caution", message, value, caution)
