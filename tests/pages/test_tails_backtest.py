"""Has it worked on these queries: the test in the background, what is shown of it, and bad input."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.tails import backtest_task
from core.tails.backtest import Backtest, backtest, predictor_of
from core.tails.backtest_task import REFITS, BacktestSpec, BacktestState, run_backtest
from core.tails.sample import TailSample
from core.tails.spec import TailSpec
from core.tasks import Steps
from pages.tails import backtest as tails_backtest
from pages.tails.backtest import backtest_tasks
from pages.tails.backtest_charts import reliability_rows, scatter, scatter_rows
from pages.tails.backtest_result import (
    BY_GROUP,
    NAIVE,
    SHORT,
    factor,
    headline,
    leaning,
    main_fit,
    nearer_baselines,
    score_table,
    shown_table,
)
from tests.tails.backtest_by_hand import found, many
from tests.tails.samples import sample_of
from tests.tails.test_bootstrap import grouped_scores

KINDS = ["gumbel", "empirical"]
FEW, MORE = 12, 24


@pytest.fixture(autouse=True)
def few_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails_backtest, "SPLIT_CHOICES", (FEW, MORE))


def script(groups: int, wordings: int, fit: str, largest: int | None) -> None:
    import streamlit as st

    from core.tails.spec import TailSpec
    from pages.tails.backtest import backtest_view
    from pages.tails.wording import ON_FILE
    from tests.tails.samples import sample_of
    from tests.tails.test_bootstrap import grouped_scores

    scores, names = grouped_scores(groups, wordings)
    sample = sample_of(scores, group=names if wordings > 1 else None)
    st.markdown("above")
    spec = TailSpec.build(fit=fit, largest=largest)
    backtest_view(f"{groups} {wordings}", "a file", sample, spec, ON_FILE)
    st.markdown("below")


def grouped() -> TailSample:
    scores, names = grouped_scores(25, 4)
    return sample_of(scores, group=names)


def opened(groups: int = 25, wordings: int = 4, splits: int = FEW, **session: object) -> AppTest:
    app = AppTest.from_function(
        script,
        kwargs={"groups": groups, "wordings": wordings, "fit": "gumbel", "largest": None},
        default_timeout=60,
    )
    app.session_state["tails.kept"] = {"trial_fits": KINDS, "trial_splits": splits, **session}
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.error]
    return "\n".join(
        [str(part.value) for part in parts] + [html.proto.body for html in app.get("html")]
    )


def begin(app: AppTest, *, wait: bool = True) -> AppTest:
    app.button(key="tails.trial.begin").click().run()
    assert not app.exception
    if wait:
        plan = app.session_state[tails_backtest.PLAN]
        task = backtest_tasks().get(plan.name)
        assert task is not None
        task.wait(60)
        app.run()
        assert not app.exception
    return app


def keys(app: AppTest) -> set[str | None]:
    return {one.key for one in app.button}


def expected(by_group: bool) -> dict[str, Backtest]:
    spec = TailSpec.build(fit="gumbel", bootstraps=REFITS, noise_corrected=False)
    kinds = {name: predictor_of(spec.model_copy(update={"fit": name})) for name in KINDS}
    return backtest(grouped(), kinds, FEW, by_group=by_group)


@pytest.mark.study
def test_what_is_shown_is_what_the_backtest_scores() -> None:
    app = opened()
    assert app.session_state["tails.kept"]["trial_fits"] == KINDS
    begin(app)
    shown = app.dataframe[0].value
    assert len(shown) == 4
    for by_group, way in ((True, BY_GROUP), (False, NAIVE)):
        for name, label in (("gumbel", "Gumbel line"), ("empirical", "Largest seen so far")):
            scores = expected(by_group)[name].scores()
            row = shown[(shown["Forecast"] == label) & (shown["Split"] == SHORT[way])].iloc[0]
            factor = float(row["Average miss (factor)"].removesuffix("×"))
            assert factor == pytest.approx(10 ** scores["mean_absolute_log_error"], rel=0.05)
            for column, share in (
                ("Within a factor of 10", scores["within_a_decade"]),
                ("Too low", scores["underestimates"]),
                ("95% range held it", scores["coverage"]),
            ):
                assert float(row[column].removesuffix("%")) / 100 == pytest.approx(share, abs=0.005)
            assert row["Brier score"] == pytest.approx(scores["brier"])
    scores = expected(True)["gumbel"].scores()
    said = words(app)
    assert f"in {scores['within_a_decade']:.0%} of trials" in said
    assert f"In {FEW} trials it was too low in {scores['underestimates']:.0%}" in said
    assert "Trust the other" in said
    assert "0.25 is what guessing 50% gets" in said
    assert "tails.trial.begin" not in keys(app)
    assert "tails.trial.cancel" not in keys(app)


def test_without_wordings_it_runs_once_and_says_so() -> None:
    app = begin(opened(groups=70, wordings=1))
    shown = app.dataframe[0].value
    assert list(shown["Forecast"]) == ["Gumbel line", "Largest seen so far"]
    assert "Split" not in shown.columns
    assert "tested once" in words(app)
    assert "Wordings of one question stay together" not in words(app)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds the test after its third split until it is told to go on."""
    go_on = threading.Event()

    def held(sample: TailSample, spec: BacktestSpec) -> Steps[BacktestState | None, BacktestState]:
        last = None
        for progress in run_backtest(sample, spec):
            last = progress.partial
            yield progress
            if progress.done == 3:
                go_on.wait(20)
        assert last is not None
        return last

    monkeypatch.setattr(backtest_task, "run_backtest", held)
    yield go_on
    go_on.set()


