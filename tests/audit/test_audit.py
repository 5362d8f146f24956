"""An audit's numbers: those of single estimates, whoever draws, in any order, with anything in store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cache import MemoryStore
from core.audit.query import is_narrow
from core.estimation.record import Estimate
from core.executors.serial import SerialExecutor
from core.executors.worker import DrawRows, JudgeRows, WorkItem
from core.judges import behaviour_judge
from core.models.loading import LoadedModel, load_model
from core.proposals import SteerSpec
from core.queries.query import Query
from core.runs.estimate import estimate_request, estimate_shards, sample, second_shards
from core.runs.first_look import first_look
from core.sampling.collect import collect_draws
from core.sampling.scored import summed
from tests.audit.audits import (
    QUERIES,
    MadeJudge,
    Ran,
    Scrambled,
    assert_same_table,
    run_audit,
    small_spec,
    some_queries,
)

TIMED = {"seconds", "samples_per_second"}


@pytest.fixture(scope="module")
def executor() -> Iterator[SerialExecutor]:
    """An executor that keeps its model from test to test."""
    one = SerialExecutor()
    yield one
    one.close()


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load_model("aster")


@pytest.fixture(scope="module")
def plain(executor: SerialExecutor) -> Ran:
    """An adaptive audit of 500 answers a query, with a direct count."""
    return run_audit(small_spec(samples=500, monte_carlo_samples=300), some_queries(2), executor)


def numbers(estimate: Estimate | None) -> dict[str, Any]:
    """Returns an estimate's numbers without its times."""
    assert estimate is not None
    return {name: value for name, value in estimate.to_dict().items() if name not in TIMED}


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"method": "mis", "samples": 400},
        {"method": "is", "samples": 300},
        {"method": "is", "samples": 300, "proposal": SteerSpec(layer=1, strength=2.0)},
        {"method": "mc", "samples": 300},
    ],
    ids=["mis", "is", "is with a proposal", "mc"],
)
def test_the_numbers_are_those_of_single_estimates(
    settings: dict[str, Any], executor: SerialExecutor, loaded: LoadedModel
) -> None:
    spec, queries = small_spec(seed=3, **settings), some_queries(2)
    ran = run_audit(spec, queries, executor)
    judge = behaviour_judge("misuse")
    assert len(ran.rows) == 2
    for row in ran.rows:
        request = row.request
        assert request.query == row.query.text
        alone = estimate_request(loaded, request, judge, spec.samples, MemoryStore())
        assert numbers(row.estimate) == numbers(alone)
        greedy = first_look(loaded, request, judge, rows=1).greedy
        assert row.greedy is not None
        assert (row.greedy.text, row.greedy.harmful) == (greedy.text, greedy.harmful)
        assert row.greedy.text


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mis", "is"])
def test_summed_shards_give_the_same_estimate_to_the_bit(
    method: str, plain: Ran, loaded: LoadedModel
) -> None:
    request = plain.rows[0].request.model_copy(update={"method": method})
    judge, store = behaviour_judge("misuse"), MemoryStore()
    shards = list(sample(loaded, request, judge, 400, store))
    second = second_shards(loaded, request, judge, 400, store) if method == "is" else []
    small = [summed(shard) for shard in shards]
    tokens = sum(shard.drawn.rows.lengths.sum() for shard in shards)
    assert tokens > 0
    whole, added = collect_draws(shards, request.threshold), collect_draws(small, request.threshold)
    for name in ("log_p", "log_q", "component", "harmful", "judged", "stage"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(added, name))
    # The stop token is part of an answer's probability.
    by_hand = [
        row[:length].sum(dtype=np.float64)
        for shard in shards
        for row, length in zip(shard.drawn.rows.log_p, shard.drawn.rows.lengths, strict=True)
    ]
    np.testing.assert_allclose(added.log_p, by_hand, rtol=1e-12)
    assert numbers(estimate_shards(shards, request, second)) == numbers(
        estimate_shards(small, request, [summed(shard) for shard in second])
    )
    assert all(shard.drawn.rows.tokens.size == 0 for shard in small)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_arrival_changes_nothing(
    seed: int, plain: Ran, executor: SerialExecutor
) -> None:
    spec, queries = plain.audit.spec, plain.audit.queries
    scrambled = run_audit(spec, queries, Scrambled(seed, inner=executor))
    assert_same_table(scrambled.table, plain.table)
    assert scrambled.drawn == plain.drawn


