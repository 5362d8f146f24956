"""Laws that hold for any fitted tail: levels and chances are each other's inverse, and chances fall."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.tails.baselines import fit_lognormal
from core.tails.block_maxima import BlockMaxima
from core.tails.gumbel import fit_gumbel
from core.tails.pareto import ParetoTail, fit_pareto_largest
from core.tails.tail import Tail, splice
from tests.tails.samples import gumbel_scores, sample_of

Chances = st.lists(st.floats(-25.0, -4.0), min_size=2, max_size=8, unique=True)
FITS = {
    "pot": lambda sample: fit_pareto_largest(sample, 20),
    "gumbel": fit_gumbel,
    "lognormal": fit_lognormal,
}


def assert_inverse(tail: Tail, chances: list[float]) -> None:
    wanted = np.sort(np.asarray(chances))
    levels = tail.score_at(wanted)
    assert (np.diff(levels) <= 0).all(), "a rarer level is a higher one"
    # Beyond an end point in reach of rounding a level tells nothing of its chance.
    apart = np.concatenate([-np.diff(levels), [np.inf]]) > 1e-6
    assume(apart.all())
    assert tail.log_survival(levels) == pytest.approx(wanted, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("fit", FITS)
@given(seed=st.integers(0, 1000), chances=Chances)
def test_score_at_inverts_log_survival_of_a_fit(fit: str, seed: int, chances: list[float]) -> None:
    sample = sample_of(gumbel_scores(120, seed))
    assert_inverse(FITS[fit](sample), chances)
    assert_inverse(splice(sample, FITS[fit](sample)), chances)


@given(st.floats(-0.5, 1.0), st.floats(0.05, 2.0), st.floats(-5.0, 5.0), Chances)
def test_score_at_inverts_log_survival_of_any_pareto_tail(
    shape: float, scale: float, threshold: float, chances: list[float]
) -> None:
    tail = ParetoTail(shape=shape, scale=scale, rate=0.1, threshold=threshold, exceedances=30)
    assert_inverse(tail, chances)


@given(st.floats(-0.5, 1.0), st.floats(0.05, 2.0), st.floats(-5.0, 5.0), Chances)
def test_score_at_inverts_log_survival_of_any_block_maxima(
    shape: float, scale: float, location: float, chances: list[float]
) -> None:
    tail = BlockMaxima(
        threshold=location, exceedances=30, shape=shape, location=location, scale=scale, block=10.0
    )
    assert_inverse(tail, chances)