def until_held(app: AppTest) -> AppTest:
    task = backtest_tasks().get(app.session_state[tails_backtest.PLAN].name)
    assert task is not None
    for _ in range(200):
        if task.snapshot().progress.done == 3:
            return app.run()
        task.wait(0.05)
    raise AssertionError("never came to the third split")


def test_cancelled_it_keeps_what_it_has_and_the_page(slow: threading.Event) -> None:
    app = until_held(begin(opened(), wait=False))
    assert "tails.trial.begin" not in keys(app)
    # Of three trials a share says nothing yet.
    assert "trials it was" not in words(app)
    assert "from 30 trials on" in words(app)
    app.button(key="tails.trial.cancel").click().run()
    slow.set()
    task = backtest_tasks().get(app.session_state[tails_backtest.PLAN].name)
    assert task is not None
    end = task.wait(20)
    app.run()
    assert not app.exception
    assert end.status == "cancelled"
    assert 0 < end.progress.done < FEW
    said = words(app)
    assert "above" in said
    assert "below" in said
    assert len(app.dataframe) == 1
    # It can be begun anew.
    assert "tails.trial.begin" in keys(app)
    assert "tails.trial.cancel" not in keys(app)


def test_another_choice_leaves_the_test_at_work_in_sight(slow: threading.Event) -> None:
    app = until_held(begin(opened(), wait=False))
    app.segmented_control(key="tails.trial_splits").set_value(MORE).run()
    assert not app.exception
    assert "The choices have changed since" in words(app)
    assert "tails.trial.cancel" in keys(app)
    slow.set()


@pytest.mark.slow
def test_what_was_tested_is_kept() -> None:
    app = begin(opened())
    app.segmented_control(key="tails.trial_splits").set_value(MORE).run()
    assert "tails.trial.begin" in keys(app)
    assert "The choices have changed since" in words(app)
    # Another session asks for the same, and has it at once.
    other = opened()
    assert f"In {FEW} trials it was" in words(other)
    assert "tails.trial.begin" not in keys(other)


@pytest.mark.slow
def test_of_another_sample_nothing_is_shown() -> None:
    begin(opened())
    other = opened(groups=30)
    assert "trials it was" not in words(other)
    assert "tails.trial.begin" in keys(other)


