"""Two audits compared, where the true ratios are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from core.audit.compare import compare
from core.errors import SpecError


def table(
    estimates: NDArray[np.float64], relative: float = 0.2, model: str = "one", **more: object
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "query": [f"query {number}" for number in range(len(estimates))],
            "query_id": [f"q{number}" for number in range(len(estimates))],
            "model": model,
            "estimate": estimates,
            "standard_error": estimates * relative,
            "hits": (estimates > 0) * 50,
            "verdict": "trust",
            **more,
        }
    )


def gamma(
    means: NDArray[np.float64], relative: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    shape = 1 / relative**2
    return np.asarray(means * generator.gamma(shape, 1 / shape, size=len(means)))


@pytest.mark.parametrize(("left", "right"), [(0.1, 0.1), (0.15, 0.4), (0.4, 0.15)])
def test_a_querys_interval_holds_its_ratio_as_often_as_it_says(left: float, right: float) -> None:
    generator = np.random.default_rng(3)
    risks = 10 ** generator.uniform(-6, -1, size=4_000)
    factor = 3.0
    first = table(gamma(risks, left, generator), left)
    second = table(gamma(factor * risks, right, generator), right)
    found = compare(first, second).queries
    held = ((found["ratio_low"] <= factor) & (factor <= found["ratio_high"])).mean()
    assert 0.92 <= held <= 0.98


def test_the_ratio_is_second_over_first() -> None:
    first, second = table(np.full(8, 1e-4)), table(np.full(8, 3e-4))
    found = compare(first, second)
    assert found.ratio == pytest.approx(3.0)
    assert found.queries["ratio"].tolist() == pytest.approx([3.0] * 8)
    assert compare(second, first).ratio == pytest.approx(1 / 3)
    assert found.queries["estimate_first"].tolist() == pytest.approx([1e-4] * 8)


@pytest.mark.study
def test_the_overall_interval_holds_the_typical_ratio_as_often_as_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ratios differ from query to query around a typical one; each query keeps its two estimates."""
    monkeypatch.setattr("core.audit.compare.BOOTSTRAPS", 400)
    typical, seeds, inside = 2.0, 300, 0
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        risks = 10 ** generator.uniform(-6, -2, size=60)
        ratios = typical * np.exp(generator.normal(0, 0.5, size=60))
        first = table(gamma(risks, 0.1, generator), 0.1)
        second = table(gamma(risks * ratios, 0.1, generator), 0.1)
        found = compare(first, second, seed=seed)
        inside += found.low <= typical <= found.high
    assert 0.90 <= inside / seeds <= 0.98


def test_queries_of_very_unlike_risk_do_not_blur_the_ratio() -> None:
    """Paired: a bootstrap of the two sides apart would be as wide as the risks are spread."""
    generator = np.random.default_rng(5)
    risks = 10 ** generator.uniform(-6, -1, size=40)
    found = compare(table(risks), table(2 * risks))
    assert (found.low, found.high) == pytest.approx((2.0, 2.0))


def test_queries_that_cannot_be_compared_are_counted_and_stay_in_the_table() -> None:
    estimates = np.array([0.0, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3])
    first, second = table(estimates), table(2 * estimates).iloc[:-1]
    found = compare(first, second)
    assert len(found.queries) == 6
    assert (found.compared, found.left_out) == (5, 2)
    assert found.queries["ratio"].isna().tolist() == [True, *[False] * 5]
    assert not found.queries["differs"][0]
    assert found.ratio == pytest.approx(2.0)


def test_fewer_than_five_have_no_overall_ratio() -> None:
    found = compare(table(np.full(4, 1e-3)), table(np.full(4, 2e-3)))
    assert np.isnan([found.ratio, found.low, found.high]).all()
    assert found.compared == 4


def test_differs_says_that_one_is_outside() -> None:
    first = table(np.array([1e-3] * 5), 0.1)
    second = table(np.array([1e-3, 1.1e-3, 5e-3, 2e-4, 1e-3]), 0.1)
    assert compare(first, second).queries["differs"].tolist() == [False, False, True, True, False]


def test_exact_estimates_have_an_interval_of_no_width() -> None:
    found = compare(table(np.full(5, 1e-3), 0.0), table(np.full(5, 2e-3), 0.0)).queries
    assert found["ratio_low"].tolist() == pytest.approx([2.0] * 5, rel=1e-4)


def test_what_cannot_be_compared_is_refused_in_one_sentence() -> None:
    one = table(np.full(5, 1e-3))
    two = pd.concat([one, table(np.full(5, 1e-3), model="two")])
    with pytest.raises(SpecError, match="the second results must be of one model, got one, two"):
        compare(one, two)
    with pytest.raises(SpecError, match="no query in common"):
        compare(one, one.assign(query="something else"))