@pytest.mark.study
@pytest.mark.parametrize("method", ["is", "mc"])
def test_many_shards_of_one_stage_may_arrive_in_any_order(
    method: str, executor: SerialExecutor
) -> None:
    spec, queries = small_spec(method=method, samples=800), some_queries(1)
    first, second = (run_audit(spec, queries, Scrambled(n, 5, executor)) for n in (1, 2))
    assert_same_table(first.table, second.table)
    assert_same_table(first.table, run_audit(spec, queries, executor).table)


@pytest.mark.slow
def test_what_is_stored_is_not_drawn_again(executor: SerialExecutor) -> None:
    spec, queries, store = small_spec(), some_queries(2), MemoryStore()
    first = run_audit(spec, queries, executor, store)
    again = run_audit(spec, queries, executor, store)
    assert (first.drawn, first.stored) == (2 * 301, 0)
    assert (again.drawn, again.stored) == (0, 2 * 301)
    assert_same_table(again.table, first.table)
    longer = run_audit(small_spec(samples=600), queries, executor, store)
    assert longer.drawn == 2 * 300
    fresh = run_audit(small_spec(samples=600), queries, executor)
    same = [name for name in fresh.table.column_names if name != "forward_tokens"]
    assert_same_table(longer.table.select(same), fresh.table.select(same))


@pytest.mark.study
def test_precision_stops_early_and_leaves_the_hardest_for_last(executor: SerialExecutor) -> None:
    queries = some_queries(4)
    wide = run_audit(small_spec(method="is", samples=1_000), queries, executor)
    spec = small_spec(method="is", samples=1_000, precision=0.4)
    ran = run_audit(spec, queries, executor)
    early = [row for row in ran.rows if row.stopped == "precision"]
    assert early
    for row in ran.rows:
        assert row.estimate is not None
        if row.stopped == "precision":
            assert row.estimate.samples < 1_000
            assert is_narrow(row.estimate, 0.4)
            request = row.request
            count = row.estimate.samples
            shorter = run_audit(small_spec(method="is", samples=count), [row.query], executor)
            # The second proposal's draws are a share of all that are asked for.
            mine, theirs = numbers(row.estimate), numbers(shorter.rows[0].estimate)
            for name in ("estimate", "ci_low", "ci_high", "hits", "samples", "khat", "ess"):
                assert mine[name] == theirs[name]
            assert shorter.rows[0].request == request
        else:
            assert row.stopped == "budget"
            assert numbers(row.estimate) == numbers(wide.by_query[row.query.query_id].estimate)
    assert ran.drawn < wide.drawn
    assert {row.stopped for row in wide.rows} == {"budget"}


@pytest.mark.study
def test_with_a_precision_whoever_has_drawn_least_goes_first(executor: SerialExecutor) -> None:
    drawn: list[tuple[str, int]] = []

    class Watched(Scrambled):
        def submit(self, name: str, task: WorkItem) -> None:
            if isinstance(task, DrawRows):
                drawn.append((task.request.query, task.stop))
            super().submit(name, task)

    spec = small_spec(method="is", samples=1_000, precision=0.01)
    run_audit(spec, some_queries(3), Watched(0, workers=1, inner=executor))
    firsts = [number for number, (_, stop) in enumerate(drawn) if stop <= 250]
    lasts = [number for number, (_, stop) in enumerate(drawn) if stop > 500]
    assert len(lasts) == 6
    assert max(firsts) < min(lasts), "a query drew its last rows before another one its first"


