"""The search over queries: it goes on where it stopped, and says what it could not find."""

import re
from dataclasses import replace

import numpy as np
import pytest

from cache import MemoryStore, Shard
from core.errors import BehaviourError, SpecError
from core.proposals import SteerSpec
from core.search.cross_entropy import MIN_EFFECTIVE_HITS, SearchResult, search
from core.search.grid import SearchGrid, paper_grid, rungs, small_grid
from core.search.report import TuneReport
from core.spec import GenerationSpec
from core.tasks import Progress, result_of
from tests.exactness.toy import LOADED, STEPS
from tests.search.toy import GENERATION, GRID, PROPOSALS, WordJudge

QUERIES = ("w4 w5", "w5", "w5 w5 w4")


def searching(judge: WordJudge, store: MemoryStore, queries=QUERIES, **options):
    options = {"rows": 120, **options}
    return search(LOADED, PROPOSALS, GRID, queries, judge, GENERATION, store, **options)


def result(judge: WordJudge, store: MemoryStore, queries=QUERIES, **options) -> SearchResult:
    steps: list[Progress[None]] = []
    found = result_of(searching(judge, store, queries, **options), steps.append)
    assert list(dict.fromkeys(int(step.done) for step in steps)) == list(range(len(queries) + 1))
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    return found


def test_a_search_that_was_stopped_goes_on_where_it_was() -> None:
    judge, store = WordJudge(), MemoryStore()
    stopped = searching(judge, store)
    for step in stopped:
        if step.done > 2:
            break
    stopped.close()
    assert judge.asked == list(QUERIES[:2])
    resumed = result(judge, store)
    assert judge.asked == list(QUERIES), "only what was missing is asked"
    again = result(judge, store)
    assert judge.asked == list(QUERIES)
    fresh = result(WordJudge(), MemoryStore())
    for name in ("cross_entropy", "relative_variance", "hit_rate"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(fresh, name))
        np.testing.assert_array_equal(getattr(again, name), getattr(fresh, name))
    assert (resumed.hits, resumed.upper_bound) == (fresh.hits, fresh.upper_bound)
    assert resumed.best() == fresh.best()


@pytest.mark.parametrize(
    "change", [{"rows": 121}, {"seed": 5}, {"threshold": 0.5}, {"defensive_share": 0.2}], ids=str
)
def test_another_search_is_another_entry(change: dict[str, float]) -> None:
    judge, store = WordJudge(), MemoryStore()
    result(judge, store, QUERIES[:1])
    result(judge, store, QUERIES[:1], **change)
    assert len(judge.asked) == 2


def test_the_best_is_where_the_surface_is_lowest() -> None:
    found = result(WordJudge(), MemoryStore())
    for objective in ("cross_entropy", "variance"):
        point = found.best_point(objective)
        assert found.values(objective)[point] == found.values(objective).min()
        best = found.best(objective)
        assert best.strength == GRID.rungs[point[0]].strength
        assert (best.alpha_mix, best.t_switch) == (GRID.alphas[point[1]], GRID.switches[point[2]])


def test_no_harm_is_said_and_never_zero() -> None:
    found = result(WordJudge("w9"), MemoryStore())
    assert not found.found
    assert found.without_harm == QUERIES
    # 12 of 120 rows a query are the target's own; none harmful leaves 1 - 0.05^(1/36).
    assert found.upper_bound == pytest.approx(1 - 0.05 ** (1 / 36))
    with pytest.raises(BehaviourError) as error:
        found.best()
    message = str(error.value)
    assert "none of 360 pilot answers to 3 queries was harmful at strengths up to 1;" in message
    bound = re.search(r"below ([\d.,e+]+) per million \(95%", message)
    assert bound is not None
    assert float(bound[1].replace(",", "")) == pytest.approx(found.upper_bound * 1e6, rel=0.01)
    assert "Try strengths up to 2, another layer" in message


def test_no_query_is_refused() -> None:
    with pytest.raises(BehaviourError, match="at least one pilot query, got 0"):
        next(searching(WordJudge(), MemoryStore(), ()))


def test_no_pilot_rows_are_refused() -> None:
    with pytest.raises(SpecError, match="rows must be 1 or more, got 0"):
        next(searching(WordJudge(), MemoryStore(), rows=0))


