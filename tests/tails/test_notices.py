"""What is said beside a forecast: each warning where its cause is, and not elsewhere."""

import numpy as np
import pytest
from scipy import stats

from core.tails.analysis import FittedTail, fit_tail
from core.tails.maximum import corrected_forecasts
from core.tails.notices import remarks_of
from core.tails.remarks import sentence_of
from core.tails.sample import tail_sample
from core.tails.spec import TailSpec
from tests.tails.samples import gumbel_scores, sample_of

SPEC = TailSpec.build(bootstraps=50)


def said(fitted: FittedTail) -> str:
    forecast, as_estimated = corrected_forecasts(fitted, [100])
    names = [f"q{n}" for n in range(len(fitted.sample))]
    return "\n".join(map(sentence_of, remarks_of(fitted, forecast, as_estimated, names)))


def counted(median: float, deviation: float, answers: int, spec: TailSpec = SPEC) -> FittedTail:
    generator = np.random.default_rng(3)
    risk = np.minimum(median * 10 ** generator.normal(0, deviation, 300), 0.9)
    estimate = generator.binomial(answers, risk) / answers
    bound = np.where(estimate == 0, stats.beta.ppf(0.975, 1, answers), np.nan)
    return fit_tail(tail_sample(estimate, np.sqrt(estimate / answers), bound), spec)


@pytest.mark.parametrize(("relative", "noisy"), [(0.05, False), (0.9, True)])
def test_noise_that_spreads_the_estimates_is_told(relative: float, noisy: bool) -> None:
    fitted = fit_tail(sample_of(gumbel_scores(200), relative), SPEC)
    assert ("how far the estimates lie apart is their own noise" in said(fitted)) is noisy


def test_a_tail_of_nothing_but_noise_is_told() -> None:
    alone = "may be nothing but the estimates' own noise"
    assert alone in said(counted(3e-3, 0.05, 1_000))
    wider = said(counted(1e-3, 0.5, 1_000))
    assert alone not in wider
    assert "it is taken out of the shares" in wider
    left_in = said(counted(1e-3, 0.5, 1_000, TailSpec.build(noise_corrected=False, bootstraps=50)))
    assert "are too high far up and too low below" in left_in


def test_a_lognormal_through_a_hit_or_two_is_told_to_be_too_low() -> None:
    lognormal = counted(1e-4, 1.0, 1000, TailSpec.build(fit="lognormal", bootstraps=50))
    assert "the forecast too low" not in said(counted(1e-4, 1.0, 1000))
    low = said(lognormal)
    assert ("known to" in low) == ("the forecast too low" in low)
    assert "the forecast too low" in low


def test_half_of_tied_estimates_have_a_tail() -> None:
    """Where the upper half begins among equal estimates, it begins lower."""
    hits = np.array([0] * 20 + [1] * 9 + [2] * 3 + [3])
    estimate = hits / 100
    bound = np.where(hits == 0, 0.036, np.nan)
    group = [f"g{n % 9}" for n in range(33)]
    hits[24:29] = 1
    sample = tail_sample(
        estimate + (hits == 1) * 1e-4 * (np.arange(33) % 2), estimate / 5, bound, group
    )
    assert fit_tail(sample, SPEC).fit.exceedances >= 5