def test_too_few_groups_is_one_sentence() -> None:
    app = opened(groups=3, wordings=24)
    assert "needs 4 groups or more, got 3" in words(app)
    assert "tails.trial.begin" not in keys(app)
    assert "below" in words(app)


def test_a_small_audit_is_one_sentence_and_no_button() -> None:
    app = opened(groups=30, wordings=1)
    assert "fits on 30% of the queries and needs 67 or more, got 30; give more rows" in words(app)
    assert "tails.trial.begin" not in keys(app)
    assert not app.error
    assert "below" in words(app)


def test_nothing_chosen_is_said() -> None:
    app = opened()
    app.pills(key="tails.trial_fits").set_value([]).run()
    assert not app.exception
    assert "Choose at least one kind" in words(app)
    assert app.button(key="tails.trial.begin").disabled


def test_pictures_by_hand() -> None:
    rows = scatter_rows(found())
    assert rows["forecast"].to_numpy() == pytest.approx([1000, 200, 900_000])
    assert rows["came"].to_numpy() == pytest.approx([1000, 10_000, 500_000])
    assert list(rows["held"]) == ["in its range", "outside its range", "in its range"]
    assert within_ten(scatter(found()))
    chances = reliability_rows(found())
    assert chances["count"].sum() == 3
    assert isinstance(chances, pd.DataFrame)


def within_ten(chart: dict[str, Any]) -> bool:
    """Whether the band drawn is ten times and a tenth of x everywhere, cut at the axis' ends alone."""
    band, scale = chart["datasets"]["band"], chart["encoding"]["x"]["scale"]
    low, high = scale["domain"]
    drawn = chart["layer"][0]["encoding"]
    assert drawn["y"]["scale"] == scale
    ends = [drawn["y"]["field"], drawn["y2"]["field"]]
    # A browser joins the rows by lines that are straight on log axes.
    at = np.geomspace(low, high, 301)
    less, more = (
        np.exp(np.interp(np.log(at), np.log(band["forecast"]), np.log(band[end]))) for end in ends
    )
    assert less == pytest.approx(np.maximum(at / 10, low))
    assert more == pytest.approx(np.minimum(at * 10, high))
    return True


def test_the_band_of_forecasts_near_each_other_fills_the_picture() -> None:
    near = replace(found(), worst=np.full(3, 1e-3), median=np.array([9e-4, 1e-3, 1.1e-3]))
    assert within_ten(scatter(near))


def test_the_headline_by_hand() -> None:
    big, small = headline(found())
    assert big == "The forecast of the worst query was within a factor of 10 in 67% of trials"
    assert small.startswith("In 3 trials it was too low in 33%")
    assert "held the worst query in 67%" in small
    assert headline(found(), "Log-normal")[0].startswith("Log-normal: the forecast of")


@pytest.mark.parametrize(
    ("low", "of", "share"),
    [(1, 300, "0.33%"), (299, 300, "99.7%"), (0, 300, "0%"), (300, 300, "100%"), (1, 1000, "0.1%")],
)
def test_a_share_is_all_or_nothing_only_if_it_is(low: int, of: int, share: str) -> None:
    spec = BacktestSpec.build(fits=("gumbel",), splits=max(of, 2))
    table = shown_table(BacktestState(spec, of, {"gumbel": many(low, of)}, None))
    assert table["Too low"][0] == share
    assert table["Within a factor of 10"][0] == "100%"


def test_a_miss_is_told_as_a_factor() -> None:
    assert [factor(one) for one in (0.0, 0.01, 0.26, 1.0, 3.7)] == [
        *("1.00×", "1.02×", "1.8×", "10×", "5,000×")
    ]


def test_a_leaning_forecast_is_said_to_lean() -> None:
    below, above = leaning(many(40, 250))
    assert not below
    assert "leans high: the worst was below the forecast in 84% of trials" in above
    assert "safe side" in above
    below, above = leaning(many(210, 250))
    assert not above
    assert "leans low: the worst was above the forecast in 84% of trials" in below
    assert "unsafe side" in below
    assert leaning(many(120, 250)) == ("", "")


