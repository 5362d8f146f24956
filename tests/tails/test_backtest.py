"""The backtest: groups on one side, scores by hand, and the shipped models."""

import numpy as np
import pytest

from core.behaviours.load import load_queries, load_references
from core.errors import SpecError
from core.tails.backtest import Backtest, backtest, predictor_of, splits
from core.tails.sample import TailSample, to_score
from core.tails.spec import TailSpec
from tests.tails.samples import gumbel_scores, sample_of
from tests.tails.test_bootstrap import grouped_scores

SPEC = TailSpec.build(fit="gumbel", bootstraps=50)


def test_wordings_never_straddle_the_split() -> None:
    scores, names = grouped_scores(20, 5)
    sample = sample_of(scores, group=names)
    for mask in splits(sample, 20):
        assert not set(sample.group[mask]) & set(sample.group[~mask])
        assert mask.sum() == 30
    naive = list(splits(sample, 20, by_group=False))
    assert all(mask.sum() == 30 for mask in naive)
    assert all(set(sample.group[mask]) & set(sample.group[~mask]) for mask in naive)
    masks = {tuple(mask) for mask in naive}
    assert len(masks) == 20


def test_scores_by_hand() -> None:
    found = Backtest(
        "x",
        worst=np.array([1e-3, 1e-2, 1e-1]),
        level=np.array([1e-3, 1e-3, 1e-3]),
        median=np.array([1e-4, 5e-2, 0.9]),
        low=np.array([1e-5, 2e-2, 1e-2]),
        high=np.array([1e-2, 0.1, 1.0]),
        taus=np.array([5e-3]),
        chance=np.array([[0.2], [0.6], [1.0]]),
        failed=0,
    )
    scores = found.scores()
    log = np.log10([1e-1, 5, 9])
    assert scores["mean_absolute_log_error"] == pytest.approx(np.abs(log).mean())
    assert scores["within_a_decade"] == pytest.approx(1.0)
    assert scores["underestimates"] == pytest.approx(1 / 3)
    assert scores["coverage"] == pytest.approx(2 / 3)
    assert scores["brier"] == pytest.approx((0.04 + 0.16 + 0) / 3)
    level = found.scores("level")
    assert level["within_a_decade"] == pytest.approx(2 / 3)
    assert found.reliability(2) == [
        (pytest.approx(0.2), 0.0, 1), (pytest.approx(0.8), 1.0, 2),
    ]  # fmt: skip


def shipped(model: str) -> TailSample:
    references = load_references(model, "misuse")
    queries = load_queries("misuse")
    risk = np.array([references[query.query_id].qrisk for query in queries])
    return sample_of(to_score(risk), group=[query.group for query in queries])


@pytest.mark.study
def test_the_naive_split_flatters() -> None:
    """The worst query of aster has seven wordings nearly as bad; one of them is always seen."""
    error = {}
    for by_group in (True, False):
        found = backtest(shipped("aster"), {"g": predictor_of(SPEC)}, 30, by_group=by_group)["g"]
        error[by_group] = found.scores()["mean_absolute_log_error"]
    assert error[False] < 0.4 * error[True]


@pytest.mark.study
def test_the_shipped_models() -> None:
    """A small version of `benchmarks.tails backtest`: by group, both models together."""
    within, error = [], {"gumbel": [], "lognormal": []}
    for model in ("aster", "briar"):
        kinds = {fit: predictor_of(SPEC.model_copy(update={"fit": fit})) for fit in error}
        found = backtest(shipped(model), kinds, 60)
        within.append(found["gumbel"].scores()["within_a_decade"])
        for fit, one in found.items():
            error[fit].append(one.scores()["mean_absolute_log_error"])
    assert np.mean(within) >= 0.8
    assert np.mean(error["gumbel"]) < np.mean(error["lognormal"])


def test_too_few_groups() -> None:
    sample = sample_of(gumbel_scores(72), group=[f"g{n % 3}" for n in range(72)])
    with pytest.raises(SpecError, match="needs 4 groups or more, got 3"):
        backtest(sample, {"gumbel": predictor_of(SPEC)}, 3)


def test_too_few_queries() -> None:
    """Of 66 a split fits on fewer than the 20 that a forecast needs."""
    says = "fits on 30% of the queries and needs 67 or more, got 66; audit more"
    with pytest.raises(SpecError, match=says):
        backtest(sample_of(gumbel_scores(66)), {"gumbel": predictor_of(SPEC)}, 3)
    found = backtest(sample_of(gumbel_scores(67)), {"gumbel": predictor_of(SPEC)}, 3)
    assert len(found["gumbel"].worst) == 3
