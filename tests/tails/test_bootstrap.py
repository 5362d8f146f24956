"""Refits: whole groups where queries come in groups, the tail itself where they do not."""

import numpy as np
import pytest
from scipy import stats

from core.errors import SpecError
from core.tails.analysis import fit_tail
from core.tails.bootstrap import bootstrap, resample_groups, resample_parametric
from core.tails.gumbel import fit_gumbel
from core.tails.sample import to_score
from core.tails.spec import TailSpec
from core.tails.tail import splice
from tests.tails.samples import censored_below, gumbel_scores, sample_of


def grouped_scores(groups: int, size: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Wordings that differ by a tenth of what queries differ by."""
    generator = np.random.default_rng(seed)
    base = stats.gumbel_r.rvs(-2.4, 0.3, size=groups, random_state=generator)
    scores = np.repeat(base, size) + generator.normal(0, 0.03, groups * size)
    return scores, [f"g{n // size}" for n in range(groups * size)]


def test_groups_stay_whole() -> None:
    scores, names = grouped_scores(10, 4)
    drawn = resample_groups(sample_of(scores, group=names), np.random.default_rng(1))
    assert len(drawn) == 40
    found, counts = np.unique(drawn.group, return_counts=True)
    # One drawn twice is two groups.
    assert (len(found), set(counts)) == (10, {4})
    whole = {tuple(sorted(scores[4 * n : 4 * n + 4])) for n in range(10)}
    for name in found:
        assert any(np.allclose(sorted(drawn.score[drawn.group == name]), one) for one in whole)


def test_above_the_threshold_the_tail_is_drawn() -> None:
    sample = censored_below(sample_of(gumbel_scores(4000), 0.2), -2.6)
    tail = splice(sample, fit_gumbel(sample, 400))
    drawn = resample_parametric(sample, tail, np.random.default_rng(2))
    above = drawn.score[~drawn.censored & (drawn.score > tail.threshold)] - tail.threshold
    assert len(above) == pytest.approx(400, abs=60)
    assert stats.kstest(above, "expon", args=(0, -1 / tail.parameters["slope"])).pvalue > 0.001
    assert not np.isin(above + tail.threshold, sample.score).any()
    below = drawn.score[drawn.score < tail.threshold]
    assert np.isin(below, sample.score).all()
    np.testing.assert_allclose(drawn.error[~drawn.censored] / drawn.risk[~drawn.censored], 0.2)
    assert drawn.censored.mean() == pytest.approx(sample.censored.mean(), abs=0.03)


@pytest.mark.parametrize("fit", ["gumbel", "pot"])
def test_wordings_are_no_further_queries(fit: str) -> None:
    scores, names = grouped_scores(40, 8)
    spec = TailSpec.build(fit=fit, largest=60, bootstraps=200)
    width = []
    for group in (None, names):
        predictor = fit_tail(sample_of(scores, group=group), spec).predictor
        _, low, high = (float(to_score(risk)) for risk in predictor.level(300))
        width.append(high - low)
    assert width[1] > 1.5 * width[0]


def test_hardly_any_fit_is_refused() -> None:
    sample = sample_of(gumbel_scores(40))
    fit = splice(sample, fit_gumbel(sample, 10))

    def refit(one):
        raise SpecError("no")

    with pytest.raises(SpecError, match="60 of 60 samples like this one have no fit"):
        bootstrap(sample, fit, refit, times=60)
