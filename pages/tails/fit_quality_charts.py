"""The quantile plot as a figure. Nothing here estimates anything."""

import numpy as np
import pandas as pd

from core.charts.style import INK, MILLION, NEUTRAL, Chart
from core.tails.quantile_plot import QuantilePlot
from core.tails.words import risk_text
from pages.tails.threshold_charts import ACCENT, log_axis, titled


def quantiles(plot: QuantilePlot, ink: str = INK["light"]) -> Chart:
    """Returns the quantile plot: found against expected risks, the band, and the diagonal."""
    rows = pd.DataFrame(
        {
            "expected": plot.expected * MILLION,
            "seen": plot.seen * MILLION,
            "low": plot.low * MILLION,
            "high": plot.high * MILLION,
            "risk": [risk_text(float(one)) for one in plot.seen],
            "wanted": [risk_text(float(one)) for one in plot.expected],
            "where": np.where(plot.inside, "inside the band", "outside the band"),
        }
    )
    ends = rows[["expected", "seen", "low", "high"]]
    top = float(ends.max().max())
    axis = log_axis(float(ends.min().min()), top)
    scale = {"type": "log", "nice": False, "padding": 6}
    y = {
        "type": "quantitative",
        "title": titled("Found", top),
        "scale": scale,
        "axis": axis,
    }
    return {
        "data": {"name": "points"},
        "datasets": {"points": rows},
        "height": 320,
        "config": {"axis": {"labelColor": ink, "titleColor": ink}},
        "encoding": {
            "x": {
                "field": "expected",
                "type": "quantitative",
                "title": titled("Expected by the fit", top),
                "scale": scale,
                "axis": axis,
            }
        },
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.2},
                "encoding": {"y": {"field": "low", **y}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "strokeDash": [7, 5], "color": NEUTRAL},
                "encoding": {"y": {"field": "expected", **y}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.9},
                "encoding": {
                    "y": {"field": "seen", **y},
                    "color": {
                        "condition": {
                            "test": "datum.where === 'outside the band'",
                            "value": ACCENT,
                        },
                        "value": "#3987e5",
                    },
                    "tooltip": [
                        {"field": "risk", "title": "Found"},
                        {"field": "wanted", "title": "Expected"},
                        {"field": "where", "title": "It lies"},
                    ],
                },
            },
        ],
    }