def test_a_baseline_that_came_nearer_is_named() -> None:
    spec = BacktestSpec.build(fits=("gumbel", "lognormal", "empirical"), splits=40)
    found = {"gumbel": many(5, 40), "lognormal": many(5, 40, 3.0), "empirical": many(5, 40, 1.5)}
    assert nearer_baselines(BacktestState(spec, 40, found, None), "gumbel") == (
        "“Largest seen so far” (1.5×) came nearer on average than “Gumbel line” (2.0×)."
    )
    found["empirical"] = many(5, 40, 2.5)
    assert nearer_baselines(BacktestState(spec, 40, found, None), "gumbel") == ""


@pytest.mark.parametrize(("low", "said", "warns"), [(38, "unsafe side", 1), (2, "safe side", 0)])
def test_the_page_says_how_it_leans(low: int, said: str, warns: int) -> None:
    app = AppTest.from_function(leaning_trial, kwargs={"low": low}).run()
    assert not app.exception
    assert len(app.warning) == warns
    shown = app.warning[0].value if warns else words(app)
    assert said in shown
    assert "came nearer" not in words(app)


def leaning_trial(low: int) -> None:
    from core.tails.backtest_task import BacktestSpec, BacktestState
    from pages.tails.backtest_result import result_view
    from tests.tails.backtest_by_hand import many

    spec = BacktestSpec.build(fits=("gumbel",), splits=40)
    result_view(BacktestState(spec, 40, {"gumbel": many(low, 40)}, None))


def test_a_fit_without_any_result_has_no_row() -> None:
    spec = BacktestSpec.build(fits=("gumbel", "gev"), splits=4)
    table = score_table(BacktestState(spec, 4, {"gumbel": found()}, {"gumbel": found()}))
    assert list(table["Forecast"]) == ["Gumbel line"] * 2


def test_the_headlines_fit_is_the_same_all_along() -> None:
    tail = TailSpec.build(fit="gev")
    spec = BacktestSpec.build(fits=("gumbel", "gev"), splits=40, tail=tail)
    early = BacktestState(spec, 31, {"gumbel": found()}, None)
    late = BacktestState(spec, 40, {"gumbel": found(), "gev": found()}, None)
    assert main_fit(early) == main_fit(late) == "gev"
    other = BacktestSpec.build(fits=("gumbel", "lognormal"), splits=40, tail=tail)
    assert main_fit(BacktestState(other, 31, {"lognormal": found()}, None)) == "gumbel"


def shown_trial(done: int, naive: bool) -> None:
    from core.tails.backtest_task import BacktestSpec, BacktestState
    from core.tails.spec import TailSpec
    from pages.tails.backtest_result import result_view
    from tests.tails.backtest_by_hand import found

    spec = BacktestSpec.build(fits=("gumbel", "gev"), splits=40, tail=TailSpec.build(fit="gev"))
    mixed = {"gev": found()} if naive else None
    result_view(BacktestState(spec, done, {"gumbel": found()}, mixed))


def viewed(done: int, *, naive: bool = False) -> str:
    app = AppTest.from_function(shown_trial, kwargs={"done": done, "naive": naive}).run()
    assert not app.exception
    return words(app)


def test_a_fit_without_any_result_says_so() -> None:
    said = viewed(31)
    assert (
        "**Block maxima: no fit could be made from so few queries in any of 31 trials so far.**"
        in (said)
    )
    assert "Block maxima: no fit could be made from so few queries in any of 31 trials so far." in (
        said.splitlines()
    )
    assert "Block maxima: no fit could be made from so few queries in any of 40 trials." in (
        viewed(40).splitlines()
    )
    assert "with wordings kept together: no fit could be made" in viewed(31, naive=True)
    assert "from 30 trials on" in viewed(29)
    assert "**Block maxima" not in viewed(29)
