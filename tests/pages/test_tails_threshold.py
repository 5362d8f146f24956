"""Where the tail starts: the slider, what follows it, and what is said of each fit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from core.tails.analysis import fit_tail
from core.tails.automatic_threshold import RATE
from core.tails.maximum import corrected_forecasts
from core.tails.picture import survival_points
from core.tails.quantile_plot import QuantilePlot
from core.tails.sample import TailSample, to_risk
from core.tails.spec import FIT_NAMES, TailSpec
from core.tails.thresholds import threshold_table, why_chosen
from core.tails.words import risk_text
from pages.tails import fit_quality, threshold_charts
from pages.tails import fits as fits_page
from pages.tails.fit_quality import outside_words
from pages.tails.fits import FitForecast, fits_rows, forecast_of
from pages.tails.fits_charts import BASELINES, survival_of_fits
from pages.tails.state import fits, key_of
from pages.tails.threshold import LARGEST, SLIDER
from pages.tails.wording import NO_FIT, ON_AUDIT, ON_FILE, TOO_FAR
from tests.tails.samples import gumbel_scores, sample_of
from tests.tails.test_bootstrap import grouped_scores

PLOTS = ("average excess", "fitted shape", "p-values")


def script(fit: str, count: int, estimator: str = "posterior", confidence: float = 0.95) -> None:
    import streamlit as st

    from core.tails.spec import TailSpec
    from pages.tails.fits import fits_view
    from pages.tails.state import fits, key_of
    from pages.tails.threshold import threshold_view
    from pages.tails.wording import ON_AUDIT
    from tests.tails.samples import gumbel_scores, read_of, sample_of

    sample = sample_of(gumbel_scores(count))
    key = key_of(sample)
    chosen = st.session_state.get("tails.largest") if fit in ("pot", "gumbel") else None
    spec = TailSpec.build(
        fit=fit, largest=chosen, bootstraps=60, estimator=estimator, confidence=confidence
    )
    table = fits().table(key, sample, spec)
    threshold_view(key, sample, table, fits().fitted(key, sample, spec, table))
    fits_view(key, read_of(sample), spec, 500.0, ON_AUDIT)


def opened(fit: str = "pot", count: int = 120, **session: object) -> AppTest:
    app = AppTest.from_function(script, kwargs={"fit": fit, "count": count}, default_timeout=60)
    for name, value in session.items():
        app.session_state[name.replace("__", ".")] = value
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(str(part.value) for part in (*app.markdown, *app.caption))


def data(app: AppTest, plot: str, name: str) -> pd.DataFrame:
    """Returns a data set of the chart that is described so, as the browser gets it."""
    for chart in app.get("vega_lite_chart"):
        if plot in chart.proto.alt:
            found = {one.name: one.data.data for one in chart.proto.datasets}
            table: pd.DataFrame = pa.ipc.open_stream(found[name]).read_pandas()
            return table
    raise AssertionError(f"no chart {plot}")


def rules(app: AppTest, plot: str) -> dict[str, float]:
    table = data(app, plot, "starts")
    return dict(zip(table["which"], table["start"], strict=True))


def test_the_slider_moves_every_rule_and_automatic_takes_it_back() -> None:
    app = opened()
    sample = sample_of(gumbel_scores(120))
    table = threshold_table(sample)
    automatic = float(table.risk[table.chosen]) * 1e6
    for plot in PLOTS:
        assert rules(app, plot) == pytest.approx({"automatic": automatic, "in use": automatic})
    assert app.button(key="tails.threshold.automatic").disabled
    assert "Automatic: the lowest threshold" in words(app)

    place = 12
    count = int(table.exceedances[place])
    app.select_slider(key=SLIDER).set_value(count).run()
    assert not app.exception
    assert app.session_state[LARGEST] == count
    chosen = float(table.risk[place]) * 1e6
    for plot in PLOTS:
        assert rules(app, plot) == pytest.approx({"automatic": automatic, "in use": chosen})
    assert f"{count:,} queries. Nothing speaks against the fit" in words(app)
    assert f"p = {table.p_value[place]:.2g}" in words(app)

    app.button(key="tails.threshold.automatic").click().run()
    assert app.session_state[LARGEST] is None
    assert app.select_slider(key=SLIDER).value == int(table.exceedances[table.chosen])
    assert rules(app, "fitted shape")["in use"] == pytest.approx(automatic)


def test_back_at_the_automatic_start_it_is_automatic() -> None:
    app = opened(tails__largest=20)
    table = threshold_table(sample_of(gumbel_scores(120)))
    usual = int(table.exceedances[table.chosen])
    app.select_slider(key=SLIDER).set_value(usual).run()
    assert app.session_state[LARGEST] is None


def test_the_charts_stay_as_they_are_while_the_slider_moves() -> None:
    """Another spec would draw the chart anew, and lose what was looked at."""
    app = opened()

    def specs() -> list[str]:
        return [chart.proto.spec for chart in app.get("vega_lite_chart")]

    before = specs()
    count = int(threshold_table(sample_of(gumbel_scores(120))).exceedances[5])
    app.select_slider(key=SLIDER).set_value(count).run()
    assert app.session_state[LARGEST] == count
    assert specs() == before
    assert len(before) == 3


def test_options_say_risk_and_count_from_most_to_fewest() -> None:
    options = opened().select_slider(key=SLIDER).options
    counts = [int(one.split("· ")[1].split(" ")[0]) for one in options]
    assert counts == sorted(counts, reverse=True)
    # 1.4 m^(2/3) of 120 queries at most are a tail.
    assert counts[0] == 34
    assert all("per million ·" in one or "% ·" in one for one in options)


def test_the_second_plot_can_show_the_scale() -> None:
    app = opened()
    app.segmented_control(key="tails.threshold.parameter").set_value("scale").run()
    assert not app.exception
    table = threshold_table(sample_of(gumbel_scores(120)))
    shown = data(app, "fitted scale", "thresholds")
    assert shown["value"].to_numpy() == pytest.approx(table.scale)
    assert rules(app, "fitted scale")["in use"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fit", "said"),
    [
        ("gumbel", "the line goes through the 10 riskiest"),
        ("gev", "the worst of each block"),
        ("lognormal", "goes through every query"),
        ("empirical", "the queries seen are all there is"),
    ],
)
def test_each_fit_says_what_its_start_is(fit: str, said: str) -> None:
    app = opened(fit, tails__fitness__open=True)
    assert said in words(app)
    assert bool(app.select_slider) == (fit == "gumbel")
    assert bool(app.dataframe)


def test_the_line_goes_through_as_many_as_are_chosen() -> None:
    app = opened("gumbel")
    app.select_slider(key=SLIDER).set_value(60).run()
    assert not app.exception
    assert app.session_state[LARGEST] == 60
    assert "60 queries" in words(app)
    start = np.sort(gumbel_scores(120))[-60]
    assert rules(app, "p-values")["in use"] == pytest.approx(float(to_risk(start)) * 1e6)


def test_too_few_to_compare_starts() -> None:
    app = opened(count=20)
    assert not app.select_slider
    assert "too few different queries to compare starts" in words(app)


def test_rejected_starts_are_crossed() -> None:
    """Two clusters: low starts take both, and no generalised Pareto tail has a gap."""
    generator = np.random.default_rng(0)
    scores = np.concatenate([generator.normal(-2.5, 0.02, 100), generator.normal(-1, 0.3, 40)])
    table = threshold_table(sample_of(scores))
    rows = threshold_charts.p_value_rows(table)
    last = np.flatnonzero(table.forward_stop <= RATE)[-1]
    crossed = rows[rows["rejected"]]
    assert set(crossed["test"]) == {threshold_charts.ANDERSON}
    assert crossed["start"].max() == pytest.approx(table.risk[last] * 1e6)
    assert len(crossed) == last + 1
    assert len(rows) == 2 * len(table.risk)


def test_why_has_risks_as_the_page_has_them() -> None:
    scores, names = grouped_scores(30, 5)
    table = threshold_table(sample_of(scores, group=names))
    why = why_chosen(table, risk_text)
    assert "e-0" not in why
    assert "per million" in why or "%" in why


def test_how_well_it_fits_in_words_and_intervals() -> None:
    app = opened(tails__fitness__open=True)
    assert "The tests find nothing against this tail" in words(app)
    table = next(one.value for one in app.dataframe if "Parameter" in one.value.columns)
    assert list(table["Parameter"]) == ["Shape", "Scale", "Rate"]
    assert "From the posterior" in table.columns
    assert " to " in table["Profile likelihood"][0]
    points = data(app, "expected by the fit", "points")
    assert (points["low"] <= points["high"]).all()


def chosen_otherwise(**choices: object) -> AppTest:
    app = AppTest.from_function(
        script, kwargs={"fit": "pot", "count": 120, **choices}, default_timeout=60
    )
    app.session_state["tails.fitness.open"] = app.session_state["tails.fits.open"] = True
    app.run()
    assert not app.exception
    return app


@pytest.mark.slow
def test_bands_are_told_with_the_confidence_that_was_chosen() -> None:
    app = chosen_otherwise(confidence=0.8)
    alts = " ".join(chart.proto.alt for chart in app.get("vega_lite_chart"))
    assert "Bands: 80%." in words(app)
    assert "with a band of 80%" in words(app)
    assert "95%" not in words(app) + alts
    assert alts.count("a 80% band") == 3
    assert "80% range" in app.table[0].value.columns
    assert "95%" not in "".join(chart.proto.spec for chart in app.get("vega_lite_chart"))


@pytest.mark.slow
def test_the_picture_of_the_shape_says_how_it_was_found_where_the_fit_does_otherwise() -> None:
    said = {name: words(chosen_otherwise(estimator=name)) for name in ("posterior", "pwm", "ml")}
    assert "the fit in use finds it with prior knowledge" in said["posterior"]
    assert "the fit in use finds it by weighted moments" in said["pwm"]
    assert "Found by maximum likelihood" not in said["ml"]


def test_points_outside_the_band_do_not_speak_against_the_tests() -> None:
    at = np.linspace(0.1, 0.2, 19)
    plot = QuantilePlot(at, at, at, at, 0.95)
    assert outside_words(plot) == "None of 19 lies outside it."
    four = replace(plot, high=np.where(np.arange(19) < 15, at, at / 2))
    assert outside_words(four).startswith("4 of 19 lie outside it; 5% would by chance.")
    assert "each point by itself" in outside_words(four)


def test_a_poor_fit_is_said_so() -> None:
    generator = np.random.default_rng(0)
    scores = np.concatenate([generator.normal(-2.5, 0.02, 100), generator.normal(-1, 0.02, 40)])
    fitted = fit_tail(sample_of(scores), TailSpec.build(largest=70, bootstraps=50))
    assert "does not describe these queries" in fit_quality.fit_quality_words(fitted)


def shown(sample: TailSample, spec: TailSpec, name: str, n: float) -> FitForecast:
    return forecast_of(key_of(sample), sample, spec, name, n, ON_AUDIT)


def test_other_fits_are_made_only_when_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(fits_page, "forecast_of", lambda *given: made.append(given[3]))
    opened()
    assert made == []


@pytest.mark.slow
def test_all_fits_side_by_side() -> None:
    app = opened(tails__fits__open=True)
    rows = data(app, "six kinds of tail", "fits")
    sample = sample_of(gumbel_scores(120))
    for place, name in enumerate(FIT_NAMES):
        spec = TailSpec.build(fit=name, bootstraps=60)
        told, _ = corrected_forecasts(fit_tail(sample, spec), [500.0])
        if np.isfinite(told.median[0]):
            assert rows["median"][place] == pytest.approx(told.median[0] * 1e6)
            assert rows["high"][place] == pytest.approx(told.high[0] * 1e6)
        assert (rows["kind"][place] == "in use") == (name == "pot")
        assert (rows["kind"][place] == "baseline") == (name in BASELINES)
    assert len(app.table) == 1


def test_a_start_chosen_by_hand_is_of_the_fit_in_use_alone() -> None:
    sample = sample_of(gumbel_scores(120))
    spec = TailSpec.build(fit="pot", largest=30, bootstraps=60)
    mine, usual = (
        shown(sample, spec, "pot", 500.0),
        corrected_forecasts(fit_tail(sample, spec), [500.0]),
    )
    assert mine.median == pytest.approx(usual[0].median[0])
    line = TailSpec.build(fit="gumbel", bootstraps=60)
    assert shown(sample, spec, "gumbel", 500.0).median == pytest.approx(
        corrected_forecasts(fit_tail(sample, line), [500.0])[0].median[0]
    )


def test_a_fit_that_is_refused_says_why() -> None:
    sample = sample_of(gumbel_scores(120))
    found = [
        shown(sample, TailSpec.build(bootstraps=60), name, 1e9) for name in ("pot", "lognormal")
    ]
    rows = fits_rows(found)
    assert rows["median"].isna().all()
    assert list(rows["label"]) == [TOO_FAR] * 2
    assert "supports" in found[0].why
    assert fits().table(key_of(sample), sample, TailSpec()) is not None


def test_specs_are_json() -> None:
    table = threshold_table(sample_of(gumbel_scores(60)), simulations=19)
    for chart in (
        threshold_charts.mean_excess(table, 1e-3, None),
        threshold_charts.stability(table, "shape", 1e-3, 2e-3),
        threshold_charts.p_values(table, 1e-3, 2e-3),
    ):
        json.dumps({name: part for name, part in chart.items() if name != "datasets"})
        assert len(chart["datasets"]["starts"]) in (1, 2)


def test_labels_of_a_log_axis_are_evenly_apart() -> None:
    axis = threshold_charts.log_axis
    assert axis(1410, 32_000)["values"] == [2000, 5000, 10_000, 20_000]
    assert axis(40, 6000)["values"] == [100, 1000]
    assert "values" not in axis(2100, 2400)
    assert "values" not in axis(float("nan"), float("nan"))


def test_a_fit_that_fails_says_what_to_do_with_a_file() -> None:
    sample = sample_of(gumbel_scores(8 * 5), group=[f"g{n % 5}" for n in range(40)])
    why = forecast_of(key_of(sample), sample, TailSpec(bootstraps=60), "gev", 50.0, ON_FILE)
    assert (why.median, why.label) == (None, NO_FIT)
    assert why.why.endswith("got 5; take peaks over a threshold")


@pytest.mark.slow
def test_the_curves_of_all_fits_are_what_is_pointed_at() -> None:
    sample = sample_of(gumbel_scores(120))
    app = opened(tails__fits__open=True)
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    traces = {trace["name"]: trace for trace in figure["data"] if "name" in trace}
    assert list(traces)[-1] == "Peaks over a threshold (in use)"
    assert len(traces) == 7
    forecast = shown(sample, TailSpec.build(bootstraps=60), "pot", 500.0)
    assert forecast.curve is not None
    drawn = traces["Peaks over a threshold (in use)"]
    assert drawn["customdata"][0][0] == risk_text(float(forecast.curve["risk"].iloc[0]))
    assert len(traces["Queries estimated"]["customdata"]) == 120


def test_a_querys_signs_are_shown_as_they_are() -> None:
    sample = sample_of(gumbel_scores(30))
    points = survival_points(sample).assign(query="<b>x</b> &amp; " + "long " * 60)
    figure = survival_of_fits(points, [], theme="dark", ink="#fff")
    text = figure.data[0].customdata[0][0]
    assert text.startswith("&lt;b&gt;x&lt;/b&gt; &amp;amp;")
    assert text.count("<br>") == 2
