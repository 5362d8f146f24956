"""Charts of audits as Vega-Lite specs: from curves and tables to figures. Nothing here estimates anything."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.audit.curves import Curve
from core.charts.style import GRID, LABELS, NEUTRAL, Chart, title_of

GREEDY = "greedy"
POINTS = {"type": "point", "filled": False, "size": 110, "strokeWidth": 2}


def repeated(curves: Sequence[Curve], names: Mapping[str, str], ink: str) -> Chart:
    """Returns the share of queries with a harmful answer among n. names: model -> what the chart calls it."""
    order = [GREEDY, *(f"{size:,}" for size in curves[0].n.tolist())]
    share = {
        "type": "quantitative",
        "title": "Queries with a harmful answer",
        "axis": {"format": ".2~p", "tickCount": 6, **LABELS, **GRID},
    }
    direct = any(curve.direct is not None for curve in curves)
    counted: list[Chart] = [
        {
            "transform": [{"filter": "isValid(datum.direct)"}],
            "mark": {"type": "rule", "strokeWidth": 1.5, "opacity": 0.8},
            "encoding": {
                "y": {"field": "direct_low", **share},
                "y2": {"field": "direct_high"},
            },
        },
        {
            "transform": [{"filter": "isValid(datum.direct)"}],
            "mark": POINTS,
            "encoding": {"y": {"field": "direct", **share}, "tooltip": _tips(direct=True)},
        },
    ]
    return {
        "data": {"name": "curves"},
        "datasets": {"curves": _curve_rows(curves, names)},
        "height": 420,
        "config": _config(ink),
        "encoding": {
            "x": {
                "field": "n",
                "type": "ordinal",
                "sort": order,
                "scale": {"domain": order},
                "title": "How often each query is asked",
                "axis": {**LABELS, "labelAngle": 0, "labelAlign": "center", "labelFlush": False},
            },
            "color": _color("model", [names[curve.model] for curve in curves]),
        },
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "area", "opacity": 0.1},
                "encoding": {
                    "y": {"field": "choice_low", **share, "stack": None},
                    "y2": {"field": "choice_high"},
                },
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "area", "opacity": 0.25},
                "encoding": {
                    "y": {"field": "low", **share, "stack": None},
                    "y2": {"field": "high"},
                },
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "line", "strokeWidth": 3, "point": {"size": 60}},
                "encoding": {"y": {"field": "share", **share}, "tooltip": _tips(direct=direct)},
            },
            {
                "transform": [{"filter": f"datum.n == '{GREEDY}'"}],
                "mark": {"type": "point", "shape": "diamond", "filled": True, "size": 150},
                "encoding": {"y": {"field": "share", **share}, "tooltip": _tips(direct=False)},
            },
            *(counted if direct else []),
        ],
    }


def _curve_rows(curves: Sequence[Curve], names: Mapping[str, str]) -> pd.DataFrame:
    parts = []
    for curve in curves:
        none = np.full(len(curve.n), np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "model": names[curve.model],
                    "n": [GREEDY, *(f"{size:,}" for size in curve.n.tolist())],
                    "share": [curve.greedy, *curve.share],
                    "low": [np.nan, *curve.low],
                    "high": [np.nan, *curve.high],
                    "choice_low": [np.nan, *curve.choice_low],
                    "choice_high": [np.nan, *curve.choice_high],
                    "direct": [np.nan, *(none if curve.direct is None else curve.direct)],
                    "direct_low": [
                        np.nan, *(none if curve.direct_low is None else curve.direct_low)
                    ],
                    "direct_high": [
                        np.nan, *(none if curve.direct_high is None else curve.direct_high)
                    ],
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _tips(*, direct: bool) -> list[Chart]:
    found = [
        {"field": "model", "title": "Model"},
        {"field": "n", "title": "Asked"},
        {"field": "share", "title": "Share of queries", "format": ".3~p"},
        {"field": "low", "title": "These queries, 95% from", "format": ".3~p"},
        {"field": "high", "title": "to", "format": ".3~p"},
        {"field": "choice_low", "title": "All such queries, 95% from", "format": ".3~p"},
        {"field": "choice_high", "title": "up to", "format": ".3~p"},
    ]
    if direct:
        found.append({"field": "direct", "title": "Counted by Monte Carlo", "format": ".3~p"})
    return found


def histogram(bins: pd.DataFrame, names: Mapping[str, str], ink: str) -> Chart:
    """Returns bars: how many queries have which risk, the models side by side within a bin."""
    bars = bins[~bins["zero"].astype(bool)].copy()
    models = list(names)
    width = np.log10(bars["high"] / bars["low"]) / len(models)
    place = bars["model"].map(models.index)
    bars["from"] = bars["low"] * 10 ** (width * place)
    bars["to"] = bars["low"] * 10 ** (width * (place + 0.92))
    bars["model"] = bars["model"].map(names)
    return {
        "data": {"name": "bins"},
        "datasets": {"bins": bars.drop(columns="zero")},
        "height": 300,
        "config": _config(ink),
        "mark": {"type": "bar", "orient": "vertical"},
        "encoding": {
            "x": {
                "field": "from",
                "type": "quantitative",
                "title": "Harmful answers per million",
                "scale": {"type": "log", "nice": True},
                "axis": {
                    "format": ",~r",
                    "tickCount": 7,
                    "labelOverlap": "greedy",
                    **LABELS,
                    **GRID,
                },
            },
            "x2": {"field": "to"},
            "y": {
                "field": "queries",
                "type": "quantitative",
                "title": "Queries",
                "scale": {"domainMin": 0},
                "axis": {**LABELS, **GRID, "tickMinStep": 1, "format": "d"},
            },
            "y2": {"datum": 0},
            "color": _color("model", list(names.values())),
            "tooltip": [
                {"field": "model", "title": "Model"},
                {"field": "queries", "title": "Queries"},
                {"field": "low", "title": "Per million from", "format": ",.3~r"},
                {"field": "high", "title": "to", "format": ",.3~r"},
            ],
        },
    }


def against(queries: pd.DataFrame, first: str, second: str, ink: str) -> Chart:
    """Returns the scatter of two audits' risks on log axes, with the diagonal of no difference."""
    both = queries[queries["ratio"].notna()]
    rows = pd.DataFrame(
        {
            "query": both["query"],
            "first": both["estimate_first"] * 1e6,
            "second": both["estimate_second"] * 1e6,
            "ratio": both["ratio"],
            "differs": np.where(both["differs"], "differs", "no difference shown"),
        }
    )
    ends = pd.concat([rows["first"], rows["second"]])
    low, high = float(ends.min()) / 1.5, float(ends.max()) * 1.5
    scale = {"type": "log", "domain": [low, high], "nice": False}
    axis = {"format": ",~r", "tickCount": 6, "labelOverlap": "greedy", **LABELS, **GRID}
    return {
        "height": 420,
        "config": _config(ink),
        "layer": [
            {
                "data": {"values": [{"a": low}, {"a": high}]},
                "mark": {"type": "line", "strokeDash": [7, 5], "color": NEUTRAL},
                "encoding": {
                    "x": {"field": "a", "type": "quantitative", "scale": scale},
                    "y": {"field": "a", "type": "quantitative", "scale": scale},
                },
            },
            {
                "data": {"name": "pairs"},
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.75},
                "encoding": {
                    "x": {
                        "field": "first",
                        "type": "quantitative",
                        "title": title_of(f"{first}, per million"),
                        "scale": scale,
                        "axis": axis,
                    },
                    "y": {
                        "field": "second",
                        "type": "quantitative",
                        "title": title_of(f"{second}, per million"),
                        "scale": scale,
                        "axis": axis,
                    },
                    "color": _color("differs", ["differs", "no difference shown"]),
                    "tooltip": [
                        {"field": "query", "title": "Query"},
                        {"field": "first", "title": title_of(first), "format": ",.3~r"},
                        {"field": "second", "title": title_of(second), "format": ",.3~r"},
                        {"field": "ratio", "title": "Ratio", "format": ",.3~r"},
                    ],
                },
            },
        ],
        "datasets": {"pairs": rows},
    }


def _config(ink: str) -> Chart:
    return {
        "axis": {"labelColor": ink, "titleColor": ink},
        "legend": {"labelColor": ink},
    }


def _color(field: str, domain: Sequence[str]) -> Chart:
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(domain)},
        "legend": {
            "orient": "top",
            "title": None,
            "labelFontSize": 15,
            "labelLimit": 300,
            "symbolOpacity": 1,
        },
    }
