"""Pictures of a tail: the survival of the queries, and the chance of exceeding a level.

Vega-Lite specs from tables of `core.tails.picture`; nothing here estimates anything.
"""

import math
from typing import Any

import pandas as pd

from core.charts.style import APART, GRID, LABELS, Chart
from core.tails.words import SMALL, level_text, risk_text

BLUE = "#0072b2"
LIGHT_BLUE = {"light": BLUE, "dark": "#56b4e9"}
HARM = "#d55e00"
MARK = {"light": "#8a6d00", "dark": "#d9c14a"}
MILLION_LABEL = "format(datum.value * 1e6, ',~r')"
SHARE_LABEL = "format(datum.value * 100, '~r') + '%'"
# A tail that falls off at once would show nothing else.
MOST_DECADES = 8


def survival(
    points: pd.DataFrame, curve: pd.DataFrame, start: float | None, *, theme: str, ink: str
) -> Chart:
    """Returns the share of queries above a risk, as seen and as fitted.

    points: `core.tails.picture.survival_points` with the query of each. curve: `survival_curve`. start: of
    the tail, None where it has none.
    """
    blue = LIGHT_BLUE[theme]
    known = points[~points["zero"].astype(bool)]
    # Of single questions some fits say nothing: then all shares of the curve are missing.
    shares = pd.concat([curve["share"][curve["share"] > 0], known["share"]])
    floor = float(shares.min()) / 1.5
    floor = max(floor, 10.0**-MOST_DECADES)
    curve = curve[curve["share"] >= floor]
    curve = curve.assign(low=curve["low"].clip(lower=floor), high=curve["high"].clip(lower=floor))
    most = float(pd.concat([curve["risk"], points["risk"]]).max())
    left, right = ends(float(points["risk"].min()), most, 1.0)
    x = {
        **risk_axis("Risk of a question", left, right),
    }
    y: Chart = {
        "type": "quantitative",
        "title": "Share of questions at or above it",
        "scale": {"type": "log", "domain": [floor, 1.0], "nice": False, "clamp": True},
        "axis": {
            "values": decades(floor, 1.0),
            "labelExpr": SHARE_LABEL,
            **APART,
            **LABELS,
            **GRID,
        },
    }
    rows = known.assign(
        kind=["do not use" if one else "estimate" for one in known["doubtful"]],
        words=[risk_text(risk, right) for risk in known["risk"]],
    )
    tips = [
        {"field": "query", "title": "Question"},
        {"field": "words", "title": "Risk"},
        {"field": "share", "title": "Share at or above", "format": ".1~%"},
    ]
    layers: list[Chart] = [
        {
            "data": {"name": "curve"},
            "mark": {"type": "area", "opacity": 0.22, "color": blue, "clip": True},
            "encoding": {
                "x": {"field": "risk", **x},
                "y": {"field": "low", **y},
                "y2": {"field": "high"},
            },
        },
        {
            "data": {"name": "curve"},
            "mark": {"type": "line", "strokeWidth": 3, "color": blue, "clip": True},
            "encoding": {"x": {"field": "risk", **x}, "y": {"field": "share", **y}},
        },
        _dots("datum.kind === 'estimate'", x, y, tips, ink, filled=True),
        _dots("datum.kind !== 'estimate'", x, y, tips, HARM, filled=False),
        *rule("start", "x", x, MARK[theme], before=True, foot=True),
    ]
    layers.append(_ticks(x, ink))
    zero = points[points["zero"].astype(bool)]
    return chart(
        layers,
        360,
        ink,
        points=rows,
        curve=curve,
        zero=zero.assign(words=[f"below {risk_text(risk, right)}" for risk in zero["risk"]]),
        start=mark(start, "the tail begins"),
    )


def _ticks(x: Chart, ink: str) -> Chart:
    return {
        "data": {"name": "zero"},
        "mark": {
            **{"type": "tick", "orient": "vertical", "size": 12, "thickness": 1.5},
            **{"color": ink, "opacity": 0.6},
        },
        "encoding": {
            "x": {"field": "risk", **x},
            "y": {"value": {"expr": "height - 7"}},
            "tooltip": [
                {"field": "query", "title": "Question"},
                {"field": "words", "title": "No harmful answer drawn"},
            ],
        },
    }  # fmt: skip


def _dots(test: str, x: Chart, y: Chart, tips: list[Chart], color: str, *, filled: bool) -> Chart:
    return {
        "transform": [{"filter": test}],
        "mark": {
            **{"type": "point", "filled": filled, "color": color, "clip": True},
            **({"size": 34, "opacity": 0.6} if filled else {"size": 80, "opacity": 1, "strokeWidth": 2}),
        },
        "encoding": {"x": {"field": "risk", **x}, "y": {"field": "share", **y}, "tooltip": tips},
    }  # fmt: skip


