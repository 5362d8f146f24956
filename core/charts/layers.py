"""Bars over a model's blocks: how far safe and unsafe examples lie apart after each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.charts.style import GRID, LABELS, Chart


def separation(values: Sequence[float], layer: int) -> Chart:
    """Returns bars: how far apart safe and unsafe examples are after each block, in spreads."""
    title = "Distance between safe and unsafe, in spreads"
    rows = pd.DataFrame({"layer": range(len(values)), "length": [float(value) for value in values]})
    rows["chosen"] = np.where(rows["layer"] == layer, "chosen", "other")
    rows["block"] = rows.pop("layer").astype(str)
    return {
        "data": {"name": "blocks"},
        "datasets": {"blocks": rows},
        "height": 44 * len(rows) + 20,
        "mark": {"type": "bar", "cornerRadiusEnd": 4, "height": {"band": 0.7}},
        "encoding": {
            "y": {
                "field": "block",
                "type": "ordinal",
                "sort": None,
                "title": "After block",
                "axis": LABELS,
            },
            "x": {
                "field": "length",
                "type": "quantitative",
                "title": title,
                "axis": {**LABELS, **GRID, "tickCount": 5},
            },
            "opacity": {
                "field": "chosen",
                "scale": {"domain": ["chosen", "other"], "range": [1.0, 0.4]},
                "legend": None,
            },
            "tooltip": [
                {"field": "block", "title": "After block"},
                {"field": "length", "title": title, "format": ",.3~r"},
            ],
        },
    }
