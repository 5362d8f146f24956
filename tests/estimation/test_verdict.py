"""Verdicts by simulation: traps are refused, working proposals trusted, trust rarely misplaced."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from core.estimation import Draws, estimate
from tests.estimation.toys import (
    Density,
    World,
    adaptive,
    good,
    monte_carlo,
    partial_trap,
    proposals,
    trap,
    two_routes,
)

STEERED_ONLY = (1,)


def verdicts(world, runs, n=1000, method="is", **options):
    return [
        estimate(world.draws(np.random.default_rng(seed), n, **options), method=method)
        for seed in range(runs)
    ]


def share(estimates, verdict):
    return sum(e.verdict == verdict for e in estimates) / len(estimates)


def codes(estimates):
    return Counter(reason.code for e in estimates for reason in e.reasons)


@pytest.mark.parametrize("n", [1000, 10_000])
def test_the_trap_is_never_used(n):
    found = verdicts(trap(), 20, n)
    assert share(found, "do not use") == 1.0
    # And it is a trap: most estimates are a hundred times too small, with a tight interval.
    if n == 1000:
        assert np.median([e.estimate for e in found]) < trap().truth / 100
        assert np.median([e.ci_high / e.ci_low for e in found]) < 2
    assert codes(found)["overlap"] == 20
    assert codes(found)["unvisited_mass"] == 20


def test_the_trap_without_target_rows_is_caught_by_its_mean_weight():
    found = verdicts(trap(), 10, allocation=STEERED_ONLY)
    assert share(found, "do not use") == 1.0
    assert codes(found)["mean_weight"] == 10


@pytest.mark.parametrize("skipped", [0.1, 0.3, 0.6, 0.9])
def test_a_partial_trap_is_not_trusted(skipped):
    found = verdicts(partial_trap(skipped), 40)
    assert share(found, "trust") <= 0.05
    if skipped > 0.5:
        assert share(found, "do not use") == 1.0


def test_what_no_witness_can_see_is_left_to_the_assumption_free_bound():
    """q covers all of the target but the harmful route: until a target row takes it, no number in
    the draws differs from a good proposal's. Only the bounds that assume nothing hold."""
    found = verdicts(partial_trap(1.3e-3), 30)
    assert all(e.upper_bound_free > 1.2e-3 for e in found)
    assert all(e.cs_high > 1.2e-3 for e in found)
    assert all(e.verdict != "trust" for e in found if e.estimate > 1e-5)


@pytest.mark.parametrize(
    ("world", "n"),
    [(good(), 1000), (good(), 300), (good(1e-6, 0.6, 0.5, 1.5), 1000), (good(1e-3, 0.2), 2000)],
)
def test_a_working_proposal_is_trusted(world, n):
    found = verdicts(world, 50, n)
    assert share(found, "trust") >= 0.9
    assert np.mean([e.ci_low <= world.truth <= e.ci_high for e in found]) >= 0.9


def test_a_proposal_without_target_rows_is_never_simply_trusted():
    found = verdicts(good(), 10, allocation=STEERED_ONLY)
    assert share(found, "caution") == 1.0
    assert codes(found)["no_target_rows"] == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hit_rate", "sigma"), [(0.02, 1.0), (0.05, 1.25), (0.1, 2.0), (0.35, 2.5), (0.8, 2.5)]
)
def test_trust_is_rarely_misplaced(hit_rate, sigma):
    world = good(1e-5, hit_rate, sigma, 1.0)
    found = verdicts(world, 100)
    wrong = [e for e in found if not 0.5 <= e.estimate / world.truth <= 2]
    assert sum(e.verdict == "trust" for e in wrong) <= 2


def test_spread_weights_are_doubted_before_the_largest_has_come_up():
    """Log-normal weights of sigma 2.5: runs that look tidy are those that missed the large ones."""
    found = verdicts(good(1e-5, 0.35, 2.5, 1.0), 100)
    assert share(found, "trust") == 0.0
    assert codes(found)["spread_weights"] > 10


