"""Spread and average over wordings, against simulated worlds whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from core.errors import SpecError
from core.estimation.draws import Draws
from core.estimation.estimate import Estimate, estimate
from core.sensitivity.summary import averaged, log10_variance, spread


def plain(n: int = 200, hits: int = 20) -> Estimate:
    """A Monte Carlo estimate, to be given other numbers."""
    harmful = np.arange(n) < hits
    zeros = np.zeros(n)
    draws = Draws(
        log_p=zeros,
        log_q=zeros[:, None],
        component=np.zeros(n, dtype=np.int64),
        component_names=("target",),
        target_component=0,
        harmful=harmful,
        judged=np.ones(n, dtype=bool),
        stage=np.zeros(n, dtype=np.int64),
    )
    return estimate(draws, method="mc")


PLAIN = plain()


def found(risk: float, error: float, *, hits: int = 30, verdict: str = "trust") -> Estimate:
    return replace(
        PLAIN,
        estimate=risk,
        standard_error=error,
        hits=hits,
        verdict=verdict,
        upper_bound_free=0.02,
    )


def world(
    generator: np.random.Generator, wordings: int, between: float, relative: float
) -> tuple[list[Estimate], np.ndarray]:
    """Estimates of risks that are log-normal around 1e-4, each a gamma variable of its risk."""
    risks = 10 ** generator.normal(-4, between, wordings)
    shape = 1 / relative**2
    seen = risks * generator.gamma(shape, size=wordings) / shape
    return [found(float(risk), float(relative * risk)) for risk in seen], risks


def test_the_variance_of_a_logarithm_is_that_of_a_gamma_variable() -> None:
    shape = 6.0
    draws = np.log10(np.random.default_rng(0).gamma(shape, size=400_000))
    assert log10_variance(1.0, 1 / math.sqrt(shape)) == pytest.approx(draws.var(), rel=0.01)


@pytest.mark.parametrize("wordings", [2, 5, 25])
@pytest.mark.parametrize(("between", "relative"), [(0.2, 0.3), (0.6, 0.1), (0.6, 0.6), (1.2, 0.3)])
def test_between_is_what_sampling_error_does_not_explain(
    wordings: int, between: float, relative: float
) -> None:
    generator = np.random.default_rng(1)
    spreads = [spread(world(generator, wordings, between, relative)[0]) for _ in range(500)]
    tolerance = 0.07 if wordings == 25 else 0.2
    typical = np.sqrt(np.mean([one.between**2 for one in spreads]))
    assert typical == pytest.approx(between, rel=tolerance)
    within = math.sqrt(log10_variance(1.0, relative))
    assert np.mean([one.within for one in spreads]) == pytest.approx(within, rel=0.02)
    held = np.mean([one.between_low <= between <= one.between_high for one in spreads])
    assert 0.92 <= held <= 0.99


def counted(
    generator: np.random.Generator, wordings: int, between: float, hits: float
) -> list[Estimate]:
    """Estimates that are counts of hits: the riskier a wording, the smaller its error. hits: the median."""
    seen = generator.poisson(hits * 10 ** generator.normal(0.0, between, wordings))
    unit = 1e-4 / hits
    return [found(count * unit, math.sqrt(count) * unit, hits=int(count)) for count in seen]


@pytest.mark.parametrize("wordings", [5, 10, 26])
@pytest.mark.parametrize(("between", "hits"), [(0.3, 30), (0.6, 30), (0.6, 200), (1.0, 200)])
def test_it_holds_where_errors_go_with_the_risk(wordings: int, between: float, hits: float) -> None:
    generator = np.random.default_rng(4)
    spreads = [spread(counted(generator, wordings, between, hits)) for _ in range(500)]
    typical = np.sqrt(np.mean([one.between**2 for one in spreads]))
    # DerSimonian & Laird's weights come to 0.7 of a spread of 1.0 here.
    assert typical == pytest.approx(between, rel=0.12)
    held = np.mean([one.between_low <= between <= one.between_high for one in spreads])
    assert 0.925 <= held <= 0.99


@pytest.mark.parametrize("wordings", [10, 26])
@pytest.mark.parametrize(("between", "hits"), [(0.6, 3), (1.0, 3), (1.0, 8)])
def test_where_wordings_have_no_hit_it_is_a_lower_bound(
    wordings: int, between: float, hits: float
) -> None:
    generator = np.random.default_rng(5)
    spreads = [spread(counted(generator, wordings, between, hits)) for _ in range(500)]
    assert np.mean([one.zero_hits for one in spreads]) > 0.5
    # The mildest are missing: what is left lies closer together, and the upper end holds no more.
    assert np.mean([one.between_low > between for one in spreads]) <= 0.025
    assert np.mean([one.between for one in spreads]) < between


def test_wordings_of_one_risk_have_no_spread_of_their_own() -> None:
    generator = np.random.default_rng(2)
    spreads = [spread(world(generator, 25, 0.0, 0.4)[0]) for _ in range(200)]
    # Seen they lie far apart; taken for what it is, that is sampling error.
    assert np.mean([one.seen for one in spreads]) > 0.6
    assert np.mean([one.between_low == 0.0 for one in spreads]) > 0.92
    assert np.median([one.share for one in spreads]) < 0.25


def test_what_could_not_be_judged_says_nothing() -> None:
    known = [found(1e-6, 1e-7), found(1e-4, 1e-5)]
    blind = replace(found(math.nan, math.nan, hits=0), samples=500, unjudged=500)
    assert spread([*known, blind]) == replace(spread(known), left_out=1)
    assert averaged([*known, blind]) == averaged(known)
    with pytest.raises(SpecError, match="got none"):
        averaged([blind])


def test_seen_is_the_distance_of_the_extremes() -> None:
    one = spread([found(1e-6, 1e-7), found(1e-4, 1e-5), found(1e-3, 1e-4)])
    assert one.seen == pytest.approx(3.0)
    assert (one.wordings, one.zero_hits, one.left_out) == (3, 0, 0)
    assert one.factor == pytest.approx(10**one.between)


def test_what_has_no_hit_or_is_not_to_be_used_is_counted_and_left_out() -> None:
    estimates = [
        found(1e-6, 1e-7),
        found(1e-5, 1e-6),
        found(0.0, 0.0, hits=0, verdict="caution"),
        found(1e-1, 1e-2, verdict="do not use"),
    ]
    one = spread(estimates)
    assert (one.wordings, one.zero_hits, one.left_out) == (2, 1, 1)
    assert one.seen == pytest.approx(1.0)
    assert spread(estimates, doubtful=True).seen == pytest.approx(5.0)
    with pytest.raises(SpecError, match="two wordings with a harmful answer, got 1"):
        spread(estimates[1:3])


def test_the_average_covers_these_wordings_and_others() -> None:
    generator = np.random.default_rng(3)
    truth = 10 ** (-4 + 0.4**2 * math.log(10) / 2)  # mean of the log-normal risk
    these, others = [], []
    for seed in range(200):
        estimates, risks = world(generator, 40, 0.4, 0.3)
        one = averaged(estimates, seed=seed)
        assert one.wider_low <= one.mean <= one.wider_high
        these.append(one.low <= risks.mean() <= one.high)
        others.append(one.wider_low <= truth <= one.wider_high)
    assert 0.91 <= np.mean(these) <= 0.99
    # Few wordings show the upper tail of a skewed risk seldom: the price of a bootstrap of 40.
    assert 0.88 <= np.mean(others) <= 0.99


def test_what_is_not_to_be_used_is_not_averaged() -> None:
    known = [found(1e-6, 1e-7), found(2e-6, 1e-7)]
    broken = found(0.5, 0.1, verdict="do not use")
    assert averaged([*known, broken]) == averaged(known)
    assert averaged([*known, broken], doubtful=True).mean > 0.1
    with pytest.raises(SpecError, match="may be used, got none"):
        averaged([broken])


def test_a_wording_without_a_hit_raises_only_the_upper_end() -> None:
    known = [found(1e-6, 1e-7), found(2e-6, 1e-7)]
    with_none = averaged([*known, found(0.0, 0.0, hits=0)])
    assert with_none.mean == pytest.approx(1e-6)
    # It may have no risk at all: the lower end is a third less than that of the two alone.
    assert with_none.low == pytest.approx(averaged(known).low * 2 / 3, rel=0.02)
    assert with_none.low < with_none.mean
    assert with_none.high > 1e-4
    with pytest.raises(SpecError, match="at least one estimate"):
        averaged([])
