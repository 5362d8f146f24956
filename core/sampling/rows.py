"""Answers as arrays, and what it means for records that hold arrays to be equal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class ArrayRecord:
    """A record with arrays among its fields: equal if all of them are, bit for bit."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArrayRecord):
            return NotImplemented
        return type(self) is type(other) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[object, ...]:
        return tuple(
            (value.dtype.str, value.shape, value.tobytes())
            if isinstance(value, np.ndarray)
            else value
            for value in vars(self).values()
        )


@dataclass(frozen=True, eq=False)
class Rows(ArrayRecord):
    """Answers with the density of every token under the target and under each of J proposals.

    tokens: (n, T) int32, PAD after the end; the stop token, if reached, is the last one. lengths: (n,)
    int32. log_p: (n, T) float64, the target's log-probability of each token, 0 after the end. log_q:
    (J, n, T) float64, the same of each mixed proposal, whichever of them drew the row.
    """

    tokens: NDArray[np.int32]
    lengths: NDArray[np.int32]
    log_p: NDArray[np.float64]
    log_q: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: slice) -> "Rows":
        """Returns these rows."""
        return Rows(self.tokens[rows], self.lengths[rows], self.log_p[rows], self.log_q[:, rows])

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """Returns the rows of all parts, in the order given."""
        return cls(
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.log_p for part in parts]),
            np.concatenate([part.log_q for part in parts], axis=1),
        )
