"""The baselines: the log-normal with what lies below a limit, and the queries seen as all there is."""

import numpy as np
import pytest
from scipy import stats

from core.errors import SpecError
from core.tails.analysis import fit_tail
from core.tails.baselines import fit_empirical, fit_lognormal
from core.tails.maximum import corrected_forecasts
from core.tails.sample import TailSample, to_risk, to_score
from core.tails.spec import TailSpec
from tests.tails.samples import bound_of, sample_of


def censored(log_risk: np.ndarray, limit: np.ndarray) -> TailSample:
    """Risks below their limit are known to lie there, and no more."""
    hidden = log_risk < limit
    m = len(log_risk)
    return TailSample(
        np.where(hidden, 0.0, np.exp(log_risk)),
        np.zeros(m),
        np.where(hidden, bound_of(np.exp(limit)), np.nan),
        np.char.mod("q%d", np.arange(m)),
        np.zeros(m, dtype=bool),
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.85])
@pytest.mark.parametrize("spread", [0.5, 3.0])
def test_limits_agree_with_scipy(share: float, spread: float) -> None:
    generator = np.random.default_rng(3)
    log_risk = generator.normal(-11, spread, 200)
    limit = np.quantile(log_risk, share) + generator.normal(0, 0.3, 200)
    fit = fit_lognormal(censored(log_risk, limit))
    hidden = log_risk < limit
    theirs = stats.norm.fit(stats.CensoredData(log_risk[~hidden], left=limit[hidden]))
    assert (fit.mean, fit.deviation) == pytest.approx(theirs, rel=1e-3)


def test_limits_are_not_values() -> None:
    """Many samples of which half is hidden: the mean is right, and would be far off with limits as values."""
    means = []
    for seed in range(30):
        log_risk = np.random.default_rng(seed).normal(-11, 2, 200)
        means.append(fit_lognormal(censored(log_risk, np.full(200, -11.0))).mean)
    assert np.mean(means) == pytest.approx(-11, abs=0.1)


def test_survival_is_the_normals() -> None:
    fit = fit_lognormal(sample_of(to_score(np.exp(np.random.default_rng(1).normal(-9, 1, 50)))))
    level = np.log([1e-5, 1e-3])
    expected = stats.norm.logsf(level, fit.mean, fit.deviation)
    np.testing.assert_allclose(fit.log_survival(to_score(np.exp(level))), expected)
    np.testing.assert_allclose(fit.score_at(expected), to_score(np.exp(level)))
    # What lies above 1 is a risk of 1, and still goes on.
    far = fit.score_at(np.array([-1e4, -1e6]))
    np.testing.assert_allclose(to_risk(far), 1)
    np.testing.assert_allclose(fit.log_survival(far), [-1e4, -1e6])


def test_half_of_the_worst_lie_above_the_median_where_risks_would_exceed_1() -> None:
    """Cut to 1, the refits could not tell levels apart: 64% lay above what was called the median."""
    sample = sample_of(to_score(np.exp(np.random.default_rng(5).normal(-5.5, 2, 100))))
    fitted = fit_tail(sample, TailSpec.build(fit="lognormal", bootstraps=200))
    told, _ = corrected_forecasts(fitted, [40.0])
    median = float(told.median[0])
    assert 0.1 < median < 0.999
    assert fitted.predictor.chance_above(40.0, median) == pytest.approx(0.5, abs=0.03)


def test_nothing_exceeds_the_largest_seen() -> None:
    scores = np.linspace(-3, -1, 40)
    fit = fit_empirical(sample_of(scores))
    assert float(fit.score_at(np.log(1e-9))) == -1
    assert float(np.exp(fit.log_survival(-1.01))) == pytest.approx(1 / 40)
    assert float(np.exp(fit.log_survival(-1.0))) == 0


def test_too_few_hits_are_refused() -> None:
    limit = np.full(30, -5.0)
    with pytest.raises(SpecError, match="two queries with a hit, got 1"):
        fit_lognormal(censored(np.append(np.full(29, -6.0), -4.0), limit))
