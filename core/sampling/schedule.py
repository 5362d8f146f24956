"""Which row of a sample is drawn by which component: an even spread, known before anything is drawn."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Shares are stated to a thousandth at most, so that an allocation repeats after so many rows or fewer.
MAX_PERIOD = 1_000


def period(shares: Sequence[float]) -> int:
    """Returns after how many rows the allocation repeats.

    Raises:
        ValueError: the shares are negative, do not add up to 1, or are finer than a thousandth.
    """
    # Asked this way round, NaN is refused too.
    if not (shares and min(shares) >= 0 and abs(sum(shares) - 1.0) <= 1e-9):
        raise ValueError(f"shares must not be negative and add up to 1, got {list(shares)}")
    for rows in range(1, MAX_PERIOD + 1):
        if all(abs(share * rows - round(share * rows)) < 1e-9 * rows for share in shares):
            return rows
    raise ValueError(f"shares must be whole thousandths, got {list(shares)}")


def allocation(shares: Sequence[float]) -> tuple[int, ...]:
    """Returns how many rows of a period each component draws: (0.1, 0.9) gives (1, 9)."""
    rows = period(shares)
    return tuple(round(share * rows) for share in shares)


def components(shares: Sequence[float], rows: range) -> NDArray[np.int64]:
    """Returns the component of each row, (len(rows),).

    Component j's k-th row of a period falls due at k / share_j, and rows go to whatever is due. So any
    beginning of the sample has nearly the shares of the whole, and the first row is component 0's if
    it has a share at all: with the target there, every sample has a witness that no proposal can blind.
    """
    return _pattern(tuple(shares))[np.arange(rows.start, rows.stop) % period(shares)]


@lru_cache(maxsize=256)
def _pattern(shares: tuple[float, ...]) -> NDArray[np.int64]:
    due = [(k / count, j) for j, count in enumerate(allocation(shares)) for k in range(count)]
    return np.array([j for _, j in sorted(due)], dtype=np.int64)


def whole_shares(shares: Sequence[float], rows: int) -> tuple[float, ...]:
    """Returns the nearest shares that repeat every `rows` rows (largest remainders first)."""
    wanted = np.asarray(shares) / np.sum(shares) * rows
    counts = np.floor(wanted + 1e-9)
    missing = rows - int(counts.sum())
    counts[np.argsort(counts - wanted, kind="stable")[:missing]] += 1
    return tuple(float(count / rows) for count in counts)
