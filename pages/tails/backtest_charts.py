"""What was forecast against what came, in pictures. Nothing here estimates anything."""

import numpy as np
import pandas as pd

from core.charts.style import GRID, INK, LABELS, MILLION, NEUTRAL, Chart
from core.tails.backtest import Backtest
from core.tails.words import risk_range, risk_text
from pages.tails.threshold_charts import log_axis, titled

HEIGHT = 340
TENFOLD = 10


def scatter_rows(found: Backtest) -> pd.DataFrame:
    """Returns a row a split: forecast and what came, cases per million."""
    held = (found.low <= found.worst) & (found.worst <= found.high)
    return pd.DataFrame(
        {
            "forecast": found.median * MILLION,
            "came": found.worst * MILLION,
            "forecast_text": [risk_text(float(risk)) for risk in found.median],
            "range": [
                risk_range(float(low), float(high))
                for low, high in zip(found.low, found.high, strict=True)
            ],
            "came_text": [risk_text(float(risk)) for risk in found.worst],
            "held": np.where(held, "in its range", "outside its range"),
        }
    )


def scatter(found: Backtest, ink: str = INK["light"]) -> Chart:
    """Returns forecasts of the worst against what came, with the diagonal and the tenfold band."""
    rows = scatter_rows(found)
    both = np.concatenate([rows["forecast"], rows["came"]])
    low, high = float(both.min()) / 3, min(float(both.max()) * 3, 1.5 * MILLION)
    band = band_rows(low, high)
    scale = {"type": "log", "domain": [low, high], "nice": False}
    axis = log_axis(low, high)
    y = {
        "type": "quantitative",
        "title": titled("What came", high),
        "scale": scale,
        "axis": axis,
    }
    x = {
        "field": "forecast",
        "type": "quantitative",
        "title": titled("Forecast", high),
        "scale": scale,
        "axis": axis,
    }
    return {
        "data": {"name": "splits"},
        "datasets": {"splits": rows, "band": band},
        "height": HEIGHT,
        "config": _config(ink),
        "encoding": {"x": x},
        "layer": [
            {
                "data": {"name": "band"},
                "mark": {"type": "area", "opacity": 0.18, "color": NEUTRAL, "clip": True},
                "encoding": {"y": {"field": "less", **y}, "y2": {"field": "more"}},
            },
            {
                "data": {"name": "band"},
                "mark": {"type": "line", "strokeDash": [7, 5], "color": NEUTRAL, "clip": True},
                "encoding": {"y": {"field": "same", **y}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 55, "opacity": 0.55},
                "encoding": {
                    "y": {"field": "came", **y},
                    "color": {
                        "field": "held",
                        "type": "nominal",
                        "scale": {
                            "domain": ["in its range", "outside its range"],
                            "range": ["#3987e5", "#d55e00"],
                        },
                        "legend": {
                            "orient": "top",
                            "title": None,
                            "labelFontSize": 14,
                            "symbolOpacity": 1,
                        },
                    },
                    "tooltip": [
                        {"field": "forecast_text", "title": "Forecast"},
                        {"field": "range", "title": "Its 95% range"},
                        {"field": "came_text", "title": "What came"},
                    ],
                },
            },
        ],
    }


def band_rows(low: float, high: float) -> pd.DataFrame:
    """Returns the diagonal and a tenth and ten times of it, cut at the ends of the axis, which are given.

    It has a row where either is cut, so that a straight line from row to row is exact.
    """
    turns = [one for one in (low * TENFOLD, high / TENFOLD) if low < one < high]
    at = np.array(sorted({low, *turns, high}))
    more, less = np.minimum(at * TENFOLD, high), np.maximum(at / TENFOLD, low)
    return pd.DataFrame({"forecast": at, "same": at, "less": less, "more": more})


def reliability_rows(found: Backtest) -> pd.DataFrame:
    """Returns forecasts alike in chance: their mean chance, how often it happened, how many they are."""
    return pd.DataFrame(found.reliability(), columns=["chance", "happened", "count"])


def reliability(found: Backtest, ink: str = INK["light"]) -> Chart:
    """Returns the reliability diagram of P(worst > level)."""
    axis = {"format": ".0%", "tickCount": 5, **LABELS, **GRID}
    x = {
        "field": "chance",
        "type": "quantitative",
        "title": "Chance as forecast",
        "scale": {"domain": [0, 1]},
        "axis": axis,
    }
    y = {
        "type": "quantitative",
        "title": "How often it happened",
        "scale": {"domain": [0, 1]},
        "axis": axis,
    }
    return {
        "data": {"name": "chances"},
        "datasets": {
            "chances": reliability_rows(found),
            "same": pd.DataFrame({"chance": [0.0, 1.0], "happened": [0.0, 1.0]}),
        },
        "height": HEIGHT,
        "config": _config(ink),
        "encoding": {"x": x, "y": {"field": "happened", **y}},
        "layer": [
            {
                "data": {"name": "same"},
                "mark": {"type": "line", "strokeDash": [7, 5], "color": NEUTRAL},
            },
            {"mark": {"type": "line", "strokeWidth": 2, "color": "#3987e5"}},
            {
                "mark": {"type": "point", "filled": True, "color": "#3987e5", "opacity": 1},
                "encoding": {
                    "size": {
                        "field": "count",
                        "type": "quantitative",
                        "scale": {"range": [60, 500], "zero": True},
                        "legend": None,
                    },
                    "tooltip": [
                        {"field": "chance", "title": "Forecast", "format": ".0%"},
                        {"field": "happened", "title": "It happened", "format": ".0%"},
                        {"field": "count", "title": "Forecasts", "format": ","},
                    ],
                },
            },
        ],
    }


def _config(ink: str) -> Chart:
    return {
        "axis": {"labelColor": ink, "titleColor": ink},
        "legend": {"labelColor": ink},
    }
