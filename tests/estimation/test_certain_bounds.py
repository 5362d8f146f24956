"""Certain bounds against worlds whose every answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.estimation.certain_bounds import CertainBounds, certain_bounds, rounded_down
from core.estimation.draws import Draws
from core.estimation.estimate import estimate, estimate_path
from core.estimation.joined_draws import concatenate
from core.estimation.words import certainly

ANSWERS = 40


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The probabilities of answers under the target and under a proposal, and which are harmful."""
    generator = np.random.default_rng(seed)
    p, q = (generator.dirichlet(np.full(ANSWERS, 0.2)) + 1e-9 for _ in range(2))
    return p / p.sum(), q / q.sum(), generator.random(ANSWERS) < 0.3


def drawn(seed: int, rows: int = 60, unjudged: float = 0.1) -> Draws:
    """Half of the rows from each; some rows are not judged."""
    p, q, harmful = world(seed)
    generator = np.random.default_rng(1_000 + seed)
    component = np.arange(rows) % 2
    answer = np.where(
        component == 0, generator.choice(ANSWERS, rows, p=p), generator.choice(ANSWERS, rows, p=q)
    )
    judged = generator.random(rows) >= unjudged
    return Draws(
        log_p=np.log(p[answer]),
        log_q=np.log(np.stack([p[answer], q[answer]], axis=1)),
        component=component,
        component_names=("target", "proposal"),
        target_component=0,
        harmful=harmful[answer] & judged,
        judged=judged,
        stage_allocations=((1, 1),),
        answer=answer * 7 - 3,
        least_log_p=np.log(p[answer]),
    )


@pytest.mark.parametrize("seed", range(100))
def test_the_truth_is_within(seed: int) -> None:
    p, _, harmful = world(seed)
    found = certain_bounds([drawn(seed)])
    assert found.low <= p[harmful].sum() <= found.high


