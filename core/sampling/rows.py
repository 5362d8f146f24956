"""Answers as arrays, and what it means for records that hold arrays to be equal."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp


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

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Returns what its arrays are called, here and in a store."""
        return tuple(field.name for field in fields(cls))

    def take(self, rows: slice) -> Self:
        """Returns these rows."""
        return type(self)(
            *(
                value[:, rows] if name == "log_q" else value[rows]
                for name, value in ((name, getattr(self, name)) for name in self.names())
            )
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Returns the rows of all parts, in the order given."""
        return cls(
            *(
                np.concatenate(
                    [getattr(part, name) for part in parts], axis=1 if name == "log_q" else 0
                )
                for name in cls.names()
            )
        )


@dataclass(frozen=True, eq=False)
class OpenRows(Rows):
    """Beginnings of answers on which a judge's word is open, none of them settled before its end.

    A row of length t was settled, or may not go on, after t tokens. log_q: of each token under each proposal,
    given that the answer stays open. mass: (n, T) float64, the target's probability, given the first t
    tokens, of a token that settles the answer as harmful; 0 past the end. own_log_q: (n, T) float64, of each
    token under the distribution that the target's own rows are drawn from: the target's, given that the
    answer stays open, with more of the rows sent where harm is a token away. exact, unknown: (n,) float64,
    the same in all rows of a draw: the probability of harm that is known without them, and that of the
    answers which they stand for. boost: (n,) float64; a row of the target's own is worth
    `exact + boost * unknown` at most. rounding: (n,) float64, the share by which sums of probabilities may be
    off, computed in float32.
    """

    mass: NDArray[np.float64]
    own_log_q: NDArray[np.float64]
    exact: NDArray[np.float64]
    unknown: NDArray[np.float64]
    boost: NDArray[np.float64]
    rounding: NDArray[np.float64]

    def log_values(self, shares: Sequence[float] = (1.0,)) -> NDArray[np.float64]:
        """Returns the log of each row's unbiased value of the risk, (n,), by the balance heuristic.

        shares: of the rows that each component drew, the target first.
        """
        with np.errstate(divide="ignore"):
            log_shares, log_mass = np.log(np.asarray(shares)), np.log(self.mass)
        log_q = _before(np.concatenate([self.own_log_q[None], self.log_q]))
        log_mix = logsumexp(log_q + log_shares[:, None, None], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            terms = np.where(log_mass > -np.inf, log_mass + _before(self.log_p) - log_mix, -np.inf)
            log_exact = np.log(self.exact)
        return np.asarray(np.logaddexp(log_exact, logsumexp(terms, axis=-1)))

    def values(self, shares: Sequence[float] = (1.0,)) -> NDArray[np.float64]:
        """Returns each row's unbiased value of the risk, (n,)."""
        return np.exp(self.log_values(shares))


def _before(log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the log-probability of the tokens before each one, (..., T)."""
    total = np.cumsum(log_probs, axis=-1)
    return np.concatenate([np.zeros_like(total[..., :1]), total[..., :-1]], axis=-1)
