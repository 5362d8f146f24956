"""Where the tail starts, in pictures: each diagnostic against the start. Nothing here estimates anything.

The rules stand in a data set of their own, so that the slider moves them and leaves the charts as they are.
"""

import math
from typing import Literal

import numpy as np
import pandas as pd

from core.charts.style import APART, GRID, INK, LABELS, MILLION, NEUTRAL, Chart
from core.tails.automatic_threshold import RATE
from core.tails.thresholds import ThresholdTable
from core.tails.words import SMALL, risk_text

ACCENT = "#d55e00"
ANDERSON, CRAMER = "Anderson–Darling", "Cramér–von Mises"
CHOSEN, AUTOMATIC = "in use", "automatic"
FEW_DECADES = 60.0
IN_PERCENT = "format(datum.value / 1e4, ',~r') + '%'"
HEIGHT, LEGEND = 240, 70
Parameter = Literal["shape", "scale"]


def mean_excess(
    table: ThresholdTable, chosen: float, automatic: float | None, ink: str = INK["light"]
) -> Chart:
    """Returns the mean residual life with its band. chosen, automatic: risks where the tail starts."""
    rows = _rows(table, table.mean_excess, table.mean_excess_low, table.mean_excess_high)
    return _banded(rows, "Average excess (score)", "Average excess", chosen, automatic, ink)


def stability(
    table: ThresholdTable,
    which: Parameter,
    chosen: float,
    automatic: float | None,
    ink: str = INK["light"],
) -> Chart:
    """Returns the shape, or the modified scale, with its band."""
    if which == "shape":
        rows = _rows(table, table.shape, table.shape_low, table.shape_high)
        return _banded(rows, "Shape", "Shape", chosen, automatic, ink)
    rows = _rows(table, table.scale, table.scale_low, table.scale_high)
    return _banded(rows, "Scale, less shape × start", "Scale", chosen, automatic, ink)


def p_values(
    table: ThresholdTable, chosen: float, automatic: float | None, ink: str = INK["light"]
) -> Chart:
    """Returns the p-values of both tests on a log axis, a rule at 5%, and which starts are rejected."""
    rows = p_value_rows(table)
    y = {
        "field": "p",
        "type": "quantitative",
        "title": "p-value",
        "scale": {"type": "log", "domain": [min(0.002, float(rows["p"].min())), 1.2]},
        "axis": {"format": "~g", "values": [0.002, 0.01, 0.05, 0.2, 1], **LABELS, **GRID},
    }
    color = {
        "field": "test",
        "type": "nominal",
        "scale": {"domain": [ANDERSON, CRAMER], "range": ["#3987e5", "#009e73"]},
        "legend": {
            "orient": "bottom",
            "title": None,
            "labelFontSize": 13,
            "labelLimit": 200,
            "columns": 1,
            "symbolType": "stroke",
            "symbolStrokeWidth": 4,
        },
    }
    tips = [
        *_tips(),
        {"field": "test", "title": "Test"},
        {"field": "p", "title": "p-value", "format": ".3f"},
        {"field": "result", "title": "ForwardStop"},
    ]
    level: Chart = {
        "data": {"values": [{"p": RATE}]},
        "mark": {"type": "rule", "strokeDash": [3, 4], "strokeWidth": 1.5, "color": NEUTRAL},
        "encoding": {"y": y, "x": None},
    }
    line: Chart = {
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 45}},
        "encoding": {"y": y, "color": color, "tooltip": tips},
    }
    crossed: Chart = {
        "transform": [{"filter": "datum.rejected"}],
        "mark": {
            "type": "point",
            "shape": "cross",
            "angle": 45,
            "filled": True,
            "size": 130,
            "color": "#cc3d4a",
            "opacity": 1,
        },
        "encoding": {"y": y, "tooltip": tips},
    }
    # The legend takes its room from the height, and the plots stand side by side.
    chart = _chart(rows, [level, line, crossed], chosen, automatic, ink)
    return {**chart, "height": HEIGHT + LEGEND}


def p_value_rows(table: ThresholdTable) -> pd.DataFrame:
    """Returns one row a start and test: start, p, and whether ForwardStop rejects the start."""
    rejected, base = table.rejected, _base(table)
    parts = [
        base.assign(
            test=name,
            p=values,
            rejected=rejected & (name == ANDERSON),
            result=np.where(rejected, "rejected", "not rejected"),
        )
        for name, values in ((ANDERSON, table.p_value), (CRAMER, table.cramer_p_value))
    ]
    return pd.concat(parts, ignore_index=True)


