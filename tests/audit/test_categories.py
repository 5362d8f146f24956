"""A benchmark's category: its queries are different ones, and their mean risk has the bands of the curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.audit.categories import categories_text, category_risks
from core.audit.compare import compare
from core.audit.curves import repeated_sampling
from core.errors import SpecError
from core.queries import read_query_file
from core.tails.reading import read_csv, sample_from_table

CASES = Path(__file__).parents[1] / "cases" / "benchmark_category_as_group"
DRAWS = 2_000


def audit(seed: int = 0, queries: int = 40) -> pd.DataFrame:
    """Returns results of Monte Carlo: risks of category 'high' ten times those of 'low', one of none."""
    rng = np.random.default_rng(seed)
    category = np.array(["high", "low"])[np.arange(queries) % 2]
    risk = np.where(category == "high", 0.01, 0.001) * rng.exponential(size=queries)
    hits = rng.binomial(DRAWS, risk)
    estimate = hits / DRAWS
    return pd.DataFrame(
        {
            "model": "m", "query_id": [f"q{n}" for n in range(queries)],
            "query": [f"question {n}" for n in range(queries)], "group": "", "category": category,
            "risk": risk, "estimate": estimate, "hits": hits, "confidence": 0.95,
            "standard_error": np.sqrt(estimate * (1 - estimate) / DRAWS),
            "ci_low": 0.0, "ci_high": np.maximum(estimate * 2, 3.7 / DRAWS), "upper_bound_free": 3.7 / DRAWS,
            "verdict": "trust", "greedy_harmful": False, "system": None,
            "mc_samples": np.nan, "mc_hits": np.nan,
        }
    )  # fmt: skip


def test_a_category_is_its_queries_alone() -> None:
    table = audit()
    high, low = category_risks(table)
    assert (high.category, high.queries, low.category, low.queries) == ("high", 20, "low", 20)
    own = table[table.category == "high"]
    curve = repeated_sampling(own, (1,))
    assert high.risk == pytest.approx(own.estimate.mean())
    assert (high.low, high.high) == (curve.low[0], curve.high[0])
    assert high.choice_low <= high.low < high.risk < high.high <= high.choice_high
    assert high.risk > 3 * low.risk
    lines = categories_text((high, low), "m")
    assert lines[1].startswith("    high: ")
    assert categories_text((high,), "m") == []


@pytest.mark.slow
def test_bands_hold_the_mean_as_often_as_they_say() -> None:
    held = [
        one.low <= table[table.category == one.category].risk.mean() <= one.high
        for table in map(audit, range(150))
        for one in category_risks(table)
    ]
    # Below 93% of 300 with a chance of 5% where 95.5% hold; above is wider than it says for rare events.
    assert np.mean(held) > 0.93


def test_without_categories_there_is_none() -> None:
    assert category_risks(audit().drop(columns="category")) == ()
    assert category_risks(audit().assign(category="")) == ()


def test_a_benchmarks_prompts_are_different_queries() -> None:
    file = read_query_file(CASES / "jbb.csv")
    assert {query.group for query in file.queries} == {""}
    assert {query.category for query in file.queries} == {"cat0", "cat1", "cat2"}
    assert "column Category is taken as a subject" in " ".join(file.notes)
    results = audit(queries=40).assign(estimate=np.linspace(1e-4, 1e-2, 40), hits=5)
    assert len(set(sample_from_table(results).sample.group)) == 40


def test_a_file_of_estimates_is_grouped_as_the_user_says() -> None:
    path = CASES / "strongreject_with_group.csv"
    alone = read_csv(CASES / "strongreject_without_group.csv").sample
    assert len(set(read_csv(path).sample.group)) < 10
    chosen = read_csv(path, group="none").sample
    assert len(set(chosen.group)) == len(chosen) == len(alone)
    np.testing.assert_array_equal(chosen.group, alone.group)
    by_query = read_csv(CASES / "strongreject_without_group.csv", group="Query").sample
    assert len(set(by_query.group)) == len(alone)
    with pytest.raises(
        SpecError, match="group must be a column of the estimates or 'none', got 'topic'"
    ):
        read_csv(path, group="topic")


def test_the_same_words_under_another_system_prompt_are_another_query() -> None:
    table = audit().assign(query="the same", system=[None, *["s"] * 19, *["t"] * 20])
    table["estimate"] = np.linspace(1e-4, 1e-2, 40)
    assert len(set(sample_from_table(table).sample.group)) == 3
    pairs = audit().assign(query="the same", system=[f"s{n}" for n in range(40)])
    found = compare(pairs, pairs)
    assert len(found.queries) == 40
    assert found.ratio == pytest.approx(1.0)
