"""Which component draws which row: each period has exactly its shares, and so nearly has any beginning."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sampling.schedule import allocation, components, period, whole_shares


@st.composite
def any_shares(draw: st.DrawFn) -> tuple[float, ...]:
    """Shares in whole parts of a period; some may be 0."""
    wanted = draw(st.lists(st.integers(0, 50), min_size=1, max_size=5).filter(any))
    return whole_shares(wanted, draw(st.sampled_from([len(wanted), 20, 40, 1_000])))


@given(any_shares(), st.integers(0, 2_500), st.integers(2, 3))
def test_rows_repeat_after_a_period_and_not_before(
    shares: tuple[float, ...], start: int, periods: int
) -> None:
    rows, counts = period(shares), allocation(shares)
    assert sum(counts) == rows
    assert counts == pytest.approx([share * rows for share in shares])
    drawn = components(shares, range(periods * rows))
    np.testing.assert_array_equal(np.bincount(drawn[:rows], minlength=len(shares)), counts)
    repeats = [size for size in range(1, rows + 1) if (drawn[size:] == drawn[:-size]).all()]
    assert repeats == [rows]
    later = components(shares, range(start, start + 30))
    np.testing.assert_array_equal(later, components(shares, range(start + 30))[start:])


@given(any_shares(), st.integers(1, 1_000))
def test_any_beginning_has_nearly_the_shares(shares: tuple[float, ...], rows: int) -> None:
    drawn = np.bincount(components(shares, range(rows)), minlength=len(shares))
    used = sum(share > 0 for share in shares)
    assert (np.abs(drawn - np.array(shares) * rows) <= used).all()


@pytest.mark.parametrize(
    "shares", [(0.5, 0.4), (1.5, -0.5), (1 / 3, 2 / 3 + 1e-6), (0.12345, 0.87655)]
)
def test_shares_that_do_not_repeat_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="shares must"):
        period(shares)
