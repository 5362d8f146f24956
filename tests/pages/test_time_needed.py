"""Time first: what a run will take is said before it starts, and less is one click away; a cancel is told."""

from __future__ import annotations

import threading
import time

import pytest

import core.models.batch_sizes as sizes_module
import core.sampling.shards
import core.tasks.progress
from core.models.batch_sizes import BatchSizes
from core.runs.run import load_run
from pages.shared import pace, resources, state
from pages.shared.pace import RunPace
from tests.pages.driver import OpenPage, words


def test_a_fast_model_is_not_measured(open_page: OpenPage, monkeypatch) -> None:
    monkeypatch.setattr(pace, "_seconds", lambda _: pytest.fail("measured"))
    assert "measured on a few tokens" not in words(open_page("convergence"))


def test_a_slow_run_says_how_long_it_takes_and_offers_less(
    open_page: OpenPage, monkeypatch
) -> None:
    monkeypatch.setattr(pace, "worth_measuring", lambda *_: True)
    monkeypatch.setattr(pace, "_seconds", lambda _: (0.5, 0.25))
    app = open_page("convergence")
    app.session_state[state.KEY] = state.Settings(importance_samples=1_000, monte_carlo_samples=200)
    app.run()
    assert "About **9 min** here" in words(app)
    less = app.button(key="launch.less")
    assert less.label == "100 answers, no Monte Carlo: about 50 s"
    less.click().run()
    run = load_run(resources.store(), app.session_state[state.RUN_KEY])
    assert run is not None
    assert (run.importance_samples, run.monte_carlo_samples) == (100, 0)
    # Its thread would draw on within the next test.
    task = resources.run_tasks().get(run.run_id)
    assert task is not None
    task.cancel()
    task.wait(30)


def test_a_run_of_both_is_both_their_time() -> None:
    found = RunPace(weighted=2.0, plain=0.5)
    assert found.seconds(10, 100) == 70.0
    assert found.fewer(1_000) == 50


def test_a_cancel_within_a_shard_is_told_with_what_is_kept(
    open_page: OpenPage, monkeypatch
) -> None:
    monkeypatch.setattr(sizes_module, "SMALL_PARAMETERS", 0)
    monkeypatch.setattr(BatchSizes, "took", lambda *_: None)
    monkeypatch.setattr(core.tasks.progress, "BEAT", 0.0)
    third = threading.Event()
    row_steps = core.sampling.shards.row_steps

    def held(*args, **kwargs):
        """The third batch of 16 never ends by itself."""
        nonlocal batches
        batches += 1
        return (yield from row_steps(*args, **kwargs) if batches < 3 else endless())

    def endless():
        third.set()
        while True:
            time.sleep(0.01)
            yield core.tasks.Progress(1, 16, "answers")

    batches = 0
    monkeypatch.setattr(core.sampling.shards, "row_steps", held)
    app = open_page("convergence")
    app.session_state[state.KEY] = state.Settings(importance_samples=200, monte_carlo_samples=0)
    app.run()
    app.button(key="FormSubmitter:launch.form-Estimate the risk").click().run()
    assert third.wait(60)
    task = resources.run_tasks().get(app.session_state[state.RUN_KEY])
    task.cancel()
    began = time.monotonic()
    assert task.wait(10).status == "cancelled"
    assert time.monotonic() - began < 2.0
    app.run()
    assert "Cancelled. 32 answers are kept." in words(app)
