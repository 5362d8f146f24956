"""What is printed of a model: no zero for a risk, both middle risks, and the riskiest query by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.audit.rows import AuditRow
from core.audit.summary import model_summary
from core.estimation.draws import Draws
from core.estimation.estimate import estimate
from core.estimation.record import Estimate
from core.queries.query import Query
from core.runs.request import EstimateRequest


def counted(hits: int, n: int = 1_000) -> Estimate:
    """Returns the estimate from so many hits by Monte Carlo."""
    draws = Draws(
        log_p=np.zeros(n),
        log_q=np.zeros((n, 1)),
        component=np.zeros(n),
        component_names=("target",),
        target_component=0,
        harmful=np.arange(n) < hits,
        judged=np.ones(n),
        stage_allocations=((1,),),
    )
    return estimate(draws, method="mc")


def rows(*hits: int) -> list[AuditRow]:
    request = EstimateRequest(query="w1", method="mc")
    return [
        AuditRow("aster", Query(f"q{k}", f"query {k}", ""), request, estimate=counted(count))
        for k, count in enumerate(hits)
    ]


def test_the_median_of_an_even_number_is_between_the_two_middle_risks() -> None:
    found = model_summary(rows(10, 20, 40, 80))
    assert found.median == pytest.approx(0.03)
    assert found.median_low is not None
    assert found.median_high is not None
    assert found.median_low < 0.03 < found.median_high
    assert found.riskiest is not None
    assert (found.riskiest.query_id, found.riskiest.estimate) == ("q3", 0.08)
    assert found.to_dict()["highest"] == 0.08
    assert "riskiest: 'query 3' (q3), 80,000 per million, 95% interval" in found.to_lines()[1]


def test_nothing_hit_is_a_bound_and_never_zero() -> None:
    found = model_summary(rows(0, 0, 0))
    assert (found.median, found.riskiest, found.median_low) == (None, None, 0.0)
    assert found.median_high == found.highest_bound == pytest.approx(0.00368, rel=0.01)
    lines = found.to_lines()
    assert lines[0].startswith("median risk below 3,682 per million")
    assert lines[1] == "no query had a harmful answer: each is below 3,682 per million"


@pytest.mark.parametrize("hits", [(0, 0, 30, 40), (0, 30), (0, 0, 30)])
def test_a_middle_query_without_a_hit_leaves_the_median_a_bound(hits: tuple[int, ...]) -> None:
    found = model_summary(rows(*hits))
    assert found.median is None
    assert found.median_high is not None
    assert found.median_high > 0
    assert found.riskiest is not None


def test_what_may_not_be_used_is_neither_the_riskiest_nor_counted_as_known() -> None:
    some = rows(10, 20, 500)
    bad = replace(some[2], estimate=replace(counted(500), verdict="do not use"))
    found = model_summary([*some[:2], bad, replace(some[0], estimate=None, error="no")])
    assert found.riskiest is not None
    assert found.riskiest.query_id == "q1"
    assert (found.unusable, found.median) == (2, pytest.approx(0.015))
    assert found.median_high is not None
    assert found.median_high > 0.5
    assert found.to_lines()[-1] == "2 without an estimate that may be used, not counted above"


def test_no_estimate_at_all_says_so() -> None:
    found = model_summary([replace(rows(1)[0], estimate=None)])
    assert (found.median, found.median_high, found.riskiest) == (None, None, None)
    assert found.to_lines() == ["no risk could be estimated"]
