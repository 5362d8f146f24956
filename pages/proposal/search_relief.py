"""The surface of a search in three dimensions, to turn and to zoom into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.charts.style import INK
from pages.proposal.search_charts import BEST_MARK, VALUE_TITLES, worst_shown

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HEIGHT = 480
GRID_LINE = "#8a96a3"
# From above: the valley, where the best settings lie, must not hide behind a slope.
# Far enough away that the axes' names are whole.
CAMERA = {"eye": {"x": -1.35, "y": -1.5, "z": 2.2}, "center": {"x": 0.0, "y": 0.0, "z": -0.15}}
# The whole name of an objective is too long for an upright axis; it stands at each cell.
SHORT_TITLES = {"variance": "Variance, log10", "cross_entropy": "Cross-entropy"}


def relief(
    table: pd.DataFrame,
    *,
    objective: str,
    best: Mapping[str, float] | None,
    applied: Mapping[str, float] | None,
    best_value: float,
    ink: str = INK["light"],
) -> Figure:
    """Returns `core.search.tables.surface_table` as a relief, low where the objective is small.

    best, applied, best_value: as of `search_charts.surface`. Variances stand as their log10.
    """
    # Only this view needs it, and the import takes a while.
    from plotly import graph_objects

    logarithmic = objective == "variance"
    end = worst_shown(objective, best_value)

    def height(values: Any) -> np.ndarray:
        clipped = np.clip(np.asarray(values, dtype=np.float64), best_value, end)
        return np.log10(clipped) if logarithmic else clipped

    # Strengths cut off at the largest there is may come twice.
    table = table.drop_duplicates(["strength", "switch"])
    cells = table.pivot(index="strength", columns="switch", values="value")
    low, high = height([best_value, end]).tolist()
    figure = graph_objects.Figure(
        graph_objects.Surface(
            x=cells.columns.to_list(),
            y=cells.index.to_list(),
            z=height(cells.to_numpy()),
            cmin=low,
            cmax=high,
            colorscale="Viridis",
            reversescale=True,
            showscale=False,
            text=_notes(table, objective),
            hoverinfo="text",
        )
    )
    for mark, name, color, symbol in (
        (applied, "in use", ink, "square-open"),
        (best, "the best of all", BEST_MARK, "diamond"),
    ):
        if mark is not None:
            value = cells[mark["switch"]][mark["strength"]]
            figure.add_trace(_mark(mark, float(height(value)), name, color, symbol))
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        font={"color": ink, "size": 13},
        legend={"orientation": "h", "y": 1.0, "x": 0, "font": {"color": ink}},
        scene={
            "xaxis": _axis("Tokens steered", ink),
            "yaxis": _axis("Strength", ink),
            "zaxis": _axis(SHORT_TITLES[objective], ink),
            "camera": CAMERA,
        },
    )
    return figure


def _notes(table: pd.DataFrame, objective: str) -> np.ndarray:
    """Returns what is shown at each cell, (strengths, switches): an array, since lists become one text."""
    lines = [
        f"Strength {cell['strength']:.3g}, {cell['switch']:.0f} tokens<br>"
        f"{VALUE_TITLES[objective]}: {cell['value']:.3g}<br>"
        f"Harmful among its draws: {cell['hit_rate']:.1%}"
        for cell in table.to_dict("records")
    ]
    notes = table.assign(note=lines).pivot(index="strength", columns="switch", values="note")
    return notes.to_numpy(dtype=object)


def _mark(
    at: Mapping[str, float], height: float, name: str, color: str, symbol: str
) -> dict[str, Any]:
    return {
        "type": "scatter3d",
        "x": [at["switch"]],
        "y": [at["strength"]],
        "z": [height],
        "mode": "markers",
        "name": name,
        "marker": {"color": color, "size": 7, "symbol": symbol, "line": {"width": 3}},
        "hoverinfo": "name",
    }


def _axis(title: str, ink: str) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "color": ink,
        "gridcolor": GRID_LINE,
        "zeroline": False,
        "showbackground": False,
    }
