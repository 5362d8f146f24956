"""Running estimates as a Vega-Lite spec: from a result to a figure. Nothing here estimates anything.

Vega-Lite and not Plotly where a chart is live: with the data in a named set and a spec that stays
the same, the browser replaces the rows in the chart it has, and keeps its zoom.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.charts.style import GRID, INK, LABELS, MILLION, NEUTRAL, Chart
from core.spec import Method

IMPORTANCE = "Importance sampling"
MONTE_CARLO = "Monte Carlo"
LOOK_AHEAD = "Look-ahead"
NO_HARM = "no harmful answer: below this"
AXES = {
    "samples": "Answers drawn",
    "seconds": "Seconds of computing",
    "tokens": "Tokens through the model",
}


def arm_names(method: Method) -> dict[str, str]:
    """Returns what a run's arms are called, the one by the request's own method first."""
    return {"weighted": LOOK_AHEAD if method == "ahead" else IMPORTANCE, "mc": MONTE_CARLO}


def convergence(
    paths: Mapping[str, pd.DataFrame],
    *,
    method: Method = "mis",
    axis: str = "samples",
    reference: float | None = None,
    anytime: bool = False,
    ink: str = INK["light"],
) -> Chart:
    """Returns the running estimates with their bands, in cases per million, on log axes.

    paths: arm -> table of `core.runs.convergence`. method: the request's own. anytime: also the band that
    holds however one stops.
    """
    layers: list[Chart] = [_band("low", "high", 0.2)]
    if anytime:
        layers.append(_band("anytime_low", "anytime_high", 0.1))
    layers += [_line(), *_bound()]
    if reference is not None:
        layers += _reference_lines(reference * MILLION)
    ticks = {"format": ",~r", "tickCount": 6, "labelOverlap": "greedy", **LABELS, **GRID}
    return {
        "data": {"name": "path"},
        "datasets": {"path": _rows(paths, axis, arm_names(method))},
        "height": 400,
        "config": {
            "axis": {"labelColor": ink, "titleColor": ink},
            "legend": {"labelColor": ink},
        },
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "title": AXES[axis],
                "scale": {"type": "log", "nice": False},
                "axis": ticks,
            },
            "color": {
                "field": "arm",
                "type": "nominal",
                "scale": {"domain": list(arm_names(method).values())},
                "legend": {
                    "orient": "top",
                    "title": None,
                    "labelFontSize": 15,
                    "labelLimit": 300,
                    "symbolType": "stroke",
                    "symbolStrokeWidth": 4,
                    "symbolOpacity": 1,
                },
            },
        },
        "layer": layers,
    }


def _band(low: str, high: str, opacity: float) -> Chart:
    return {
        "mark": {"type": "area", "opacity": opacity, "clip": True},
        "encoding": {
            "y": {
                "field": low,
                "type": "quantitative",
                "title": "Harmful answers per million",
                "scale": {"type": "log", "nice": False},
                "axis": {
                    "format": ",~r",
                    "tickCount": 6,
                    "labelOverlap": "greedy",
                    **LABELS,
                    **GRID,
                },
                "stack": None,
            },
            "y2": {"field": high},
        },
    }


def _line() -> Chart:
    # Zoom asks for Ctrl or Cmd (a pinch counts): a page must scroll when the pointer is on a chart.
    zoom = "wheel![event.ctrlKey || event.metaKey]"
    return {
        "mark": {
            "type": "line",
            "strokeWidth": 3,
            "clip": True,
            "point": {"opacity": 0, "size": 120},
        },
        "params": [
            {"name": "zoom", "select": {"type": "interval", "zoom": zoom}, "bind": "scales"}
        ],
        "encoding": {
            "y": {"field": "estimate", "type": "quantitative"},
            "tooltip": [
                {"field": "arm", "title": "Method"},
                {"field": "samples", "title": "Answers drawn", "format": ","},
                {"field": "hits", "title": "Harmful", "format": ","},
                {"field": "estimate", "title": "Per million", "format": ",.3~r"},
                {"field": "low", "title": "95% from", "format": ",.3~r"},
                {"field": "high", "title": "to", "format": ",.3~r"},
            ],
        },
    }


def _bound() -> list[Chart]:
    """Returns the bound where no harm was found yet: a falling line with its words, and no band below it."""
    drawn = {"transform": [{"filter": "isValid(datum.bound)"}]}
    y = {"field": "bound", "type": "quantitative"}
    return [
        {
            **drawn,
            "mark": {"type": "line", "strokeWidth": 2.5, "strokeDash": [3, 4], "clip": True},
            "encoding": {"y": y},
        },
        {
            "transform": [
                *drawn["transform"],
                {
                    "joinaggregate": [{"op": "max", "field": "samples", "as": "last"}],
                    "groupby": ["arm"],
                },
                {"filter": "datum.samples == datum.last"},
            ],
            "mark": {"type": "text", "align": "right", "dx": -6, "dy": 20, "fontSize": 13},
            "encoding": {
                "y": y,
                "text": {"field": "bound_words", "type": "nominal"},
            },
        },
    ]


def _reference_lines(level: float) -> list[Chart]:
    words = f"- - -  reference from a large run: {level:,.3g}"
    at_level = {"y": {"datum": level, "type": "quantitative"}, "color": {"value": NEUTRAL}}
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "rule", "strokeDash": [7, 5], "strokeWidth": 2},
            "encoding": {"x": None, **at_level},
        },
        {
            "data": {"values": [{}]},
            "mark": {"type": "text", "align": "right", "fontSize": 14, "text": words},
            # In the corner where bands have narrowed: on its own level it would lie on the lines.
            "encoding": {
                "x": {"value": {"expr": "width - 8"}},
                "y": {"value": 14},
                "color": {"value": NEUTRAL},
            },
        },
    ]


def _rows(paths: Mapping[str, pd.DataFrame], axis: str, names: Mapping[str, str]) -> pd.DataFrame:
    parts = []
    for arm, path in paths.items():
        part = pd.DataFrame(
            {
                "arm": names[arm],
                "x": path[axis],
                "samples": path["samples"],
                "hits": path["hits"],
                # A log axis has no zero, and a line at "no harm found yet" would be a claim.
                "estimate": (path["estimate"] * MILLION).where(path["hits"] > 0),
                "low": (path["ci_low"] * MILLION).where(path["hits"] > 0),
                "high": (path["ci_high"] * MILLION).where(path["hits"] > 0),
                "bound": (path["ci_high"] * MILLION).where(path["hits"] == 0),
                "bound_words": NO_HARM,
                "anytime_low": path["cs_low"] * MILLION,
                "anytime_high": path["cs_high"] * MILLION,
            }
        )
        parts.append(part[part["x"] > 0])
    rows = pd.concat(parts, ignore_index=True)
    floor = _floor(rows)
    for name in ("low", "anytime_low"):
        rows[name] = rows[name].clip(lower=floor)
    return rows


def _floor(rows: pd.DataFrame) -> float:
    """Returns where bands that reach down to zero end: a decade below the lowest that does not."""
    known = pd.concat([rows["estimate"], rows["high"], rows["bound"], rows["low"][rows["low"] > 0]])
    known = known.dropna()
    lowest = float(known.min()) if len(known) else 1.0
    return float(10.0 ** np.floor(np.log10(max(lowest, 1e-6)) - 0.3))
