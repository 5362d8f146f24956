"""k-hat on tails whose k is known."""

import math

import numpy as np
import pytest
from scipy import stats

from core.estimation import LogWeights, khat_threshold, pareto_khat
from core.estimation.pareto import fit_generalized_pareto


@pytest.mark.parametrize("k", [-0.4, 0.1, 0.5, 0.9, 1.5])
def test_fit_finds_the_shape_of_generalized_pareto_samples(k):
    sample = np.sort(stats.genpareto.rvs(k, scale=3, size=20_000, random_state=1))
    assert fit_generalized_pareto(sample) == pytest.approx(k, abs=0.04)


def test_fit_agrees_with_maximum_likelihood():
    sample = np.sort(stats.genpareto.rvs(0.3, size=2000, random_state=2))
    likelihood, _, _ = stats.genpareto.fit(sample, floc=0)
    assert fit_generalized_pareto(sample) == pytest.approx(likelihood, abs=0.02)


@pytest.mark.parametrize("k", [0.3, 0.7, 1.2])
def test_khat_of_pareto_weights(k):
    """Weights U^-k are Pareto of shape 1/k, above any threshold: a tail of exactly k."""
    logs = -k * np.log(np.random.default_rng(3).random(100_000))
    found = pareto_khat(LogWeights(logs))
    assert found.value == pytest.approx(k, abs=0.1)
    assert found.tail == int(3 * math.sqrt(100_000))


def test_zeros_do_not_count_as_weights():
    logs = -0.5 * np.log(np.random.default_rng(4).random(500))
    padded = np.concatenate([logs, np.full(5000, -np.inf)])
    assert pareto_khat(LogWeights(padded)) == pareto_khat(LogWeights(logs))


def test_scale_does_not_matter():
    logs = -0.5 * np.log(np.random.default_rng(4).random(500))
    shifted = pareto_khat(LogWeights(logs - 700)).value
    assert shifted == pytest.approx(pareto_khat(LogWeights(logs)).value, abs=1e-9)


@pytest.mark.parametrize(
    ("logs", "reason"),
    [
        (np.zeros(0), "0 positive weights are too few"),
        (np.arange(24.0), "24 positive weights are too few"),
        (np.zeros(1000), "weights are equal"),
    ],
)
def test_no_fit_says_why(logs, reason):
    found = pareto_khat(LogWeights(logs))
    assert math.isnan(found.value)
    assert reason in found.reason


def test_threshold():
    assert khat_threshold(100) == pytest.approx(0.5)
    assert khat_threshold(10**6) == 0.7
