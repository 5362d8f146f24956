"""Where a tail may start: what is offered can be fitted, and starts where it says."""

import numpy as np
import pytest

from core.tails.analysis import fit_tail
from core.tails.gumbel import largest_by_default
from core.tails.sample import to_risk
from core.tails.spec import TailSpec
from core.tails.thresholds import offered_starts, threshold_table
from tests.tails.samples import gumbel_scores, sample_of

SAMPLE = sample_of(gumbel_scores(120))


@pytest.mark.parametrize("fit", ["pot", "gumbel"])
def test_every_choice_can_be_fitted_and_starts_there(fit: str) -> None:
    table = threshold_table(SAMPLE, simulations=49)
    offered = offered_starts(SAMPLE, fit, table)  # type: ignore[arg-type]
    assert offered is not None
    assert list(offered.largest) == sorted(offered.largest, reverse=True)
    assert list(offered.risk) == sorted(offered.risk)
    for largest in offered.largest:
        spec = TailSpec.build(fit=fit, largest=largest, bootstraps=50)
        found = fit_tail(SAMPLE, spec).fit
        assert found.exceedances == largest
        assert float(to_risk(found.threshold)) == pytest.approx(offered.risk_at(largest))


def test_the_automatic_one_is_what_is_taken_without_a_choice() -> None:
    table = threshold_table(SAMPLE, simulations=49)
    for fit in ("pot", "gumbel"):
        offered = offered_starts(SAMPLE, fit, table)  # type: ignore[arg-type]
        assert offered is not None
        found = fit_tail(SAMPLE, TailSpec.build(fit=fit, bootstraps=50), table).fit
        assert offered.automatic == found.exceedances
        assert offered.nearest(None) == offered.automatic
        assert offered.nearest(10**6) == offered.largest[0]
    assert largest_by_default(SAMPLE) == 10


def test_none_where_there_is_nothing_to_choose() -> None:
    assert offered_starts(SAMPLE, "pot", None) is None
    for fit in ("gev", "lognormal", "empirical"):
        assert offered_starts(SAMPLE, fit, threshold_table(SAMPLE, simulations=49)) is None  # type: ignore[arg-type]


def test_a_line_needs_different_risks() -> None:
    scores = gumbel_scores(60)
    scores[np.argsort(-scores)[:12]] = scores.max()
    offered = offered_starts(sample_of(scores), "gumbel", None)
    assert offered is None or min(offered.largest) > 12
