"""Exactness: on a model whose answers can be enumerated, the expectation of w*h equals P(h) to 1e-10.

Falsified by a dropped stop token, a swapped p and q, a switch shifted by one, a proposal that is not
normalised or leaves the target's support.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

from core.estimation.weights import balance_log_weights
from core.proposals.base import Arm
from core.proposals.steer import SteerPlan
from tests.exactness.toy import (
    HARMFUL,
    LOADED,
    PROMPT,
    STEPS,
    FloatArray,
    Logits,
    brute_force,
    logits_of,
    subtracting,
)
from tests.exactness.toy import Setting as Plain
from tests.exactness.under_test import chi_square_excess, densities, draw

LAYER, STRENGTH = 1, 0.9
VECTOR = torch.linspace(-1.0, 1.4, 32, dtype=torch.float64)


@dataclass(frozen=True)
class Setting(Plain):
    """One way to generate and to steer."""

    positions: str = "answer"


@cache
def steered_logits(positions: str) -> Logits:
    return logits_of(changes=subtracting(LAYER, STRENGTH * VECTOR, positions))


@cache
def true_densities(setting: Setting) -> tuple[FloatArray, FloatArray]:
    return brute_force(setting, steered_logits(setting.positions))


def arm(setting: Setting) -> Arm:
    plan = SteerPlan(
        LAYER,
        VECTOR,
        STRENGTH,
        on_prompt=setting.positions in ("prompt", "both"),
        on_answer=setting.positions in ("answer", "both"),
    )
    return Arm(LOADED, (PROMPT,), plan)


@cache
def found_densities(setting: Setting) -> tuple[FloatArray, FloatArray]:
    log_p, log_q = densities([arm(setting)], [setting])
    return log_p, log_q[0]


SETTINGS = [
    Setting(),
    Setting(t_switch=0),
    Setting(t_switch=1),
    Setting(t_switch=STEPS),
    Setting(alpha_mix=0.0, t_switch=3),
    Setting(alpha_mix=1.0, t_switch=3),
    Setting(alpha_mix=0.5, t_switch=3, positions="prompt"),
    Setting(alpha_mix=0.3, t_switch=3, positions="both"),
    Setting(temperature=0.7),
    Setting(temperature=1.6, t_switch=3),
    Setting(top_k=3, t_switch=3),
    Setting(top_p=0.8, t_switch=3),
    Setting(temperature=1.3, top_k=4, top_p=0.9, alpha_mix=0.2, t_switch=3, positions="both"),
    Setting(repetition_penalty=1.7, t_switch=3),
    Setting(repetition_penalty=0.6, temperature=1.3, t_switch=3, positions="both"),
    Setting(no_repeat_ngram_size=2, t_switch=3),
    Setting(no_repeat_ngram_size=3, repetition_penalty=1.3, top_k=4, alpha_mix=0.0, t_switch=3),
    Setting(min_p=0.08, t_switch=3),
    Setting(temperature=1.3, top_p=0.9, min_p=0.05, repetition_penalty=1.3, suppress_tokens=(0,)),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_densities_are_those_of_brute_force(setting: Setting) -> None:
    p, q = true_densities(setting)
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert q.sum() == pytest.approx(1.0, abs=1e-12)
    log_p, log_q = found_densities(setting)
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(np.exp(log_q), q, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("defensive_share", [0.0, 0.1, 0.5])
def test_expectation_of_weighted_hits_is_the_risk(setting: Setting, defensive_share: float) -> None:
    p, q = true_densities(setting)
    risk = p[HARMFUL].sum()
    log_p, log_q = found_densities(setting)
    if defensive_share:
        columns = np.stack([log_q, log_p], axis=1)
        counts = np.array([1 - defensive_share, defensive_share]) * 1000
        drawn = (1 - defensive_share) * q + defensive_share * p
    else:
        columns, counts, drawn = log_q[:, None], np.array([1000.0]), q
    reached = drawn > 0
    weights = np.exp(balance_log_weights(log_p[reached], columns[reached], counts).values)
    assert abs((drawn[reached] * weights * HARMFUL[reached]).sum() - risk) < 1e-10
    assert abs((drawn[reached] * weights).sum() - 1.0) < 1e-10
    assert 1e-3 < risk < 0.9, "the event must be neither trivial nor certain"


@pytest.mark.parametrize(
    "changed",
    [Setting(repetition_penalty=1.3), Setting(no_repeat_ngram_size=2), Setting(min_p=0.08)],
)
def test_each_setting_of_generation_moves_the_toy(changed: Setting) -> None:
    assert np.abs(true_densities(changed)[0] - true_densities(Setting())[0]).sum() > 0.05


def test_steering_moves_the_toy() -> None:
    p, q = true_densities(Setting())
    assert np.abs(p - q).sum() > 0.1


@pytest.mark.parametrize(
    "setting",
    [
        Setting(t_switch=3),
        Setting(top_p=0.8, temperature=1.3),
        Setting(repetition_penalty=1.7, no_repeat_ngram_size=2, min_p=0.02, t_switch=3),
    ],
    ids=str,
)
def test_draws_follow_the_proposal_they_are_weighted_by(setting: Setting) -> None:
    """20,000 draws against the enumerated q, cell by cell, and their mean weighted hit."""
    rows, drawn = draw([arm(setting)], [setting], 20_000, seed=5)
    p, q = true_densities(setting)
    assert chi_square_excess(drawn, q) < 4
    weighted = np.exp(rows.log_p.sum(1) - rows.log_q[0].sum(1)) * HARMFUL[drawn]
    error = weighted.std() / np.sqrt(len(drawn))
    assert abs(weighted.mean() - p[HARMFUL].sum()) < 4 * error


def test_rows_of_the_target_share_follow_the_target() -> None:
    setting, count = Setting(t_switch=3), 8_000
    _, drawn = draw([arm(setting)], [setting], count, seed=7, component=np.arange(count) % 2)
    p, q = true_densities(setting)
    # The answers that tell the two apart best: their probabilities differ by the total variation.
    chosen = p > q
    assert p[chosen].sum() - q[chosen].sum() > 0.06
    hits = chosen[drawn]
    for share, truth in ((hits[::2], p[chosen].sum()), (hits[1::2], q[chosen].sum())):
        assert abs(share.mean() - truth) < 4 * np.sqrt(truth * (1 - truth) / len(share))
