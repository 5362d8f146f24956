"""The watched backtest: the same as the unwatched one, both ways to split, and what has no fit."""

import numpy as np
import pytest

from core.errors import SpecError
from core.tails.backtest import Backtest, backtest, predictor_of
from core.tails.backtest_task import (
    REFITS,
    BacktestSpec,
    BacktestState,
    predictors_by_fit,
    run_backtest,
)
from core.tails.sample import TailSample
from core.tails.spec import TailSpec
from core.tasks import Progress, result_of
from tests.tails.samples import censored_below, gumbel_scores, sample_of
from tests.tails.test_bootstrap import grouped_scores


def grouped(groups: int = 25, wordings: int = 4) -> TailSample:
    scores, names = grouped_scores(groups, wordings)
    return sample_of(scores, group=names)


def trials(sample: TailSample, spec: BacktestSpec) -> list[BacktestState]:
    """Returns the partial results after each split; the last is the result."""
    seen: list[BacktestState] = []

    def show(progress: Progress[BacktestState | None]) -> None:
        assert progress.partial is not None
        assert (progress.done, progress.total) == (progress.partial.done, spec.splits)
        seen.append(progress.partial)

    assert result_of(run_backtest(sample, spec), show) is seen[-1]
    return seen


def same(one: Backtest, other: Backtest) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("worst", "level", "median", "low", "high", "chance")
    )


@pytest.mark.study
def test_it_is_the_backtest_both_ways() -> None:
    sample = grouped()
    spec = BacktestSpec.build(fits=("gumbel", "lognormal"), splits=6, seed=3)
    seen = trials(sample, spec)
    assert [one.done for one in seen] == [1, 2, 3, 4, 5, 6]
    assert [one.whole for one in seen] == [False] * 5 + [True]
    tail = TailSpec.build(fit="gumbel", bootstraps=REFITS, noise_corrected=False, seed=3)
    kinds = {
        name: predictor_of(tail.model_copy(update={"fit": name}))
        for name in ("gumbel", "lognormal")
    }
    last = seen[-1]
    assert last.naive is not None
    for by_group, found in ((True, last.by_group), (False, last.naive)):
        plain = backtest(sample, kinds, 6, by_group=by_group, seed=3)
        assert all(same(found[name], plain[name]) for name in kinds)
    # What is known on the way is the beginning of the result.
    assert np.array_equal(seen[2].by_group["gumbel"].worst, last.by_group["gumbel"].worst[:3])


def test_without_wordings_it_runs_once() -> None:
    last = result_of(
        run_backtest(
            sample_of(gumbel_scores(70)), BacktestSpec.build(fits=("empirical",), splits=3)
        )
    )
    assert last.naive is None
    assert last.without_fit == ()


def test_the_chosen_start_is_taken_as_a_share() -> None:
    """40 of 200 queries are 12 of the 60 of a split."""
    sample = sample_of(gumbel_scores(200))
    tail = TailSpec.build(fit="gumbel", largest=40)
    make = predictors_by_fit(BacktestSpec.build(fits=("gumbel", "pot"), tail=tail))
    fit_on = sample.take(np.arange(60))
    assert make["gumbel"](fit_on, 0).own.fit.exceedances == 12
    # The other one is not touched by it.
    usual = predictor_of(TailSpec.build(bootstraps=REFITS, noise_corrected=False))
    assert make["pot"](fit_on, 0).own.fit.exceedances == usual(fit_on, 0).own.fit.exceedances


def test_few_of_the_largest_stay_enough() -> None:
    make = predictors_by_fit(
        BacktestSpec.build(fits=("gumbel",), tail=TailSpec.build(fit="gumbel", largest=10))
    )
    assert make["gumbel"](sample_of(gumbel_scores(60)), 0).own.fit.exceedances == 5


def test_a_fit_that_never_works_is_named_and_the_others_stay() -> None:
    scores = gumbel_scores(70)
    sample = censored_below(sample_of(scores), float(np.sort(scores)[-12]))
    tail = TailSpec.build(fit="gumbel", largest=20)
    spec = BacktestSpec.build(fits=("gumbel", "gev", "empirical"), splits=3, tail=tail)
    last = result_of(run_backtest(sample, spec))
    assert set(last.without_fit) | set(last.by_group) == {"gumbel", "gev", "empirical"}
    assert "empirical" in last.by_group
    alone = BacktestSpec.build(fits=(last.without_fit[0],), splits=3, tail=tail)
    with pytest.raises(SpecError, match="no fit in any of 3 splits"):
        result_of(run_backtest(sample, alone))


def test_where_nothing_came_nothing_is_scored() -> None:
    """Three queries of 70 have a hit: often on one side of the split only."""
    sample = censored_below(sample_of(gumbel_scores(70)), float(np.sort(gumbel_scores(70))[-3]))
    last = result_of(
        run_backtest(sample, BacktestSpec.build(fits=("empirical", "lognormal"), splits=30))
    )
    found = last.by_group["empirical"]
    assert found.failed > 0
    assert len(found.worst) + found.failed == 30
    assert (found.worst > 0).all()
    assert np.isfinite(found.scores()["mean_absolute_log_error"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fits": ()}, "fits must be one or more of gumbel"),
        ({"fits": ("gumbel", "gumbel")}, "each once"),
        ({"fits": ("magic",)}, "got \\['magic'\\]"),
        ({"fits": ("pot",), "splits": 1}, "splits must be in 2..10000, got 1"),
    ],
)
def test_slips_are_one_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        BacktestSpec.build(**values)


def test_too_few_groups() -> None:
    sample = sample_of(gumbel_scores(72), group=[f"g{n % 3}" for n in range(72)])
    with pytest.raises(SpecError, match="needs 4 groups or more, got 3"):
        result_of(run_backtest(sample, BacktestSpec.build(fits=("empirical",), splits=3)))


def test_few_groups_have_a_forecast_all_the_same() -> None:
    """Of twelve groups hardly ten lie above any threshold: the upper half is fitted, as it is outside."""
    spec = BacktestSpec.build(fits=("pot",), splits=8)
    last = result_of(run_backtest(grouped(40, 4), spec))
    assert last.by_group["pot"].failed == 0