def _base(table: ThresholdTable) -> pd.DataFrame:
    high = float(table.risk.max())
    return pd.DataFrame(
        {
            "start": table.risk * MILLION,
            "risk": [risk_text(float(risk), high) for risk in table.risk],
            "above": table.exceedances,
            "independent": table.independent,
        }
    )


def _rows(
    table: ThresholdTable, value: np.ndarray, low: np.ndarray, high: np.ndarray
) -> pd.DataFrame:
    return _base(table).assign(value=value, low=low, high=high)


def start_rows(chosen: float, automatic: float | None) -> pd.DataFrame:
    """Returns the rules: the start in use and the automatic one."""
    found = [] if automatic is None else [(automatic * MILLION, AUTOMATIC, risk_text(automatic))]
    found.append((chosen * MILLION, CHOSEN, risk_text(chosen)))
    return pd.DataFrame(found, columns=["start", "which", "risk"])


def _banded(
    rows: pd.DataFrame, title: str, short: str, chosen: float, automatic: float | None, ink: str
) -> Chart:
    y = {
        "type": "quantitative",
        "title": title,
        "scale": {"zero": False},
        "axis": {"tickCount": 5, "format": "~r", **LABELS, **GRID},
    }
    tips = [
        *_tips(),
        {"field": "value", "title": short, "format": ".3~r"},
        {"field": "low", "title": "Band from", "format": ".3~r"},
        {"field": "high", "title": "to", "format": ".3~r"},
    ]
    band: Chart = {
        "mark": {"type": "area", "opacity": 0.22},
        "encoding": {"y": {"field": "low", **y}, "y2": {"field": "high"}},
    }
    line: Chart = {
        "mark": {"type": "line", "strokeWidth": 2.5, "point": {"size": 50}},
        "encoding": {"y": {"field": "value", **y}, "tooltip": tips},
    }
    return _chart(rows, [band, line], chosen, automatic, ink)


def _tips() -> list[Chart]:
    return [
        {"field": "risk", "title": "Start"},
        {"field": "above", "title": "Queries above", "format": ","},
        {"field": "independent", "title": "Different ones", "format": ","},
    ]


def _chart(
    rows: pd.DataFrame, layers: list[Chart], chosen: float, automatic: float | None, ink: str
) -> Chart:
    def look(*values: object) -> Chart:
        scale = {"domain": [CHOSEN, AUTOMATIC], "range": list(values)}
        return {"field": "which", "type": "nominal", "scale": scale, "legend": None}

    rules: Chart = {
        "data": {"name": "starts"},
        "mark": {"type": "rule"},
        "encoding": {
            "color": look(ACCENT, NEUTRAL),
            "strokeDash": look([1, 0], [6, 4]),
            "strokeWidth": look(2.5, 1.8),
            "tooltip": [
                {"field": "which", "title": "Start"},
                {"field": "risk", "title": "Risk"},
            ],
        },
    }
    low, high = float(rows["start"].min()), float(rows["start"].max())
    return {
        "data": {"name": "thresholds"},
        "datasets": {"thresholds": rows, "starts": start_rows(chosen, automatic)},
        "height": HEIGHT,
        "config": _config(ink),
        "resolve": {"scale": {"color": "independent", "strokeDash": "independent"}},
        "encoding": {
            "x": {
                "field": "start",
                "type": "quantitative",
                "title": titled("Start of the tail", high),
                "scale": {"type": "log", "nice": False, "padding": 8},
                "axis": log_axis(low, high),
            }
        },
        "layer": [*layers, rules],
    }


def log_axis(low: float, high: float) -> Chart:
    """Returns a log axis of risks per million, in one unit: percent where its upper end is 1% or more.

    Its labels are evenly apart: decades, or 1, 2, 5 where there are few. low, high: ends of what is shown;
    nan where nothing is.
    """
    shown_as: Chart = {"labelExpr": IN_PERCENT} if in_percent(high) else {"format": ",~r"}
    if not low > 0:
        return {**shown_as, **APART, **LABELS, **GRID}
    steps = (1, 2, 5) if high / low < FEW_DECADES else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [step * 10.0**place for place in decades for step in steps]
    shown = [value for value in values if low <= value <= high]
    ticks = {"values": shown} if len(shown) > 1 else {"tickCount": 4}
    return {**shown_as, **APART, **ticks, **LABELS, **GRID}


def in_percent(high: float) -> bool:
    """Returns whether an axis of risks per million that ends here is labelled in percent."""
    return high >= SMALL * MILLION


def titled(what: str, high: float) -> str:
    """Returns an axis' title; with the unit, unless each label has it. high: the axis' end, per million."""
    return what if in_percent(high) else f"{what}, per million"


def _config(ink: str) -> Chart:
    return {
        "axis": {"labelColor": ink, "titleColor": ink},
        "legend": {"labelColor": ink},
    }