@pytest.mark.slow
def test_monte_carlo_trust_is_rarely_misplaced():
    world = monte_carlo(0.0075)
    found = verdicts(world, 300, method="mc", allocation=(0,))
    trusted = [e for e in found if e.verdict == "trust"]
    assert sum(e.estimate > 2 * world.truth for e in trusted) <= 6
    assert share(verdicts(monte_carlo(0.1), 20, method="mc", allocation=(0,)), "trust") == 1


def test_a_wrong_density_shows_in_the_mean_weight():
    """A likelihood ratio of 2 dropped from every proposal weight, as by a forgotten stop token."""
    draws = good().draws(np.random.default_rng(0), 1000, STEERED_ONLY)
    log_q = draws.log_q.copy()
    log_q[:, 1] += np.log(2)
    found = estimate(dataclasses.replace(draws, log_q=log_q), method="is")
    assert found.verdict == "do not use"
    assert "mean_weight" in codes([found])


def test_a_target_hit_that_the_proposal_denies_is_refused():
    draws = trap().draws(np.random.default_rng(0), 1000)
    harmful = draws.harmful.copy()
    harmful[0] = True
    found = estimate(dataclasses.replace(draws, harmful=harmful), method="is")
    reasons = {r.code: r for r in found.reasons}
    assert reasons["target_conflict"].level == "do not use"
    assert reasons["blind_hits"].level == "do not use"
    assert found.estimate > 1e-3


def test_target_rows_without_the_hits_that_the_proposal_promises():
    """Proposal weights 20 times too large: its interval says 20%, the target's own rows say 1%."""
    draws = good(0.01, 0.5).draws(np.random.default_rng(0), 4000)
    log_q = draws.log_q.copy()
    log_q[:, 1] -= np.log(20)
    found = estimate(dataclasses.replace(draws, log_q=log_q), method="is")
    assert found.verdict == "do not use"
    assert "target_conflict" in codes([found])


def test_components_that_contradict_each_other_are_named():
    """One proposal walks into the trap; the other finds the common route, and so the estimate."""
    base = partial_trap(0.3)
    world = World(
        base.target,
        (*base.proposals, Density((0.4, 0.3, 0.3, 1e-7), (0.0, 0.0, 0.3, 0.0))),
        base.harmful,
    )
    for seed in range(5):
        draws = world.draws(np.random.default_rng(seed), 2000, (0, 1, 2, 1, 2))
        found = estimate(draws, method="mis")
        assert found.verdict == "caution"
        assert "disagreement" in codes([found])
        assert found.estimate == pytest.approx(world.truth, rel=0.2)


def test_zero_hits_are_only_an_upper_bound():
    found = estimate(good(1e-9, 1e-9).draws(np.random.default_rng(0), 1000), method="is")
    assert (found.hits, found.estimate, found.verdict) == (0, 0.0, "caution")
    assert [r.code for r in found.reasons] == ["zero_hits"]
    assert found.ci_high == pytest.approx(1 - 0.025**0.01)
    blind = good(1e-9, 1e-9).draws(np.random.default_rng(0), 1000, STEERED_ONLY)
    assert estimate(blind, method="is").verdict == "do not use"
    assert estimate(blind, method="is").ci_high == 1.0


def unjudged(rows, n=1000, world=None):
    judged = np.ones(n, dtype=bool)
    judged[rows] = False
    return estimate(
        (world or good()).draws(np.random.default_rng(3), n, judged=judged), method="is"
    )


def test_unjudged_rows_are_reported_and_widen():
    clean, some, many = unjudged([]), unjudged(slice(0, 50)), unjudged(slice(0, 300))
    assert (clean.unjudged, some.unjudged, many.unjudged) == (0, 50, 300)
    assert (clean.verdict, some.verdict, many.verdict) == ("trust", "caution", "do not use")
    # Five target rows of weight up to 10 in 1000 could each be harmful: that alone is percents.
    assert some.ci_high > 0.02 > clean.ci_high
    assert some.ci_low <= clean.ci_low
    assert some.estimate == pytest.approx(clean.estimate, rel=0.2)


def test_one_unjudged_row_that_could_change_everything_is_named():
    found = unjudged([0])
    assert [r.code for r in found.reasons] == ["unjudged_weight"]
    assert found.verdict == "caution"


