"""Charts of a search: the surface over strength and switch, and variance against strength."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.charts.style import GRID, INK, LABELS, Chart

# Lower is better, so the best cells are the brightest; a scheme that the colour-blind can read.
SCHEME = {"scheme": "viridis", "reverse": True}
# Beyond so many times the least variance, or so many nats above the least entropy, all is equally bad.
VARIANCE_REACH = 1e4
ENTROPY_REACH = 12.0
BEST_MARK = "#c2185b"
CHART_HEIGHT = 380
VALUE_TITLES = {
    "cross_entropy": "Cross-entropy, nats",
    "variance": "Variance of one draw, relative to risk²",
}
REGIONS = {
    "weak": "too weak: few hits",
    "good": "works",
    "strong": "too strong: past the mass",
}


def surface(
    table: pd.DataFrame,
    *,
    objective: str,
    best: Mapping[str, float] | None,
    applied: Mapping[str, float] | None,
    best_value: float,
    ink: str = INK["light"],
) -> Chart:
    """Returns the heat map of `core.search.tables.surface_table`; a click selects a cell.

    best, applied: strength and switch of the cells to mark, None if they lie on another map.
    best_value: the least value over the whole grid, where the colours begin.
    """
    place = {
        "x": {
            "field": "switch",
            "type": "ordinal",
            "title": "Tokens steered before the model goes on alone",
            "axis": {**LABELS, "labelAngle": 0, "labelOverlap": "greedy"},
        },
        "y": {
            "field": "strength",
            "type": "ordinal",
            "sort": "descending",
            "title": "Strength",
            "axis": {**LABELS, "format": ".3~g"},
        },
    }
    logarithmic = objective == "variance"
    end = worst_shown(objective, best_value)
    scale: dict[str, Any] = {
        "type": "log" if logarithmic else "linear",
        "domain": [best_value, end],
        "clamp": True,
        **SCHEME,
    }
    cells = table.assign(value=table["value"].clip(upper=end))
    return {
        "datasets": {
            "cells": cells,
            "marks": pd.DataFrame(
                [
                    {**at, "mark": name}
                    for name, at in (("best", best), ("applied", applied))
                    if at is not None
                ],
                columns=["strength", "switch", "mark"],
            ),
        },
        "height": CHART_HEIGHT,
        "config": {"axis": {"labelColor": ink, "titleColor": ink}, "view": {"stroke": None}},
        "layer": [
            {
                "data": {"name": "cells"},
                "params": [
                    {
                        "name": "cell",
                        "select": {"type": "point", "fields": ["rung", "switch"], "on": "click"},
                    }
                ],
                "mark": {"type": "rect", "cursor": "pointer", "stroke": None},
                "encoding": {
                    **place,
                    "color": {
                        "field": "value",
                        "type": "quantitative",
                        "scale": scale,
                        "legend": {
                            "title": VALUE_TITLES[objective] + " (less is better)",
                            "orient": "top",
                            "direction": "horizontal",
                            "gradientLength": 240,
                            "titleFontSize": 13,
                            "titleLimit": 420,
                            "labelFontSize": 12,
                            "titleColor": ink,
                            "labelColor": ink,
                            "tickCount": 4,
                            "format": ".3~s",
                        },
                    },
                    "tooltip": [
                        {"field": "strength", "title": "Strength", "format": ".3~g"},
                        {"field": "switch", "title": "Tokens"},
                        {"field": "value", "title": VALUE_TITLES[objective], "format": ".3~g"},
                        {
                            "field": "relative_variance",
                            "title": "Relative variance",
                            "format": ".3~g",
                        },
                        {"field": "hit_rate", "title": "Harmful among its draws", "format": ".1%"},
                    ],
                },
            },
            _mark("applied", place, {"type": "rect", "filled": False, "strokeWidth": 3}, ink),
            _mark("best", place, {"type": "text", "text": "★", "fontSize": 24}, BEST_MARK),
        ],
    }


def worst_shown(objective: str, best_value: float) -> float:
    """Returns the value from which on all cells look equally bad."""
    return best_value * VARIANCE_REACH if objective == "variance" else best_value + ENTROPY_REACH


def _mark(name: str, place: Chart, mark: Chart, color: str) -> Chart:
    # Not a target for clicks: what lies below it must be selectable.
    return {
        "data": {"name": "marks"},
        "transform": [{"filter": f"datum.mark === '{name}'"}],
        "mark": {**mark, "interactive": False},
        "encoding": {
            **place,
            ("stroke" if mark["type"] == "rect" else "color"): {"value": color},
        },
    }


def variance_by_strength(
    profile: pd.DataFrame, applied: float | None, ink: str = INK["light"]
) -> Chart:
    """Returns the least variance of each strength, as `strength_profile` gives it, on a log axis."""
    x = {"field": "strength", "type": "quantitative"}
    layers: list[Chart] = [
        {
            "data": {"name": "regions"},
            "mark": {"type": "rect", "opacity": 0.13, "clip": True},
            "encoding": {
                "x": {"field": "from", "type": "quantitative"},
                "x2": {"field": "to"},
                "color": _region_color(),
            },
        },
        {
            "data": {"name": "profile"},
            "mark": {"type": "line", "strokeWidth": 2.5, "color": ink, "opacity": 0.7},
            "encoding": {"x": x, "y": _variance_axis()},
        },
        {
            "data": {"name": "profile"},
            "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
            "encoding": {
                "x": {
                    **x,
                    "title": "Strength (best mixing and switch at each)",
                    "scale": {"nice": False, "zero": False, "padding": 12},
                    "axis": {**LABELS, **GRID, "tickCount": 6},
                },
                "y": _variance_axis(),
                "color": _region_color(),
                "tooltip": [
                    {"field": "strength", "title": "Strength", "format": ".3~g"},
                    {"field": "relative_variance", "title": "Relative variance", "format": ".3~g"},
                    {"field": "hit_rate", "title": "Harmful among its draws", "format": ".1%"},
                    {"field": "alpha_mix", "title": "Mixed with the model"},
                    {"field": "t_switch", "title": "Tokens"},
                ],
            },
        },
    ]
    if applied is not None:
        layers.append(
            {
                "data": {"values": [{"at": applied}]},
                "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 2, "color": ink},
                "encoding": {"x": {"field": "at", "type": "quantitative"}},
            }
        )
    return {
        "datasets": {"profile": profile, "regions": _regions(profile)},
        "height": CHART_HEIGHT,
        "config": {
            "axis": {"labelColor": ink, "titleColor": ink},
            "legend": {"labelColor": ink},
        },
        "layer": layers,
    }


def _variance_axis() -> Chart:
    return {
        "field": "relative_variance",
        "type": "quantitative",
        "title": "Relative variance of one draw",
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": {**LABELS, **GRID, "format": ".3~s", "tickCount": 5, "labelOverlap": "greedy"},
    }


def _region_color() -> Chart:
    return {
        "field": "meaning",
        "type": "nominal",
        "scale": {
            "domain": list(REGIONS.values()),
            "range": ["#56b4e9", "#009e73", "#d55e00"],
        },
        "legend": {
            "orient": "top",
            "columns": 1,
            "title": None,
            "labelFontSize": 14,
            "labelLimit": 400,
            "symbolOpacity": 1,
        },
    }


def with_meaning(profile: pd.DataFrame) -> pd.DataFrame:
    """Returns the profile with its regions in words."""
    return profile.assign(meaning=profile["region"].map(REGIONS))


def _regions(profile: pd.DataFrame) -> pd.DataFrame:
    """Returns from where to where each region reaches: borders lie half way between strengths."""
    strengths = profile["strength"].to_numpy(np.float64)
    borders = [strengths[0], *((strengths[1:] + strengths[:-1]) / 2), strengths[-1]]
    spans = profile.assign(**{"from": borders[:-1], "to": borders[1:]})
    return spans.groupby("meaning", as_index=False, sort=False).agg(
        **{"from": ("from", "min"), "to": ("to", "max")}
    )