@pytest.mark.slow
def test_an_interval_wide_for_want_of_judgements_is_not_narrow(
    executor: SerialExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = behaviour_judge("misuse")
    queries = some_queries(1)

    def half(answer: str) -> float | None:
        return own.judge(queries[0].text, [answer])[0].score if len(answer) % 2 else None

    judges = {"half": MadeJudge("half", half)}
    monkeypatch.setattr("core.executors.worker.load_judge", judges.__getitem__)
    monkeypatch.setattr("core.audit.driver.served_judge", lambda *_: None)
    spec = small_spec(method="is", samples=500, precision=1.0, judge="half")
    (row,) = run_audit(spec, queries, executor).rows
    assert row.estimate is not None
    assert row.estimate.unjudged > 50
    assert row.estimate.interval_method.endswith("widened for unjudged answers")
    assert row.stopped == "budget"
    judged = run_audit(small_spec(method="is", samples=500, precision=1.0), queries, executor)
    assert judged.rows[0].stopped == "precision", "it is the missing judgements that widen it"


def test_is_narrow_reads_the_interval_and_the_verdict(plain: Ran) -> None:
    found = plain.rows[0].estimate
    assert found is not None
    sharp = replace(found, estimate=1e-3, ci_low=0.8e-3, ci_high=1.2e-3, hits=9, verdict="trust")
    assert is_narrow(sharp, 0.21)
    assert not is_narrow(sharp, 0.19)
    assert not is_narrow(replace(sharp, ci_high=1.0), 0.21)
    assert not is_narrow(replace(sharp, verdict="do not use"), 0.21)
    assert not is_narrow(replace(sharp, hits=0, estimate=0.0, ci_low=0.0, ci_high=0.0), 0.21)


def test_the_direct_count_is_that_of_monte_carlo(plain: Ran, executor: SerialExecutor) -> None:
    counted = run_audit(small_spec(method="mc", samples=300), plain.audit.queries, executor)
    for mine, alone in zip(plain.rows, counted.rows, strict=True):
        assert mine.monte_carlo is not None
        assert numbers(mine.monte_carlo) == numbers(alone.estimate)
        assert mine.monte_carlo.estimate == mine.monte_carlo.hits / 300
    record = plain.table.to_pylist()[0]
    direct = plain.rows[0].monte_carlo
    assert direct is not None
    assert (record["mc_samples"], record["mc_hits"]) == (300, direct.hits)
    assert record["mc_ci_high"] == direct.ci_high


@pytest.mark.slow
def test_a_query_that_cannot_be_answered_stops_no_other(executor: SerialExecutor) -> None:
    queries = some_queries(3)
    queries[1] = Query("long", " ".join(["open the larkspur vault"] * 300), "long")
    ran = run_audit(small_spec(), queries, executor)
    assert [bool(row.error) for row in ran.rows] == [False, True, False]
    assert ran.rows[1].estimate is None
    record = ran.table.to_pylist()[1]
    assert record["verdict"] == "do not use"
    assert record["error"]
    assert record["estimate"] is None
    assert "\n" not in record["error"]
    alone = run_audit(small_spec(), [queries[0], queries[2]], executor)
    assert_same_table(ran.table.take([0, 2]), alone.table)


@pytest.mark.slow
def test_a_shard_that_fails_fails_its_query_once(executor: SerialExecutor) -> None:
    queries = some_queries(3)

    def fails(task: WorkItem) -> str:
        hit = isinstance(task, DrawRows) and task.request.query == queries[2].text
        return "the machine is on fire" if hit and task.stop > 1 else ""

    scrambled = Scrambled(5, inner=executor, fails=fails)
    ran = run_audit(small_spec(method="mc", samples=800), queries, scrambled)
    assert [row.error for row in ran.rows] == ["", "", "the machine is on fire"]
    whole = run_audit(small_spec(method="mc", samples=800), queries, executor)
    assert_same_table(ran.table.slice(0, 2), whole.table.slice(0, 2))


@pytest.mark.slow
def test_two_queries_of_the_same_words_both_get_their_row(executor: SerialExecutor) -> None:
    (one,) = some_queries(1)
    queries = [one, Query("again", one.text, one.group), Query("thrice", one.text, one.group)]
    for inner in (executor, Scrambled(1, inner=executor)):
        ran = run_audit(small_spec(), queries, inner)
        assert [row.query.query_id for row in ran.rows] == [one.query_id, "again", "thrice"]
        assert len({str(numbers(row.estimate)) for row in ran.rows}) == 1
        assert ran.drawn == 301, "drawn once for all of them"


@pytest.mark.study
def test_two_models_are_two_audits_in_one(executor: SerialExecutor) -> None:
    queries = some_queries(2)
    both = run_audit(small_spec(models=("briar", "aster")), queries, executor)
    assert both.table["model"].to_pylist() == ["briar", "briar", "aster", "aster"]
    for name, part in (("briar", both.table.slice(0, 2)), ("aster", both.table.slice(2, 2))):
        assert_same_table(part, run_audit(small_spec(models=(name,)), queries, executor).table)
    assert both.rows[0].estimate != both.rows[2].estimate


@pytest.mark.slow
def test_scores_are_those_of_the_judge_that_is_asked(
    executor: SerialExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    judges = {
        "even": MadeJudge("even", lambda answer: float(len(answer) % 2 == 0)),
        "short": MadeJudge("short", lambda answer: float(len(answer) < 30)),
    }
    monkeypatch.setattr("core.executors.worker.load_judge", judges.__getitem__)
    monkeypatch.setattr("core.audit.driver.served_judge", lambda *_: None)
    spec = {name: small_spec(method="mc", judge=name) for name in judges}
    queries, shared = some_queries(2), MemoryStore()
    apart = {name: run_audit(spec[name], queries, executor) for name in judges}
    after = {name: run_audit(spec[name], queries, executor, shared) for name in judges}
    assert apart["even"].table["hits"] != apart["short"].table["hits"]
    for name in judges:
        assert_same_table(after[name].table, apart[name].table)
    assert after["short"].drawn == 0, "the answers were there, only their scores were not"
    assert judges["short"].calls == 2 * 2 * 301
    assert run_audit(spec["short"], queries, executor, shared).drawn == 0
    assert judges["short"].calls == 2 * 2 * 301, "nothing is judged twice"


def test_an_answer_without_a_judgement_is_asked_about_again(
    executor: SerialExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = MadeJudge("moody", lambda answer: None)
    monkeypatch.setattr("core.executors.worker.load_judge", lambda name: judge)
    monkeypatch.setattr("core.audit.driver.served_judge", lambda *_: None)
    spec, store = small_spec(method="mc", samples=250, judge="moody"), MemoryStore()
    (mute,) = run_audit(spec, some_queries(1), executor, store).rows
    assert mute.estimate is not None
    assert (mute.estimate.unjudged, mute.greedy and mute.greedy.harmful) == (250, None)
    judge.score = lambda answer: 1.0
    (spoken,) = run_audit(spec, some_queries(1), executor, store).rows
    assert spoken.estimate is not None
    assert (spoken.estimate.unjudged, spoken.estimate.hits) == (0, 250)
    assert spoken.greedy is not None
    assert spoken.greedy.harmful


@pytest.mark.study
def test_no_more_is_held_at_a_time_than_the_workers_need(executor: SerialExecutor) -> None:
    at_once: list[int] = []

    class Counting(Scrambled):
        def submit(self, name: str, task: WorkItem) -> None:
            super().submit(name, task)
            assert isinstance(task, DrawRows | JudgeRows) or "default" in name
            at_once.append(len(self._waiting))

    run_audit(small_spec(method="mc", samples=3_000), QUERIES[:4], Counting(2, 2, executor))
    assert max(at_once) <= 2 * 2