def exceedance(table: pd.DataFrame, tau: float, *, theme: str, ink: str) -> Chart:
    """Returns the chance that the worst of n lies above a level, over the levels. table: `exceedance`."""
    left, right = ends(
        min(float(table["tau"].min()), tau), max(float(table["tau"].max()), tau), 1.0
    )
    table = table.assign(words=[risk_text(risk, right) for risk in table["tau"]])
    x = risk_axis("Risk level", left, right)
    y: Chart = {
        "type": "quantitative",
        "title": "Chance that it is above",
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%", "tickCount": 5, **LABELS, **GRID},
    }
    tips = [
        {"field": "words", "title": "Risk level"},
        {"field": "chance", "title": "Chance that the riskiest is above", "format": ".1%"},
    ]
    layers: list[Chart] = [
        {
            "mark": {
                **{"type": "line", "strokeWidth": 3, "color": LIGHT_BLUE[theme], "clip": True},
                "point": {"opacity": 0, "size": 120},
            },
            "encoding": {
                "x": {"field": "tau", **x},
                "y": {"field": "chance", **y},
                "tooltip": tips,
            },
        },
        *rule("level", "x", x, MARK[theme], before=tau**2 > left * right),
    ]
    level = mark(tau, f"asked about: {level_text(tau)}")
    return chart(layers, 270, ink, levels=table, level=level)


def chart(layers: list[Chart], height: int, ink: str, **tables: pd.DataFrame) -> Chart:
    """Returns a picture of tables, of which the first is its layers' unless they name another.

    All that moves with a choice is in the tables: a browser that is given the same layers again moves what
    it has drawn, and does not begin anew.
    """
    return {
        "data": {"name": next(iter(tables))},
        "datasets": tables,
        "height": height,
        "config": {"axis": {"labelColor": ink, "titleColor": ink}},
        "layer": layers,
    }


def risk_axis(title: str, bottom: float, top: float) -> Chart:
    """Returns a log axis of risks in one unit: percent where its upper end is 1% or more."""
    large = top >= SMALL
    return {
        "type": "quantitative",
        "title": title if large else f"{title}, per million",
        "scale": {"type": "log", "domain": [bottom, top], "nice": False},
        "axis": {
            "values": decades(bottom, top),
            "labelExpr": SHARE_LABEL if large else MILLION_LABEL,
            **APART,
            **LABELS,
            **GRID,
        },
    }


def mark(value: float | None, words: str) -> pd.DataFrame:
    """Returns the table of a `rule`, empty where there is none."""
    return pd.DataFrame({"at": [value or math.nan], "words": [words]}).dropna()


def rule(
    name: str, axis: str, scale: Chart, color: str, *, before: bool = False, foot: bool = False
) -> list[Chart]:
    """Returns a line across the picture with its words: left of it (before), low down (foot).

    name: the table that `mark` made.
    """
    across = axis == "x"
    end: dict[str, Any] = {"x": {"value": 8}}
    if across:
        end = {"y": {"value": {"expr": "height - 26" if foot else "12"}}}
    near: dict[str, Any] = {"align": "left", "dy": -8}
    if across:
        near = {"align": "right", "dx": -5} if before else {"align": "left", "dx": 5}
    place = {axis: {"field": "at", **scale}}
    return [
        {
            "data": {"name": name},
            "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 1.8, "color": color},
            "encoding": place,
        },
        {
            "data": {"name": name},
            "mark": {"type": "text", "fontSize": 13, "color": color, **near},
            "encoding": {**place, **end, "text": {"field": "words"}},
        },
    ]


def decades(low: float, high: float) -> list[float]:
    """Returns tick values between two ends of a log axis: powers of ten, with 2 and 5 where few fit."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1,) if last - first > 3 else (1, 2, 5)
    every = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [
        round(value, 12 - math.floor(math.log10(value))) for value in every if low <= value <= high
    ]


def ends(low: float, high: float, most: float) -> tuple[float, float]:
    """Returns the ends of a log axis around what is drawn, at half decades: few changes move the axis."""
    top = min(10 ** (math.ceil(2 * math.log10(high) + 0.2) / 2), most)
    bottom = 10 ** (math.floor(2 * math.log10(max(low, 1e-300)) - 0.2) / 2)
    return max(bottom, top * 10.0**-MOST_DECADES), top
