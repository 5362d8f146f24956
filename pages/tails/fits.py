"""Other ways to draw the tail: the five fits side by side at one horizon."""

import math
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.errors import SpecError
from core.tails.sample import TailSample
from core.tails.spec import FIT_NAMES, TailSpec
from pages.shared.charts import INK, MILLION, NEUTRAL, Chart
from pages.shared.frame import plain, sentence
from pages.tails.state import fits
from pages.tails.threshold_charts import ACCENT, log_axis, titled
from pages.tails.wording import FIT_HELP, FITS, for_page, risk_range, risk_text

OPEN = "tails.fits.open"
BASELINES = ("lognormal", "empirical")
TOO_FAR = "no forecast that far"
NO_FIT = "no fit"


@dataclass(frozen=True)
class Drawn:
    """What one fit says of the worst of n. median, low, high: risks; None: it says nothing, for `why`."""

    name: str
    median: float | None
    low: float | None
    high: float | None
    chosen: bool
    why: str = ""


def fits_view(key: str, sample: TailSample, spec: TailSpec, horizon: float) -> None:
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
            found = [drawn(key, sample, spec, name, horizon) for name in FIT_NAMES]
        st.markdown(f"The risk of the riskiest of **{horizon:,.0f}** questions")
        level = f"{spec.confidence:.0%}"
        ink = INK[st.context.theme.type or "light"]
        st.vega_lite_chart(
            fits_chart(found, ink),
            key="tails.fits.chart",
            width="stretch",
            alt=f"The worst of {horizon:,.0f} queries as five kinds of tail forecast it, with {level} ranges",
        )
        st.caption(
            "Orange: the fit in use. Grey: what one would say without extreme-value theory, a bell curve "
            "through all queries or the largest seen so far. Where fits differ, nobody knows how the "
            "tail goes on."
        )
        for one in found:
            if one.why:
                st.caption(plain(sentence(f"{short(one.name)}: {for_page(one.why)}")))
        st.table(fits_table(found, spec.confidence), border="horizontal", hide_index=True)


def short(name: str) -> str:
    """Returns what a fit is called where room is short."""
    return FITS[name].partition(" (")[0]


def drawn(key: str, sample: TailSample, spec: TailSpec, name: str, horizon: float) -> Drawn:
    """Returns what a fit says; the one in use with its own start, the others as they come."""
    chosen = name == spec.fit
    usual = {"fit": name, "estimator": "posterior", "largest": None, "threshold": None}
    mine = spec if chosen else spec.model_copy(update=usual)
    try:
        table = fits().table(key, sample, spec.confidence) if name == "pot" else None
        told, _ = fits().told(key, fits().fitted(key, sample, mine, table), horizon)
    except SpecError as error:
        return Drawn(name, None, None, None, chosen, str(error))
    if not math.isfinite(float(told.median[0])):
        if told.supported < 1:
            return Drawn(name, None, None, None, chosen, "its range is too wide to say anything")
        why = f"{TOO_FAR}; it supports {told.supported:,.0f} queries at most"
        return Drawn(name, None, None, None, chosen, why)
    ends = (float(told.median[0]), float(told.low[0]), float(told.high[0]))
    return Drawn(name, *ends, chosen)


def fits_rows(found: list[Drawn]) -> pd.DataFrame:
    """Returns what the chart shows, in order: cases per million, missing where there is no forecast."""
    return pd.DataFrame(
        {
            "fit": short(one.name),
            "kind": "in use" if one.chosen else "baseline" if one.name in BASELINES else "other",
            "median": math.nan if one.median is None else one.median * MILLION,
            "low": math.nan if one.low is None else one.low * MILLION,
            "high": math.nan if one.high is None else one.high * MILLION,
            "worst": _median(one),
            "range": _range(one),
            "told": (TOO_FAR if TOO_FAR in one.why else NO_FIT) if one.median is None else "",
        }
        for one in found
    )


def fits_table(found: list[Drawn], confidence: float) -> pd.DataFrame:
    """Returns the same as a table. confidence: of the ranges."""
    return pd.DataFrame(
        {
            "Fit": short(one.name) + (" (in use)" if one.chosen else ""),
            "Worst query": _median(one),
            f"{confidence:.0%} range": _range(one),
            "What it is": FIT_HELP[one.name],
        }
        for one in found
    )


def _median(one: Drawn) -> str:
    return "none" if one.median is None else risk_text(one.median)


def _range(one: Drawn) -> str:
    if one.low is None or one.high is None:
        return ""
    # The largest seen so far has no doubt about it.
    same = risk_text(one.low) == risk_text(one.high)
    return risk_text(one.low) if same else risk_range(one.low, one.high)


def fits_chart(found: list[Drawn], ink: str = INK["light"]) -> Chart:
    """Returns the forest plot: median and interval of the worst of n, a row a fit."""
    rows = fits_rows(found)
    top = float(rows["high"].max())
    x = {
        "type": "quantitative",
        "title": titled("Harmful answers", top),
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": log_axis(float(rows["low"].min()), top),
    }
    color = {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": ["in use", "other", "baseline"], "range": [ACCENT, "#3987e5", NEUTRAL]},
        "legend": None,
    }
    tips = [
        {"field": "fit", "title": "Fit"},
        {"field": "worst", "title": "Worst query"},
        {"field": "range", "title": "Range"},
    ]
    known = [{"filter": "isValid(datum.median)"}]
    return {
        "data": {"name": "fits"},
        "datasets": {"fits": rows},
        "height": 48 * len(rows) + 60,
        "config": {"axis": {"labelColor": ink, "titleColor": ink}},
        "encoding": {
            "y": {
                "field": "fit",
                "type": "nominal",
                "sort": rows["fit"].tolist(),
                "title": None,
                "axis": {"labelFontSize": 14, "labelLimit": 220, "ticks": False, "domain": False},
            }
        },
        "layer": [
            {
                "transform": known,
                "mark": {"type": "rule", "strokeWidth": 3},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}, "color": color},
            },
            {
                "transform": known,
                "mark": {"type": "point", "filled": True, "size": 150, "opacity": 1},
                "encoding": {"x": {"field": "median", **x}, "color": color, "tooltip": tips},
            },
            {
                "transform": [{"filter": "!isValid(datum.median)"}],
                "mark": {"type": "text", "align": "left", "fontSize": 14, "color": ink, "dx": 8},
                "encoding": {"x": {"value": 0}, "text": {"field": "told"}},
            },
        ],
    }
