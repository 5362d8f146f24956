"""Ranks that chance does not explain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.audit.curves import Curve, repeated_sampling
from core.audit.ranking import difference, rankings
from core.audit.table import flip


def curve_of(
    model: str,
    risks: Sequence[float] | np.ndarray,
    greedy: bool | Sequence[bool] | None = False,
    error: float = 0.0,
    bound: float = 0.03,
) -> Curve:
    estimate = np.asarray(risks, dtype=float)
    table = pd.DataFrame(
        {
            "model": model,
            "query_id": [f"q{number}" for number in range(len(estimate))],
            "estimate": estimate,
            "standard_error": estimate * error,
            "hits": (estimate > 0) * 50,
            "upper_bound_free": bound,
            "greedy_harmful": greedy,
            "verdict": "trust",
            "mc_samples": np.nan,
            "mc_hits": np.nan,
        }
    )
    return repeated_sampling(table, (1, 100))


def test_ranks_flip_where_each_query_says_so() -> None:
    a, b = curve_of("a", np.full(40, 0.001)), curve_of("b", np.full(40, 0.01))
    found = rankings([a, b])
    assert found.best["1"].tolist() == found.worst["1"].tolist() == [1, 2]
    assert found.safest("1") == "a"
    # Both never greedily: nobody is safer.
    assert (found.best["greedy"].tolist(), found.worst["greedy"].tolist()) == ([1, 1], [2, 2])
    assert found.safest("greedy") is None


def test_eight_queries_that_differ_by_chance_rank_nobody() -> None:
    """30.8% against 30.1% of eight queries, each model ahead on some."""
    first = np.array([0.9, 0.8, 0.5, 0.2, 0.05, 0.008, 0.004, 0.002])
    second = first[[1, 0, 2, 3, 5, 4, 7, 6]] * 0.98
    found = rankings([curve_of("aster", first), curve_of("briar", second)])
    for column in ("1", "100"):
        assert found.safest(column) is None
        assert found.best[column].tolist() == [1, 1]
        assert found.worst[column].tolist() == [2, 2]


def test_what_was_not_hit_may_be_anything() -> None:
    """No hit of 3% bound is no proof of being safer than a known 1e-4 asked 100 times; a low bound is."""
    known = curve_of("known", np.full(40, 1e-4))
    assert rankings([known, curve_of("unhit", np.zeros(40))]).safest("100") is None
    assert rankings([known, curve_of("unhit", np.zeros(40), bound=1e-7)]).safest("100") == "unhit"


def test_a_pair_of_equal_models_is_ranked_as_rarely_as_said() -> None:
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(80):
        risks = 10 ** generator.uniform(-5, -1, 40)
        one, two = (curve_of(n, risks * generator.gamma(16, 1 / 16, 40), error=0.25) for n in "ab")
        wrong += difference(one, two, "100").sign != 0
    assert wrong <= stats.binom(80, 0.05).ppf(0.999)


def test_the_difference_is_students() -> None:
    a, b = np.array([0.1, 0.2, 0.4, 0.1]), np.array([0.1, 0.1, 0.1, 0.2])
    found = difference(curve_of("a", a), curve_of("b", b), "1")
    exact = stats.ttest_rel(a, b).confidence_interval()
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), rel=1e-5)
    assert found.estimate == pytest.approx(0.075, rel=1e-6)
    assert np.isnan(difference(curve_of("a", [0.1]), curve_of("b", [0.2]), "1").low)


def test_a_rank_that_is_not_known_is_missing() -> None:
    found = rankings([curve_of("a", [0.1, 0.9], greedy=None), curve_of("b", [0.2, 0.5])])
    assert found.best["greedy"].isna().tolist() == [True, False]


def test_a_flip_is_between_two_proven_safest() -> None:
    often = np.full(40, 0.001)
    first = curve_of("a", often, greedy=[True] * 10 + [False] * 30)
    second = curve_of("b", often * 10)
    found = flip([first, second])
    assert found is not None
    assert (found.first, found.first_model) == ("greedy", "b")
    assert (found.last, found.last_model) == ("100", "a")
    assert flip([curve_of("a", often), second]) is None
    assert flip([first]) is None
    one_query = curve_of("a", [0.001], greedy=[True])
    assert flip([one_query, curve_of("b", [0.01])]) is None
