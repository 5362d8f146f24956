"""What the preview says of a proposal's draws: closed forms, and the useless proposal that was praised."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.runs.reach import ANSWERS, Reach, reach


def exact(p: float, q: float, n: int = 20_000, delta: float = 0.1, cost: float = 2.0) -> Reach:
    """Two answers, one harmful of probability p and q; rows in their expected numbers."""
    of_target, of_proposal = np.arange(n) < round(p * n), np.arange(n) < round(q * n)
    harmful = np.concatenate([of_target, of_proposal])
    ratio = np.where(harmful, math.log(p / q), math.log((1 - p) / (1 - q)))
    return reach(ratio, np.arange(2 * n) < n, harmful, delta, cost)


@pytest.mark.parametrize(("p", "q"), [(0.01, 0.3), (0.2, 0.25), (0.3, 0.05)])
@pytest.mark.parametrize("delta", [0.0, 0.1, 0.9])
def test_both_errors_are_the_closed_forms(p: float, q: float, delta: float) -> None:
    found = exact(p, q, delta=delta)
    drawn = delta * p + (1 - delta) * q
    variance = p * p / drawn - p * p
    assert found.error == pytest.approx(math.sqrt(variance / p**2 / ANSWERS), rel=1e-6)
    assert found.cost == pytest.approx(delta + 2 * (1 - delta))
    counted = math.sqrt((1 - p) / p / (ANSWERS * found.cost))
    assert found.monte_carlo_error == pytest.approx(counted, rel=1e-6)


def test_a_proposal_that_makes_harm_common_is_better_and_one_that_does_not_is_not() -> None:
    assert exact(0.01, 0.3).judgement == "better"
    # More hits than the model itself, and yet not worth twice the cost.
    assert exact(0.2, 0.25).judgement == "no better"
    assert exact(0.2, 0.25, cost=1.0).judgement == "better"


def test_a_useless_proposal_is_not_praised() -> None:
    """One hit of 64, and 64 hits that the model itself never gives."""
    rows = np.arange(128)
    one = reach(np.where(rows < 64, 0.0, -20.0), rows < 64, rows == 100, 0.1, 2.0)
    assert one.judgement == "few hits"
    far = reach(np.where(rows < 64, 0.0, -53.0), rows < 64, rows >= 64, 0.1, 2.0)
    assert far.judgement == "not the model's"
    none = reach(np.zeros(128), rows < 64, rows < 0, 0.1, 2.0)
    assert none.judgement == "no hits"
    assert math.isnan(none.error)
