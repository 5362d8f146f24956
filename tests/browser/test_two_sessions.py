"""Two people steer one loaded model at the same time, and each gets what each would get alone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver import Chrome

from cache import MemoryStore, open_store
from core.judges import load_rule_judge
from core.models.loading import load_model
from core.runs.estimate import estimate_shards, sample
from core.runs.run import ARMS, ArmName, RunSpec, load_run
from core.sampling.scored import JudgedShard
from core.sampling.shards import AnyStore
from pages.shared import words
from tests.browser.steps import follow, open_page, press, see, type_into, until
from tests.browser.test_app import answers_drawn

pytestmark = pytest.mark.browser
SAMPLES = 250
# More than are drawn before the runs are cancelled.
MONTE_CARLO = 1_000_000


def prepare(driver: Chrome, app_url: str, kind: str) -> None:
    """Chooses a kind of proposal, and stops before the button that starts the run."""
    open_page(driver, f"{app_url}/proposal", "Proposal")
    see(driver, "Useful share", 120)
    if kind != "Steer":
        press(driver, kind)
        see(driver, "Ablated", 120)
    follow(driver, "Convergence")
    see(driver, "Importance sampling: answers")
    type_into(driver, "Importance sampling: answers", str(SAMPLES))
    type_into(driver, "Monte Carlo: answers", str(MONTE_CARLO))


def run_in_sight(driver: Chrome, store: AnyStore) -> RunSpec:
    """Returns the run that the address names."""
    found = until(lambda: re.search(r"run=([0-9a-f]{16})", driver.current_url), 20, "the run")
    run = load_run(store, found[1])
    assert run is not None
    return run


def drawn(run: RunSpec, arm: ArmName, store: AnyStore) -> list[JudgedShard]:
    """Returns an arm's first draws, from the store or anew."""
    request = run.arm_request(arm)
    loaded = load_model(request.model, request.loading)
    return list(sample(loaded, request, load_rule_judge("misuse"), SAMPLES, store))


@pytest.mark.slow
def test_two_sessions_do_not_see_each_other(
    app_url: str, app_cache: Path, driver: Chrome, other_driver: Chrome
) -> None:
    both = (driver, other_driver)
    for browser, kind in zip(both, ("Steer", "Ablate"), strict=True):
        prepare(browser, app_url, kind)
    for browser in both:
        press(browser, "Estimate the risk")
    for browser in both:
        see(browser, f"Importance sampling: all {SAMPLES:,} answers", 300)
    # Monte Carlo goes on in both, so each was at work all the time that the other was.
    for browser in both:
        until(lambda browser=browser: "left" in answers_drawn(browser), 30, "both at work")
    for browser in both:
        press(browser, "Cancel")
        see(browser, "cancelled", 120)
    store = open_store(app_cache)
    runs = [run_in_sight(browser, store) for browser in both]
    assert runs[0].request.proposal != runs[1].request.proposal
    for browser, run in zip(both, runs, strict=True):
        for arm in ARMS:
            shared, alone = drawn(run, arm, store), drawn(run, arm, MemoryStore())
            if arm == "weighted":
                assert all(shard.drawn.stored for shard in shared)
                found = estimate_shards(alone, run.arm_request(arm))
                if found.verdict != "do not use":
                    see(browser, words.headline(found)[0], 20)
            for one, other in zip(shared, alone, strict=True):
                assert np.array_equal(one.drawn.rows.tokens, other.drawn.rows.tokens)
                assert np.array_equal(one.drawn.rows.log_p, other.drawn.rows.log_p)
                assert np.array_equal(one.drawn.rows.log_q, other.drawn.rows.log_q)
                assert np.array_equal(one.drawn.component, other.drawn.component)
                assert np.array_equal(one.scores, other.scores, equal_nan=True)
