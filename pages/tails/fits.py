"""Other ways to draw the tail: the six fits side by side, at one horizon and over all risks."""

import math
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.charts.style import INK
from core.errors import SpecError
from core.tails.picture import survival_points
from core.tails.reading import ReadSample
from core.tails.remarks import Vocabulary
from core.tails.sample import TailSample
from core.tails.spec import FIT_NAMES, TailSpec
from core.tails.words import risk_range, risk_text
from pages.shared.frame import plain, sentence
from pages.tails.fits_charts import FitCurve, fits_chart, survival_of_fits
from pages.tails.state import fits
from pages.tails.wording import FIT_HELP, NO_FIT, SHORT_FITS, TOO_FAR, error_words

OPEN = "tails.fits.open"


@dataclass(frozen=True)
class FitForecast:
    """The forecast of one fit. median, low, high: risks of the worst of n, None where it has none.

    curve: the fitted survival, None where there is no fit. label: in the chart, in the place of a forecast;
    why: the reason in a sentence.
    """

    name: str
    in_use: bool
    median: float | None = None
    low: float | None = None
    high: float | None = None
    curve: pd.DataFrame | None = None
    label: str = ""
    why: str = ""


def fits_view(
    key: str, read: ReadSample, spec: TailSpec, horizon: float, vocabulary: Vocabulary
) -> None:
    """Draws the expander; the fits are made only while it is open.

    key: of the sample's content. spec: the chosen fit.
    """
    folded = st.expander(
        "Other ways to draw the tail",
        icon=":material/stacked_line_chart:",
        key=OPEN,
        on_change="rerun",
    )
    if not folded.open:
        return
    with folded:
        with st.spinner("Drawing the tail in five ways…"):
            forecasts = [
                forecast_of(key, read.sample, spec, name, horizon, vocabulary) for name in FIT_NAMES
            ]
        _at_horizon(forecasts, horizon, spec.confidence)
        _over_risks(forecasts, read, spec.confidence)


def _at_horizon(forecasts: list[FitForecast], horizon: float, confidence: float) -> None:
    st.markdown(f"The risk of the riskiest of **{horizon:,.0f}** questions")
    st.vega_lite_chart(
        fits_chart(fits_rows(forecasts), INK[st.context.theme.type or "light"]),
        key="tails.fits.chart",
        width="stretch",
        alt=f"The worst of {horizon:,.0f} queries as six kinds of tail forecast it, with "
        f"{confidence:.0%} ranges",
    )
    st.caption(
        "Orange: the fit in use. Grey: forecasts without extreme-value theory, a bell curve through all "
        "queries or the largest seen so far. Where fits differ, nobody knows how the tail goes on."
    )
    for forecast in forecasts:
        if forecast.why:
            st.caption(plain(sentence(f"{SHORT_FITS[forecast.name]}: {forecast.why}")))
    st.table(fits_table(forecasts, confidence), border="horizontal", hide_index=True)


def _over_risks(forecasts: list[FitForecast], read: ReadSample, confidence: float) -> None:
    curves = [
        FitCurve(forecast.name, SHORT_FITS[forecast.name], forecast.in_use, forecast.curve)
        for forecast in forecasts
        if forecast.curve is not None and forecast.curve["share"].notna().any()
    ]
    points = survival_points(read.sample)
    points = points.assign(query=[read.queries[row] for row in points["row"]])
    theme = st.context.theme.type or "light"
    st.markdown("How many questions are how risky, by each fit")
    st.plotly_chart(
        survival_of_fits(points, curves, theme=theme, ink=INK[theme]),
        key="tails.fits.survival",
        alt="Share of questions above a risk against the risk: those estimated, and five fitted tails",
        config={"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]},
    )
    st.caption(
        f"Dots: the queries estimated. Orange: the fit in use, with its {confidence:.0%} range. Point at a "
        "line for its numbers, drag to zoom in, click twice to zoom out; a click in the legend hides a fit."
    )


def forecast_of(
    key: str,
    sample: TailSample,
    spec: TailSpec,
    name: str,
    horizon: float,
    vocabulary: Vocabulary,
) -> FitForecast:
    """Returns the forecast of a fit; the one in use has its own start, the others their defaults."""
    in_use = name == spec.fit
    usual = {"fit": name, "estimator": "posterior", "largest": None, "threshold": None}
    mine = spec if in_use else spec.model_copy(update=usual)
    try:
        table = fits().table(key, sample, spec) if name == "pot" else None
        fitted = fits().fitted(key, sample, mine, table)
        forecast, _ = fits().forecasts(key, fitted, horizon)
    except SpecError as error:
        return FitForecast(name, in_use, label=NO_FIT, why=error_words(error, vocabulary))
    curve = fits().curve(key, fitted, horizon)
    if math.isfinite(float(forecast.median[0])):
        median, low, high = (
            float(risk[0]) for risk in (forecast.median, forecast.low, forecast.high)
        )
        return FitForecast(name, in_use, median, low, high, curve)
    if forecast.supported < 1:
        too_wide = "its range is too wide to say anything"
        return FitForecast(name, in_use, curve=curve, label=NO_FIT, why=too_wide)
    why = f"{TOO_FAR}; it supports {forecast.supported:,.0f} queries at most"
    return FitForecast(name, in_use, curve=curve, label=TOO_FAR, why=why)


def fits_rows(forecasts: list[FitForecast]) -> pd.DataFrame:
    """Returns the rows of the chart, in order: risks, missing where there is no forecast."""
    return pd.DataFrame(
        {
            "name": forecast.name,
            "fit": SHORT_FITS[forecast.name],
            "in_use": forecast.in_use,
            "median": forecast.median,
            "low": forecast.low,
            "high": forecast.high,
            "worst": _median(forecast),
            "range": _range(forecast),
            "label": forecast.label,
        }
        for forecast in forecasts
    ).astype({"median": float, "low": float, "high": float})


def fits_table(forecasts: list[FitForecast], confidence: float) -> pd.DataFrame:
    """Returns the same as a table. confidence: of the ranges."""
    return pd.DataFrame(
        {
            "Fit": SHORT_FITS[forecast.name] + (" (in use)" if forecast.in_use else ""),
            "Worst query": _median(forecast),
            f"{confidence:.0%} range": _range(forecast),
            "What it is": FIT_HELP[forecast.name],
        }
        for forecast in forecasts
    )


def _median(forecast: FitForecast) -> str:
    return "none" if forecast.median is None else risk_text(forecast.median)


def _range(forecast: FitForecast) -> str:
    low, high = forecast.low, forecast.high
    if low is None or high is None:
        return ""
    # The largest seen so far has no range.
    same = risk_text(low) == risk_text(high)
    return risk_text(low) if same else risk_range(low, high)