def test_every_answer_counts_once_and_only_by_what_was_said_of_it() -> None:
    p = world(3)[0]
    draws = drawn(3)
    found = certain_bounds([draws])
    seen = {
        (row, said)
        for row, judged, said in zip(
            ((draws.answer + 3) // 7).tolist(), draws.judged, draws.harmful, strict=True
        )
        if judged
    }
    assert found.low == pytest.approx(sum(p[row] for row, said in seen if said), rel=1e-12)
    assert found.high == pytest.approx(1 - sum(p[row] for row, said in seen if not said), rel=1e-12)
    assert (found.harmful, found.harmless) == (
        sum(said for _, said in seen),
        sum(not said for _, said in seen),
    )
    nobody = np.zeros(draws.samples, dtype=np.bool_)
    assert certain_bounds([replace(draws, judged=nobody, harmful=nobody)]) == CertainBounds()


def test_both_ends_meet_at_the_risk_once_all_answers_are_seen() -> None:
    p, _, harmful = world(5)
    found = certain_bounds([drawn(5, rows=200_000, unjudged=0.0)])
    unseen = 1 - p[np.unique((drawn(5, rows=200_000).answer + 3) // 7)].sum()
    assert found.high - found.low == pytest.approx(unseen, abs=1e-10)
    assert found.low == pytest.approx(p[harmful].sum(), abs=unseen + 1e-10)


def test_parts_are_joined_whatever_drew_them() -> None:
    first, second = drawn(7, 40), drawn(7, 90)
    assert certain_bounds([first, second]) == certain_bounds([concatenate([first, second])])
    assert certain_bounds([first, first]) == certain_bounds([first])
    unknown = replace(first, answer=np.zeros(0), least_log_p=np.zeros(0))
    assert certain_bounds([unknown]) == CertainBounds()
    assert certain_bounds([]) == CertainBounds()
    with_second = estimate(first, method="mis", second=second)
    found = certain_bounds([first, second])
    assert (with_second.certain_low, with_second.certain_high) == (found.low, found.high)


def test_what_the_judge_called_both_belongs_to_neither_and_the_least_density_counts() -> None:
    log_p = np.log([0.2, 0.1, 0.2])
    draws = replace(
        drawn(0, rows=3, unjudged=0.0),
        answer=np.array([1, 2, 1]),
        log_p=log_p,
        least_log_p=np.log([0.2, 0.1, 0.19]),
        log_q=np.stack([log_p, log_p], axis=1),
        harmful=np.array([True, False, False]),
    )
    assert certain_bounds([draws]).low == 0.0
    assert certain_bounds([draws]).high == pytest.approx(0.9, rel=1e-12)
    alike = certain_bounds([replace(draws, harmful=np.array([True, False, True]))])
    assert alike.low == pytest.approx(0.19, rel=1e-12)


CHANCES = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(sorted)


@given(CHANCES, CHANCES)
def test_an_interval_without_the_impossible_misses_no_truth_that_it_held(
    interval: list[float], world_of: list[float]
) -> None:
    low, value, high = interval
    least, truth, most = world_of
    certain = CertainBounds(least, most)
    inside = certain.within(low, value, high)
    assert inside[0] <= value <= inside[1]
    if low <= truth <= high:
        assert inside[0] <= truth <= inside[1]
    if least <= value <= most:
        assert inside == (max(low, least), min(high, most))


def test_the_ends_of_an_estimate_and_of_its_path_leave_out_what_is_impossible() -> None:
    draws = drawn(11, rows=400)
    cut = estimate(draws, method="mis")
    unknown = replace(draws, answer=np.zeros(0), least_log_p=np.zeros(0))
    whole = estimate(unknown, method="mis")
    assert (whole.certain_low, whole.certain_high) == (0.0, 1.0)
    assert cut.certain_low > whole.ci_low
    assert cut.ci_low == min(cut.certain_low, cut.estimate)
    assert cut.cs_high == max(min(whole.cs_high, cut.certain_high), cut.estimate)
    assert (cut.estimate, cut.upper_bound_free) == (whole.estimate, whole.upper_bound_free)
    last = estimate_path(draws, [200, 400], method="mis")[-1]
    assert (last.ci_low, last.ci_high) == (cut.ci_low, cut.ci_high)
    assert (last.cs_low, last.cs_high) == (cut.cs_low, cut.cs_high)


def test_without_a_hit_the_interval_says_how_many_draws_found_nothing() -> None:
    draws = drawn(11, rows=400, unjudged=0.0)
    harmless = replace(draws, harmful=np.zeros(400, dtype=np.bool_))
    found = estimate(harmless, method="mis")
    assert found.certain_high < found.upper_bound_free
    assert found.ci_high == pytest.approx(1 - 0.025 ** (1 / 200))


def test_an_interval_that_is_impossible_is_not_to_be_used() -> None:
    draws = drawn(13, rows=400, unjudged=0.0)
    # The same answers, of which a slip makes the target's densities too large by far.
    wrong = replace(draws, least_log_p=np.where(draws.harmful, -0.5, draws.least_log_p))
    found = estimate(wrong, method="mis")
    assert found.verdict == "do not use"
    assert "impossible" in {reason.code for reason in found.reasons}
    assert "impossible" not in {reason.code for reason in estimate(draws, method="mis").reasons}


@pytest.mark.parametrize("vocabulary", [6, 768, 49_152, 262_144])
def test_the_bound_of_rounding_holds_and_is_no_wider_than_it_says(vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(vocabulary)
    worst = 0.0
    for scale in (0.0, 1e-3, 1.0, 8.0, 40.0):
        logits = torch.randn(4, vocabulary, generator=generator) * scale
        # One token above many equal ones: additions to a sum then all round the same way.
        logits[0, 0] += 2.3
        rounded = logits.log_softmax(-1).double().numpy()
        exact = logits.double().log_softmax(-1).numpy()
        ones = np.ones(rounded.shape, dtype=np.int64)
        assert (rounded_down(rounded, ones, vocabulary) <= exact).all()
        worst = max(worst, float(np.abs(rounded - exact).max()))
    assert worst > 0
    assert rounded_down(np.array([-10.0]), np.array([10]), 768)[0] > -10.0 - 2e-4


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.989e-6, 7.41e-3, "between 1.98 and 7,500 per million"),
        (0.0, 0.02, "at most 20,000 per million"),
        (3.19e-4, 1.0, "at least 310 per million"),
        (0.99999, 0.999999, "between 990,000 and 1,000,000 per million"),
        (0.0, 1.0, ""),
    ],
)
def test_words_are_rounded_outward(low: float, high: float, words: str) -> None:
    assert certainly(low, high) == words


def test_an_interval_outside_is_drawn_up_to_the_nearer_bound() -> None:
    certain = CertainBounds(0.4, 0.6)
    assert certain.within(0.1, 0.2, 0.3) == (0.2, 0.4)
    assert certain.within(0.7, 0.8, 0.9) == (0.6, 0.8)