def test_reasons_carry_value_threshold_and_one_sentence():
    for found in verdicts(trap(), 3) + verdicts(
        monte_carlo(0.001), 3, method="mc", allocation=(0,)
    ):
        for reason in found.reasons:
            assert reason.message[0].isupper() or reason.message[0].isdigit()
            assert reason.message.endswith(".")
            assert reason.value is None or np.isfinite(reason.value)
        order = [r.level for r in found.reasons]
        assert order == sorted(order, reverse=True)
        assert found.verdict == order[0]


def test_a_target_answer_that_a_proposal_cannot_make():
    draws = good(0.01).draws(np.random.default_rng(0), 1000)
    log_q = draws.log_q.copy()
    log_q[0, 1] = -np.inf
    found = estimate(dataclasses.replace(draws, log_q=log_q), method="is")
    assert found.kl_target_proposal == np.inf
    assert found.to_dict()["kl_target_proposal"] is None
    assert isinstance(draws, Draws)


def mixtures(world, runs, n=1000):
    return [
        estimate(adaptive(world, np.random.default_rng(seed), n), method="mis")
        for seed in range(runs)
    ]


def also(world, *more):
    return World(world.target, (*world.proposals, *more), world.harmful)


TWINS = Density((1e-9, 1e-8, 0.15, 0.85), (0.0, 0.0, 0.7, 0.0))
PARTIAL_TWINS = Density((0.85, 1e-9, 1e-9, 0.15), (0.0, 0.0, 0.0, 0.7))


@pytest.mark.parametrize(
    ("world", "verdict"),
    [(also(trap(), TWINS), "do not use"), (also(partial_trap(0.3), PARTIAL_TWINS), "caution")],
)
def test_two_proposals_in_the_same_trap_are_not_trusted(world, verdict):
    """Both skip the main route and agree with each other; what they skip of the target tells."""
    found = mixtures(world, 20)
    assert np.median([e.estimate for e in found]) < world.truth / 100
    assert all(e.disagreement <= 1 for e in found)
    assert share(found, "trust") == 0.0
    assert share(found, verdict) > 0.5


@pytest.mark.parametrize(
    "world",
    [
        also(trap(), Density((0.5, 0.05, 0.01, 0.44), (0.0, 0.3, 0.5, 0.0))),
        also(partial_trap(0.3), Density((0.58, 0.38, 0.02, 0.02), (0.0, 0.0, 0.3, 0.3))),
        two_routes(1.2e-3, (0.4, 1e-5), (1e-5, 0.02)),
    ],
)
def test_one_proposal_that_sees_the_main_route_is_enough(world):
    """The estimate is nearly always right, its weights uneven, and nobody told to trust it blindly."""
    found = mixtures(world, 30)
    off = [e for e in found if not 0.5 <= e.estimate / world.truth <= 2]
    assert len(off) <= 4
    assert all(e.verdict != "trust" for e in off)
    assert np.mean([e.ci_low <= world.truth <= e.ci_high for e in found]) >= 0.85
    assert share(found, "do not use") <= 0.3


@pytest.mark.slow
def test_good_mixtures_are_trusted_and_poor_ones_rarely_misplaced():
    assert share(mixtures(proposals(1e-4, (0.4, 0.5), (0.2, 0.7)), 30), "trust") >= 0.9
    poor = proposals(1e-4, (0.03, 1.5), (0.02, 1.2))
    wrong = [e for e in mixtures(poor, 40) if not 0.5 <= e.estimate / poor.truth <= 2]
    assert len(wrong) > 3
    assert share(wrong, "trust") == 0.0


def test_a_mixture_of_one_proposal_is_unconfirmed():
    found = mixtures(proposals(1e-4, (0.5, 0.3)), 5)
    assert all([r.code for r in e.reasons] == ["unconfirmed"] for e in found)


def test_what_no_component_can_see_is_left_to_the_assumption_free_bound():
    """As for one proposal: harm that all proposals skip, and nothing else, shows in no draw of theirs.
    Only an unlike component or second proposal can speak, and the bounds that assume nothing hold."""
    found = mixtures(also(partial_trap(1.3e-3), PARTIAL_TWINS), 10)
    assert all(e.upper_bound_free > 1.2e-3 for e in found)
    assert all(e.cs_high > 1.2e-3 for e in found)