def test_switches_beyond_the_answer_are_left_out() -> None:
    base = SteerSpec(layer=1)
    grid = SearchGrid.build(rungs=(base,), alphas=(0.1,), switches=(2, STEPS, 9))
    with pytest.raises(
        SpecError, match=r"t_switch must be in 0\.\.1 \(max_new_tokens\), got 2, 4, 9"
    ):
        next(
            search(
                LOADED, PROPOSALS[1:2], grid, QUERIES, WordJudge(),
                GenerationSpec(max_new_tokens=1), MemoryStore(),
            )
        )  # fmt: skip
    found = result_of(
        search(
            LOADED, PROPOSALS[1:2], grid, QUERIES, WordJudge(), GENERATION, MemoryStore(), rows=60
        )
    )
    assert found.grid.switches == (2, STEPS)
    assert found.cross_entropy.shape == (1, 1, 2)


def test_grids_of_many_points_are_refused_with_their_number() -> None:
    alphas, switches = tuple(np.linspace(0, 1, 1_000)), tuple(range(1_000))
    with pytest.raises(SpecError, match=r"10,000,000 points on 10"):
        SearchGrid.build(rungs=(SteerSpec(),) * 10, alphas=alphas, switches=switches)
    with pytest.raises(SpecError, match=r"65 points on 65"):
        SearchGrid.build(rungs=(SteerSpec(),) * 65, alphas=(0.1,), switches=(1,))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rungs": ()}, "0 x 1 x 1"),
        ({"alphas": ()}, "1 x 0 x 1"),
        ({"switches": ()}, "1 x 1 x 0"),
        ({"alphas": (1.5,)}, "1.5"),
        ({"alphas": (float("nan"),)}, "nan"),
        ({"rungs": (SteerSpec(t_switch=0),)}, "t_switch 0"),
        ({"switches": (3, 1)}, r"\[3, 1\]"),
        ({"switches": (-1, 1)}, "-1"),
    ],
)
def test_a_bad_grid_names_the_value(fields: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        SearchGrid.build(**{"rungs": (SteerSpec(),), "alphas": (0.1,), "switches": (1,), **fields})


def test_the_named_grids() -> None:
    base = SteerSpec()
    paper = paper_grid(base, 40, (1, 2))
    assert len(paper.alphas) == 25
    assert [rung.strength for rung in paper.rungs[:10]] == [round(k / 10, 1) for k in range(1, 11)]
    assert paper.switches == (0, 5, 10, 15, 20, 25, 30, 35, 40)
    assert paper.points == 20 * 25 * 9
    for longest in (1, 3, 40, 41, 300):
        switches = small_grid(rungs(base, [1.0]), longest).switches
        assert switches[-1] == longest
        assert list(switches) == sorted(set(switches))


def test_few_effective_hits_recommend_nothing_and_say_what_is_missing() -> None:
    found = result(WordJudge(), MemoryStore())
    assert found.supported
    assert MIN_EFFECTIVE_HITS <= found.effective_hits <= found.hits
    few = replace(found, hits=3, rows=200, effective_hits=2.5, queries=QUERIES[:1], without_harm=())
    assert not few.supported
    assert few.few_hits_message() == (
        "no proposal is recommended: 3 of 200 pilot answers were harmful, worth 2.5 of equal weight, and a "
        "recommendation needs 10. Draw about 800 pilot answers a query, or ask queries with a higher risk"
    )
    report = TuneReport("m", "misuse", 0, "f", "variance", QUERIES[:1], few, 1.0)
    assert report.best is None
    assert report.to_dict()["relative_variance"] is None
    assert report.to_dict()["message"] == few.few_hits_message()
    assert "best by" not in report.to_text()
    assert TuneReport("m", "misuse", 0, "f", "variance", QUERIES, found, 1.0).best is not None


class OlderStore(MemoryStore):
    """Keeps surfaces as an earlier version did, which did not say what hits are worth."""

    def put(self, key: str, shard: Shard) -> None:
        meta = {name: value for name, value in shard.meta.items() if name != "effective_hits"}
        super().put(key, replace(shard, meta=meta))


@pytest.mark.parametrize(("store", "times"), [(MemoryStore(), 1), (OlderStore(), 2)])
def test_a_stored_surface_without_its_effective_hits_is_measured_again(
    store: MemoryStore, times: int
) -> None:
    judge = WordJudge()
    first, again = result(judge, store), result(judge, store)
    assert len(judge.asked) == times * len(QUERIES)
    assert again.effective_hits == first.effective_hits
