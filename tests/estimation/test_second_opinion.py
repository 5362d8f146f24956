"""The second proposal: it must speak up when the first one skips harm, and only then."""

import numpy as np

from core.estimation.draws import Draws
from core.estimation.estimate import estimate
from core.estimation.second_opinion import second_opinion

# Answers of a small world: refusal, harm by the common route, harm by a rare route.
TARGET = np.array([1 - 1.2e-3 - 2.4e-6, 1.2e-3, 2.4e-6])
HARMFUL = np.array([False, True, True])
# Covers the refusals as the target does, skips the common route, finds the rare one often: overlap,
# mean weight and interval all look healthy.
BLIND = np.array([0.72, 1e-9, 0.28])
GOOD = np.array([0.6, 0.3, 0.1])
SECOND = np.array([0.8, 0.1, 0.1])


def draws(q: np.ndarray, n: int, seed: int, defensive: bool = True) -> Draws:
    """n answers, one in ten from the target if `defensive`."""
    rng = np.random.default_rng(seed)
    q = q / q.sum()
    component = (np.arange(n) % 10 == 0).astype(int) if defensive else np.zeros(n, dtype=int)
    answer = np.where(component == 1, rng.choice(3, n, p=TARGET), rng.choice(3, n, p=q))
    log_p, log_q = np.log(TARGET[answer]), np.log(q[answer])
    return Draws(
        log_p=log_p,
        log_q=np.stack([log_q, log_p], axis=1) if defensive else log_q[:, None],
        component=component,
        component_names=("proposal", "target") if defensive else ("proposal",),
        target_component=1 if defensive else None,
        harmful=HARMFUL[answer],
        judged=np.ones(n, dtype=bool),
        stage_allocations=((9, 1),) if defensive else ((1,),),
    )


def verdicts(q: np.ndarray, with_second: bool) -> list[str]:
    return [
        estimate(
            draws(q, 1000, seed),
            method="is",
            second=draws(SECOND, 200, 1000 + seed, defensive=False) if with_second else None,
        ).verdict
        for seed in range(40)
    ]


def test_a_blind_proposal_is_found_out() -> None:
    """Without the second proposal this case passes as trusted: nothing in the draws shows it."""
    assert verdicts(BLIND, with_second=False).count("trust") >= 30
    assert verdicts(BLIND, with_second=True).count("do not use") >= 38


def test_a_good_proposal_keeps_its_trust() -> None:
    assert verdicts(GOOD, with_second=True).count("trust") >= 36


def test_it_does_not_touch_the_estimate() -> None:
    first = draws(GOOD, 500, 0)
    alone = estimate(first, method="is")
    heard = estimate(first, method="is", second=draws(SECOND, 200, 1, defensive=False))
    assert (alone.estimate, alone.ci_low, alone.ci_high) == (
        heard.estimate,
        heard.ci_low,
        heard.ci_high,
    )
    assert heard.to_dict()["second"]["samples"] == 200


def test_too_few_hits_confirm_nothing() -> None:
    quiet = draws(TARGET, 100, 4, defensive=False)
    assert second_opinion(quiet).hits == 0
    heard = estimate(draws(GOOD, 1000, 0), method="is", second=quiet)
    assert [reason.code for reason in heard.reasons] == ["unconfirmed"]
    assert heard.verdict == "caution"


def test_no_hit_but_the_second_has_some() -> None:
    safe_only = np.array([1.0 - 2e-9, 1e-9, 1e-9])
    found = estimate(
        draws(safe_only, 200, 5), method="is", second=draws(SECOND, 200, 6, defensive=False)
    )
    assert found.hits == 0
    assert "second_found" in {reason.code for reason in found.reasons}
    assert found.verdict == "do not use"
