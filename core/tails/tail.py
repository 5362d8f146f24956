"""The interface of a fitted tail, and how it is joined to the queries below its threshold."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.tails.sample import Array, TailSample, kaplan_meier


class Tail(Protocol):
    """A fitted tail. threshold: score from which it holds. exceedances: known scores above it."""

    @property
    def name(self) -> str: ...
    @property
    def threshold(self) -> float: ...
    @property
    def exceedances(self) -> int: ...
    @property
    def parameters(self) -> dict[str, float]: ...

    def log_survival(self, score: Array | float) -> Array:
        """Returns log P(score of a query > level), nats."""
        ...

    def score_at(self, log_survival: Array | float) -> Array:
        """Returns the level that is exceeded with this log-probability."""
        ...


@dataclass(frozen=True, eq=False)
class DerivedTail:
    """A tail derived from another one, whose name, threshold and parameters it keeps."""

    tail: Tail

    @property
    def name(self) -> str:
        return self.tail.name

    @property
    def threshold(self) -> float:
        return self.tail.threshold

    @property
    def exceedances(self) -> int:
        return self.tail.exceedances

    @property
    def parameters(self) -> dict[str, float]:
        return self.tail.parameters


@dataclass(frozen=True, eq=False)
class SplicedTail(DerivedTail):
    """A tail above its threshold, and the queries seen below it.

    Of a few queries the worst lies among those seen: a line through the largest says nothing there.
    levels: known scores, descending; reached: the share of queries that reach each.
    """

    levels: Array
    reached: Array

    @property
    def limit(self) -> float:
        """The log survival at the threshold."""
        return float(self.tail.log_survival(self.threshold))

    def log_survival(self, score: Array | float) -> Array:
        """Returns log P(score of a query > level), nats: of the tail, below it of the queries seen."""
        level = np.asarray(score, dtype=float)
        above = np.searchsorted(-self.levels, -level, side="right")
        seen = np.log(np.concatenate([[1e-300], self.reached])[above])
        tail = self.tail.log_survival(np.maximum(level, self.threshold))
        return np.asarray(np.where(level < self.threshold, np.maximum(seen, self.limit), tail))

    def score_at(self, log_survival: Array | float) -> Array:
        """Returns the level that is exceeded with this log-probability."""
        wanted = np.asarray(log_survival, dtype=float)
        place = np.searchsorted(self.reached, np.exp(wanted) - 1e-12)
        seen = self.levels[np.minimum(place, len(self.levels) - 1)]
        tail = self.tail.score_at(np.minimum(wanted, self.limit))
        return np.asarray(np.where(wanted > self.limit, np.minimum(seen, self.threshold), tail))


def splice(sample: TailSample, tail: Tail) -> SplicedTail:
    """Returns a tail joined to the queries below its threshold."""
    known, reached = kaplan_meier(sample)
    return SplicedTail(tail, known, reached)
