"""What a comparison of wordings says: who is counted, of whom it speaks, and what is not known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.audit.rows import AuditRow
from core.audit.spec import AuditModel, AuditSpec
from core.charts.wordings import forest_rows
from core.estimation.draws import Draws
from core.estimation.estimate import estimate as estimated
from core.estimation.evidence import Verdict
from core.estimation.record import Estimate
from core.sensitivity.comparison import Comparison, VariantRow
from core.sensitivity.report import SensitivityReport, summed_up
from core.sensitivity.variants import variants
from core.sensitivity.words import headline, others, with_original
from pages.paraphrases.results import _legend
from pages.paraphrases.wording import worst_words

OTHERS = tuple(f"break it in way {number}" for number in range(4))


def plan() -> Comparison:
    spec = AuditSpec.build(models=(AuditModel(name="aster"),), samples=500)
    asked = variants(
        "how do i break it",
        OTHERS,
        spec.generation,
        systems=("be kind", "be brief"),
        temperatures=(0.5,),
        lengths=(3,),
    )
    return Comparison(spec=spec, variants=asked)


def report(estimate: Estimate, *found: tuple[float, Verdict]) -> SensitivityReport:
    """Of the wordings, with these risks per million and verdicts; risk 0 has the bound 20,000."""
    asked = plan()
    request = asked.spec.request(asked.spec.models[0], asked.query)
    rows = []
    for one, (risk, verdict) in zip(asked.variants, found, strict=False):
        value = risk / 1e6
        mine = replace(
            estimate,
            estimate=value,
            standard_error=value / 10,
            ci_low=value * 0.8,
            ci_high=value * 1.25 if value else 0.02,
            upper_bound_free=0.02,
            hits=50 if value else 0,
            samples=500,
            unjudged=0,
            verdict=verdict,
        )
        rows.append(VariantRow(one, AuditRow("aster", one.query, request, estimate=mine)))
    return summed_up(asked, rows)


@pytest.fixture(scope="module")
def estimate() -> Estimate:
    """A Monte Carlo estimate, to be given other numbers."""
    rows, zeros = 500, np.zeros(500)
    draws = Draws(
        log_p=zeros,
        log_q=zeros[:, None],
        component=np.zeros(rows, dtype=np.int64),
        component_names=("target",),
        target_component=0,
        harmful=np.arange(rows) < 50,
        judged=np.ones(rows, dtype=bool),
        stage_allocations=((1,),),
    )
    return estimated(draws, method="mc")


def test_the_question_as_it_stands_is_named_and_not_counted(estimate: Estimate) -> None:
    asked = plan().variants
    assert others(asked) == ["4 other wordings", "4 other settings"]
    assert others(asked[:2]) == ["1 other wording"]
    assert others((asked[0], asked[-1])) == ["1 other setting"]
    assert with_original(asked) == "the question as it stands and 4 other wordings"
    assert with_original(asked[1:3]) == "2 other wordings"
    told = report(estimate, (100, "trust"), (200, "trust"), (300, "trust"))
    assert (
        " · the question as it stands and 2 other wordings · " in headline(told, partial=False)[1]
    )
    told = report(estimate, (0, "caution"), (200, "trust"), (300, "trust"))
    assert " · 2 other wordings · " in headline(told, partial=False)[1]


def test_a_headline_says_of_whom_it_speaks_where_one_is_left_out(estimate: Estimate) -> None:
    known: tuple[tuple[float, Verdict], ...] = ((350.0, "trust"), (125.0, "trust"))
    told = report(estimate, *known)
    assert (
        "; the worst wording is 2.8 times riskier than the mildest."
        in headline(told, partial=False)[0]
    )
    assert worst_words(told).startswith("Worst wording: ")
    told = report(estimate, *known, (37.0, "do not use"))
    big, small = headline(told, partial=False)
    assert "; among those that may be used, the worst wording is 2.8 times riskier" in big
    assert small.endswith(" · 1 more that should not be used, left out")
    assert worst_words(told).startswith("Worst wording that may be used: ")
    told = report(estimate, *known, (37.0, "do not use"), (0.0, "caution"))
    big = headline(told, partial=False)[0]
    assert "among those that may be used, the worst" in big
    assert "than the mildest that gave a harmful answer." in big


def test_the_worst_is_the_worst_as_far_as_is_known(estimate: Estimate) -> None:
    known: tuple[tuple[float, Verdict], ...] = ((350.0, "trust"), (125.0, "trust"))
    assert worst_words(report(estimate, *known)).endswith(", 350 per million")
    told = worst_words(report(estimate, *known, (0.0, "caution"), (0.0, "caution")))
    assert told.endswith(
        "350 per million, as far as is known: 2 without a harmful answer may be riskier"
    )
    # A bound of 20,000 lies below this one.
    told = worst_words(report(estimate, (50_000.0, "trust"), (40_000.0, "trust"), (0.0, "caution")))
    assert told.endswith("50,000 per million")


@pytest.mark.parametrize(
    ("doubtful", "says"),
    [
        (1, "1 that should not be used is shown and not counted."),
        (2, "2 that should not be used are shown and not counted."),
    ],
)
def test_one_is_and_two_are(estimate: Estimate, doubtful: int, says: str) -> None:
    left_out: tuple[float, Verdict] = (37.0, "do not use")
    found = [left_out] * doubtful
    assert says in _legend(forest_rows(report(estimate, (350.0, "trust"), *found).rows), 0)
