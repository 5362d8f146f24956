"""The six fits as figures: their forecasts in rows, and their survival curves.

The curves are a Plotly figure: drawn once, and explored by pointing and zooming. Nothing here estimates
anything.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.charts.style import INK, MILLION, NEUTRAL, Chart
from core.charts.tail import MOST_DECADES, decades, ends
from core.tails.words import level_text, risk_range, risk_text
from pages.tails.threshold_charts import ACCENT, log_axis, titled

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BASELINES = ("lognormal", "empirical")
# Of a fit that is not in use. The baselines are grey, as in the chart of the forecasts.
COLORS = {
    "pot": "#009e73",
    "gumbel": "#3987e5",
    "jones": "#8a63d2",
    "gev": "#cc79a7",
    "lognormal": NEUTRAL,
    "empirical": NEUTRAL,
}
DASHES = {"lognormal": "dash", "empirical": "dot"}
BAND = "rgba(213, 94, 0, 0.18)"
GRID_LINES = "rgba(132, 148, 164, 0.25)"
CURVES_HEIGHT = 460
QUERY_WIDTH = 60


@dataclass(frozen=True, eq=False)
class FitCurve:
    """A fit's survival. curve: `core.tails.picture.survival_curve`; title: the fit's name for a person."""

    name: str
    title: str
    in_use: bool
    curve: pd.DataFrame


def fits_chart(rows: pd.DataFrame, ink: str = INK["light"]) -> Chart:
    """Returns the forest plot: median and interval of the worst of n, a row a fit.

    rows: `fits_rows`, risks.
    """
    kinds = np.where(
        rows["in_use"], "in use", np.where(rows["name"].isin(BASELINES), "baseline", "other")
    )
    rows = rows.assign(kind=kinds)
    rows[["median", "low", "high"]] *= MILLION
    top = float(rows["high"].max())
    x = {
        "type": "quantitative",
        "title": titled("Harmful answers", top),
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": log_axis(float(rows["low"].min()), top),
    }
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
        "layer": _forest_layers(x, ink),
    }


def _forest_layers(x: Chart, ink: str) -> list[Chart]:
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
    return [
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
            "encoding": {"x": {"value": 0}, "text": {"field": "label"}},
        },
    ]


def survival_of_fits(
    points: pd.DataFrame, curves: list[FitCurve], *, theme: str, ink: str
) -> Figure:
    """Returns the share of questions at or above each risk: those estimated, and by each fit.

    points: `core.tails.picture.survival_points` with the query of each.
    """
    # Only an opened expander needs it, and the import takes a while.
    from plotly import graph_objects

    known = points[~points["zero"].astype(bool)]
    drawn = [fit.curve[fit.curve["share"] > 0] for fit in curves]
    floor = float(pd.concat([known["share"], *(curve["share"] for curve in drawn)]).min()) / 1.5
    floor = max(floor, 10.0**-MOST_DECADES)
    risks = pd.concat([known["risk"], *(curve["risk"] for curve in drawn)])
    left, right = ends(float(risks[risks > 0].min()), float(risks.max()), 1.0)
    figure = graph_objects.Figure()
    for fit, curve in zip(curves, drawn, strict=True):
        if fit.in_use:
            figure.add_trace(_band(curve, fit.title, floor))
    figure.add_trace(_queries(known, ink))
    # The fit in use last, above the others.
    for fit, curve in sorted(zip(curves, drawn, strict=True), key=lambda pair: pair[0].in_use):
        figure.add_trace(_line(fit, curve))
    figure.update_layout(
        height=CURVES_HEIGHT,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        hovermode="closest",
        # Above the picture it would lie under Plotly's buttons.
        legend={"orientation": "h", "y": -0.18, "yanchor": "top", "x": 0, "font": {"color": ink}},
        font={"color": ink, "size": 14},
        hoverlabel={"align": "left", **_hover_colors(theme)},
        xaxis=_log_axis("Risk of a question", left, right),
        yaxis=_log_axis("Share of questions at or above it", floor, 1.0),
    )
    return figure


def _band(curve: pd.DataFrame, title: str, floor: float) -> dict[str, Any]:
    """Returns the interval of a fit as a closed shape, shown and hidden with its line."""
    low = curve["low"].clip(lower=floor / 2)
    return {
        "type": "scatter",
        "x": [*curve["risk"], *curve["risk"][::-1]],
        "y": [*curve["high"], *low[::-1]],
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": BAND,
        "hoverinfo": "skip",
        "legendgroup": title,
        "showlegend": False,
    }


def _line(fit: FitCurve, curve: pd.DataFrame) -> dict[str, Any]:
    title = html.escape(fit.title) + (" (in use)" if fit.in_use else "")
    return {
        "type": "scatter",
        "x": list(curve["risk"]),
        "y": list(curve["share"]),
        "mode": "lines",
        "name": title,
        "legendgroup": fit.title,
        "line": {
            "color": ACCENT if fit.in_use else COLORS[fit.name],
            "width": 3.5 if fit.in_use else 2.2,
            "dash": "solid" if fit.in_use else DASHES.get(fit.name, "solid"),
        },
        "customdata": [
            [risk_text(risk), risk_text(share), risk_range(low, high)]
            for risk, share, low, high in curve[["risk", "share", "low", "high"]].itertuples(
                index=False
            )
        ],
        "hovertemplate": (
            f"<b>{title}</b><br>Risk level: %{{customdata[0]}}<br>Share above: %{{customdata[1]}}"
            "<br>Range: %{customdata[2]}<extra></extra>"
        ),
    }


def _queries(known: pd.DataFrame, ink: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": list(known["risk"]),
        "y": list(known["share"]),
        "mode": "markers",
        "name": "Queries estimated",
        "marker": {
            "color": ink,
            "size": 7,
            "opacity": 0.6,
            "symbol": ["circle-open" if doubtful else "circle" for doubtful in known["doubtful"]],
        },
        "customdata": [
            [_wrapped(query), risk_text(risk), risk_text(share)]
            for query, risk, share in known[["query", "risk", "share"]].itertuples(index=False)
        ],
        "hovertemplate": (
            "%{customdata[0]}<br>Risk: %{customdata[1]}<br>Share at or above: %{customdata[2]}"
            "<extra></extra>"
        ),
    }


def _wrapped(query: str) -> str:
    """Returns a query in lines, at most three, so that Plotly shows its signs as they are."""
    lines = textwrap.wrap(query, QUERY_WIDTH, max_lines=3, placeholder=" …")
    return "<br>".join(html.escape(line) for line in lines)


def _hover_colors(theme: str) -> dict[str, Any]:
    dark = theme == "dark"
    return {
        "bgcolor": "#262f3a" if dark else "#ffffff",
        "bordercolor": NEUTRAL,
        "font": {"color": INK["dark" if dark else "light"], "size": 14},
    }


def _log_axis(title: str, low: float, high: float) -> dict[str, Any]:
    values = decades(low, high)
    return {
        "type": "log",
        "title": {"text": title},
        # Of a log axis Plotly takes the ends as powers of ten.
        "range": [float(np.log10(low)), float(np.log10(high))],
        "tickvals": values,
        "ticktext": [level_text(value) for value in values],
        "gridcolor": GRID_LINES,
        "zeroline": False,
    }
