"""One definition of what is saved: a ratio, in draws and in the seconds that this run took."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from core.estimation.estimate import estimate
from core.estimation.second_opinion import SecondOpinion
from core.runs.saving import saving
from tests.estimation.toys import good, monte_carlo

RNG = np.random.default_rng(0)
FOUND = replace(estimate(good(1e-3).draws(RNG, 1_000), method="is"), seconds=6.0)
COUNTED = replace(estimate(monte_carlo(1e-3).draws(RNG, 5_000, (0,)), method="mc"), seconds=10.0)


def test_three_times_the_cost_of_an_answer_is_a_third_of_the_saving() -> None:
    """6 ms a weighted answer, 2 ms a counted one."""
    found = saving(FOUND, COUNTED)
    assert found.draws == pytest.approx(FOUND.monte_carlo_equivalent / 1_000)
    assert found.seconds == pytest.approx(found.draws / 3)


def test_the_second_proposals_answers_were_drawn_too() -> None:
    second = SecondOpinion(200, 1, 1e-3, 1.0, 0.0, 1.0)
    assert saving(replace(FOUND, second=second), COUNTED).draws == pytest.approx(
        FOUND.monte_carlo_equivalent / 1_200
    )


@pytest.mark.parametrize("counted", [None, replace(COUNTED, seconds=0.0)])
def test_what_was_not_measured_is_not_told(counted) -> None:
    assert math.isnan(saving(FOUND, counted).seconds)
