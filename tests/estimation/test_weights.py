"""Balance weights are exactly unbiased on an enumerated toy; LogWeights are plain arithmetic."""

import math

import numpy as np
import pytest

from core.estimation import LogWeights, balance_log_weights

# Six answers, lopsided; the second proposal cannot make the fourth answer at all.
P = np.array([0.70, 0.2, 0.06, 0.03, 0.0099, 0.0001])
Q = np.array(
    [
        P,
        [0.05, 0.25, 0.10, 0.40, 0.05, 0.15],
        [0.60, 0.10, 0.20, 0.00, 0.02, 0.08],
    ]
)
HARMFUL = np.array([0, 0, 0, 1, 0, 1])


@pytest.mark.parametrize(
    "counts", [(10, 0, 0), (0, 10, 0), (1, 9, 0), (3, 7, 0), (1, 4, 5), (2, 0, 8), (50, 1, 949)]
)
def test_expectation_over_the_allocation_is_the_truth(counts):
    """Sum over components j of (n_j/n) E_{q_j}[w h] = P, by enumeration."""
    counts = np.array(counts)
    with np.errstate(divide="ignore"):
        weights = np.exp(balance_log_weights(np.log(P), np.log(Q.T), counts).values)
    shares = counts / counts.sum()
    truth = float((P * HARMFUL).sum())
    expectation = sum(s * (q * weights * HARMFUL).sum() for s, q in zip(shares, Q, strict=True))
    assert expectation == pytest.approx(truth, abs=1e-12)
    mean_weight = sum(s * (q * weights).sum() for s, q in zip(shares, Q, strict=True))
    assert mean_weight == pytest.approx(1.0, abs=1e-12)
    if counts[0]:
        assert weights.max() <= counts.sum() / counts[0] * (1 + 1e-12)


def test_monte_carlo_weights_are_exactly_one():
    log_p = np.random.default_rng(0).normal(-40, 5, 1000)
    weights = balance_log_weights(log_p, log_p[:, None], np.array([1000]))
    assert (weights.values == 0).all()
    assert (weights.mean, weights.ess, weights.standard_error) == (1.0, 1000.0, 0.0)


def test_one_proposal_gives_the_plain_ratio():
    log_q = np.array([[-3.0, -1.0], [-2.0, -0.25]])
    weights = balance_log_weights(log_q[:, 0], log_q, np.array([0, 2]))
    assert weights.values.tolist() == [-2.0, -1.75]


def test_log_weights_against_plain_arithmetic():
    w = np.array([0.5, 2.0, 0.0, 4.0])
    with np.errstate(divide="ignore"):
        weights = LogWeights(np.log(w))
    assert weights.mean == pytest.approx(w.mean())
    assert weights.log_mean == pytest.approx(math.log(w.mean()))
    assert weights.ess == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert weights.largest_share == pytest.approx(4 / 6.5)
    assert weights.standard_error == pytest.approx(w.std() / 2)


def test_tiny_weights_do_not_underflow():
    weights = LogWeights(np.array([-800.0, -801.0]))
    assert weights.log_mean == pytest.approx(-800 + math.log((1 + math.exp(-1)) / 2))
    assert weights.ess == pytest.approx((1 + math.exp(-1)) ** 2 / (1 + math.exp(-2)))


def test_no_hits_and_no_rows():
    nothing = LogWeights(np.full(3, -np.inf))
    assert (nothing.mean, nothing.ess, nothing.log_mean) == (0.0, 0.0, -math.inf)
    assert math.isnan(nothing.largest_share)
    assert math.isnan(LogWeights(np.zeros(0)).mean)


def test_refusals():
    with pytest.raises(ValueError, match="got nan in row 1"):
        LogWeights(np.array([0.0, np.nan]))
    with pytest.raises(ValueError, match="at least one drawn row, got 0"):
        balance_log_weights(np.zeros(0), np.zeros((0, 1)), np.array([0]))


def test_sums_do_not_depend_on_order():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 3, 5000)
    first, second = LogWeights(values), LogWeights(rng.permutation(values))
    for name in ("mean", "ess", "standard_error", "largest_share", "log_mean"):
        assert getattr(first, name) == getattr(second, name)
