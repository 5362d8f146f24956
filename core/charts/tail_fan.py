"""The fan: the worst of n queries over n, as far as the fit says something. It estimates nothing."""

import math

import pandas as pd

from core.charts.style import APART, GRID, LABELS, NEUTRAL, Chart
from core.charts.tail import (
    HARM,
    LIGHT_BLUE,
    MARK,
    chart,
    decades,
    ends,
    mark,
    risk_axis,
    rule,
)
from core.tails.words import level_text, often, risk_range, risk_text


def fan(
    table: pd.DataFrame, n: float, tau: float, supported: float, worst_seen: tuple[float, float],
    *, theme: str, ink: str,
) -> Chart:  # fmt: skip
    """Returns the worst of n queries over n, with its bands, up to where the fit says something.

    table: `core.tails.picture.fan`. worst_seen: how many independent queries were seen, and their highest
    risk. Drawn with the noise left in too where that is another line.
    """
    blue = LIGHT_BLUE[theme]
    table = table.assign(
        words=[
            risk_text(risk, high) for risk, high in zip(table["median"], table["high"], strict=True)
        ],
        range=[
            risk_range(low, high) for low, high in zip(table["low"], table["high"], strict=True)
        ],
        half=[
            risk_range(low, high)
            for low, high in zip(table["inner_low"], table["inner_high"], strict=True)
        ],
    )
    if not differs(table):
        table = table.assign(left_in=math.nan)
    seen, risk = worst_seen
    lowest = min(float(table["low"].min()), tau, risk)
    highest = max(float(table["high"].max()), tau, risk)
    bottom, top = ends(lowest, highest, most=1.0)
    left = min(float(table["n"].min()), seen, n)
    right = max(supported, n, seen) * 1.6
    x: Chart = {
        "type": "quantitative",
        "title": "Number of questions to come",
        "scale": {"type": "log", "domain": [left, right], "nice": False},
        "axis": {"format": ",~r", "values": decades(left, right), **APART, **LABELS, **GRID},
    }
    y = risk_axis("Risk of the riskiest of them", bottom, top)
    tips = [
        {"field": "n", "title": "Questions", "format": ",.0f"},
        {"field": "words", "title": "The riskiest"},
        {"field": "half", "title": "Half of the time"},
        {"field": "range", "title": "Range"},
    ]
    layers: list[Chart] = [
        _beyond(x, ink),
        _area("low", "high", x, y, blue, 0.16),
        _area("inner_low", "inner_high", x, y, blue, 0.3),
        {
            "mark": {
                **{
                    "type": "line",
                    "strokeWidth": 2,
                    "strokeDash": [6, 4],
                    "color": blue,
                    "clip": True,
                }
            },
            "encoding": {"x": {"field": "n", **x}, "y": {"field": "left_in", **y}},
        },
        {
            "mark": {
                **{"type": "line", "strokeWidth": 3, "color": blue, "clip": True},
                "point": {"opacity": 0, "size": 120},
            },
            "encoding": {"x": {"field": "n", **x}, "y": {"field": "median", **y}, "tooltip": tips},
        },
        *rule("level", "y", y, MARK[theme]),
        *rule("horizon", "x", x, ink, before=n * n > left * right),
        _worst_seen(x, y),
    ]
    point = {"n": [seen], "risk": [risk], "words": [f"{seen:,.0f} independent questions"]}
    return chart(
        layers,
        380,
        ink,
        fan=table,
        beyond=pd.DataFrame({"from": [supported], "to": [right]}),
        level=mark(tau, f"asked about: {level_text(tau)}"),
        horizon=mark(n, f"{n:,.0f}"),
        seen=pd.DataFrame({**point, "says": [often(risk)]}),
    )


def differs(table: pd.DataFrame) -> bool:
    """Returns whether the line with the noise left in can be seen apart from the other one."""
    ratio = table["left_in"] / table["median"]
    return bool(((ratio > 1.05) | (ratio < 0.95)).any())


def _worst_seen(x: Chart, y: Chart) -> Chart:
    return {
        "data": {"name": "seen"},
        "mark": {
            **{"type": "point", "shape": "diamond", "size": 150},
            **{"filled": True, "color": HARM, "opacity": 1},
        },
        "encoding": {
            "x": {"field": "n", **x},
            "y": {"field": "risk", **y},
            "tooltip": [
                {"field": "words", "title": "The worst seen, of"},
                {"field": "says", "title": "Harmful"},
            ],
        },
    }  # fmt: skip


def _beyond(x: Chart, ink: str) -> Chart:
    """Returns the part of the picture about which nothing is said."""
    return {
        "layer": [
            {
                "data": {"name": "beyond"},
                "mark": {"type": "rect", "color": NEUTRAL, "opacity": 0.16},
                "encoding": {"x": {"field": "from", **x}, "x2": {"field": "to"}},
            },
            {
                "data": {"name": "beyond"},
                "mark": {
                    # Upwards, for a line of the horizon asked about would run through it.
                    **{"type": "text", "angle": 270, "align": "left", "baseline": "top", "fontSize": 13},
                    **{"text": "the fit says nothing beyond here", "color": ink, "opacity": 0.75, "dy": 5},
                },
                "encoding": {
                    "x": {"field": "from", **x},
                    "y": {"value": {"expr": "height - 10"}},
                },
            },
        ]
    }  # fmt: skip


def _area(low: str, high: str, x: Chart, y: Chart, color: str, opacity: float) -> Chart:
    return {
        "mark": {"type": "area", "opacity": opacity, "color": color, "clip": True},
        "encoding": {"x": {"field": "n", **x}, "y": {"field": low, **y}, "y2": {"field": high}},
    }
