"""Thresholds: ForwardStop by hand, and a choice that leaves the bulk out."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import SpecError
from core.tails.analysis import fit_tail, goodness_of_fit
from core.tails.automatic_threshold import (
    automatic_threshold,
    candidate_thresholds,
    deepest,
    forward_stop,
)
from core.tails.sample import to_risk
from core.tails.spec import TailSpec
from core.tails.thresholds import (
    ThresholdTable,
    exceedances_at,
    modified_errors,
    threshold_table,
    why_chosen,
)
from tests.tails.samples import censored_below, gumbel_scores, pareto_excesses, sample_of


def table_of(scores: list[float], p: list[float], above: list[int]) -> ThresholdTable:
    """A table with these thresholds, p-values and numbers of queries above."""
    table = threshold_table(sample_of(gumbel_scores(60)), simulations=19)
    stop = forward_stop(np.array(p))
    return replace(
        table,
        risk=to_risk(np.array(scores)),
        exceedances=np.array(above),
        p_value=np.array(p),
        forward_stop=stop,
        chosen=automatic_threshold(stop),
    )


def test_forward_stop_by_hand() -> None:
    p = [0.01, 0.02, 0.5, 0.9]
    means = [0.01005, 0.015126, 0.241134, 0.756497]
    np.testing.assert_allclose(forward_stop(np.array(p)), means, atol=1e-4)
    table = table_of([-3.0, -2.5, -2.0, -1.5], p, [80, 60, 40, 20])
    assert (table.chosen, table.fits, table.rejected.tolist()) == (
        2,
        True,
        [True, True, False, False],
    )
    why = why_chosen(table)
    assert why.startswith(
        "the lowest threshold that fits: a risk of 0.00062 (40 queries above, p = 0.5)"
    )
    assert "reject those up to a risk of 5.1e-06 (60 queries above" in why


def test_all_or_none_rejected() -> None:
    table = table_of([-3.0, -2.5], [0.4, 0.6], [30, 20])
    assert (table.chosen, table.fits) == (0, True)
    assert why_chosen(table).startswith("the lowest threshold tried already fits")
    table = table_of([-3.0, -2.5], [0.001, 0.002], [30, 20])
    assert (table.chosen, table.fits) == (1, False)
    assert why_chosen(table).startswith("no threshold fits: Anderson-Darling rejects all 2")


def test_the_bulk_is_left_out() -> None:
    """A sharp bulk below -2, a Pareto tail above it: the choice lies at or above the joint."""
    generator = np.random.default_rng(3)
    bulk = generator.normal(-2.15, 0.02, 600)
    scores = np.concatenate([bulk, -2.0 + pareto_excesses(0.1, 60, seed=3)])
    table = threshold_table(sample_of(scores), simulations=199)
    assert table.threshold[0] < -2.05
    assert table.threshold[table.chosen] > -2.06
    assert table.p_value[0] < 0.01


@pytest.mark.slow
def test_the_table_of_an_exponential_tail() -> None:
    """Mean residual life is flat at the scale; the intervals hold shape 0 and the modified scale."""
    inside = []
    for seed in range(1000, 1040):
        scores = -3.0 + pareto_excesses(0.0, 300, seed=seed)
        table = threshold_table(sample_of(scores), simulations=19)
        inside.append(
            [
                (table.mean_excess_low < 0.3) & (table.mean_excess_high > 0.3),
                (table.shape_low < 0) & (table.shape_high > 0),
                (table.scale_low < 0.3) & (table.scale_high > 0.3),
            ]
        )
        np.testing.assert_allclose(table.risk, to_risk(table.threshold))
        assert (np.diff(table.exceedances) < 0).all()
    # 63 and 40 above.
    assert (np.mean(inside, axis=0)[:, [0, 5]] > 0.77).all()


def test_standard_errors_of_shape_and_modified_scale() -> None:
    """Against the spread over many samples."""
    from core.tails.pareto import pareto_by_likelihood

    fits = np.array([pareto_by_likelihood(pareto_excesses(0.2, 400, seed)) for seed in range(300)])
    threshold = -2.0
    shape_error, scale_error = modified_errors(0.2, 0.3, threshold, 400)
    assert shape_error == pytest.approx(fits[:, 0].std(), rel=0.12)
    assert scale_error == pytest.approx((fits[:, 1] - fits[:, 0] * threshold).std(), rel=0.12)


def test_candidates_lie_above_the_limits_and_leave_ten_groups() -> None:
    whole = sample_of(gumbel_scores(200))
    limit = float(np.quantile(whole.score, 0.7))
    grid = candidate_thresholds(censored_below(whole, limit))
    assert grid.min() >= limit
    assert (whole.score > grid.max()).sum() == 10
    grouped = sample_of(np.sort(gumbel_scores(200)), group=[f"g{n // 5}" for n in range(200)])
    highest = candidate_thresholds(grouped).max()
    assert len(np.unique(grouped.group[grouped.score > highest])) == 10


def test_refusals() -> None:
    with pytest.raises(SpecError, match="10 different queries above it, and only 5 have a hit"):
        candidate_thresholds(sample_of(gumbel_scores(40), group=[f"g{n % 5}" for n in range(40)]))
    sample = sample_of(gumbel_scores(40))
    with pytest.raises(SpecError, match=r"must leave 5 estimates above it, got 0.9 with 0 above"):
        exceedances_at(sample, float(-np.log(-np.log(0.9))))


def test_the_tables_p_value_is_the_fits() -> None:
    sample = sample_of(gumbel_scores(120, 5))
    table = threshold_table(sample, seed=4)
    for place in (0, 7):
        count = int(table.exceedances[place])
        tested = goodness_of_fit(fit_tail(sample, TailSpec.build(largest=count, seed=4), table))
        assert tested is not None
        assert tested.anderson_p == table.p_value[place]
        assert tested.cramer_p == table.cramer_p_value[place]


def test_a_tail_is_a_smaller_share_of_more_queries() -> None:
    assert [deepest(m) for m in (20, 30, 100, 300, 1_000, 10_000)] == [10, 14, 30, 63, 140, 650]


def test_one_high_bound_leaves_the_other_thresholds() -> None:
    sample = sample_of(gumbel_scores(300, 4))
    risk, bound = sample.risk.copy(), sample.bound.copy()
    risk[0], bound[0] = 0.0, 0.5
    hidden = replace(sample, risk=risk, bound=bound)
    assert len(candidate_thresholds(hidden)) > 15
    assert candidate_thresholds(hidden)[0] == pytest.approx(
        candidate_thresholds(sample)[0], abs=0.1
    )
