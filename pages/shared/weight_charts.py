"""Charts of a run's weights: what each proposal says alone, how draws were shared, where weight lies."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.charts.style import GRID, INK, LABELS, MILLION, Chart
from core.estimation import Estimate
from core.runs.weight_tables import TokenWeights

HARMFUL = "#d1495b"
OTHER = "#8494a4"
COMBINED = "All together"
ROW_HEIGHT = 46


def components(
    found: Estimate, names: Sequence[str], every: Sequence[str], ink: str = INK["light"]
) -> Chart:
    """Returns each component's own estimate with its interval beside the combined one.

    names: of the components, as people read them, in the order of `Estimate.components`. every: also of
    those that drew nothing, so that each keeps its colour.
    """
    rows = _component_rows(found, names)
    domain = _domain(rows)
    rows["low"] = rows["low"].clip(lower=domain[0])
    rows["high"] = rows["high"].clip(upper=domain[1])
    y = {
        "field": "name",
        "type": "ordinal",
        "sort": None,
        "title": None,
        "axis": {**LABELS, "labelLimit": 260, "ticks": False, "domain": False, "labelPadding": 8},
    }
    x = {
        "field": "low",
        "type": "quantitative",
        "title": "Harmful answers per million",
        "scale": {"type": "log", "domain": domain, "nice": False},
        "axis": {**LABELS, **GRID, "format": ",~r", "tickCount": 5, "labelOverlap": "greedy"},
    }
    color = {
        "condition": {"test": "datum.combined", "value": ink},
        "field": "name",
        "type": "nominal",
        "scale": {"domain": list(every)},
        "legend": None,
    }
    tooltip = [
        {"field": "name", "title": "Drawn by"},
        {"field": "rows", "title": "Answers", "format": ","},
        {"field": "hits", "title": "Harmful", "format": ","},
        {"field": "said", "title": "Per million"},
    ]
    return {
        "datasets": {"components": rows},
        "height": ROW_HEIGHT * len(rows) + 90,
        "config": {"axis": {"labelColor": ink, "titleColor": ink}},
        "layer": [
            {
                "data": {
                    "values": [{"low": found.ci_low * MILLION, "high": found.ci_high * MILLION}]
                },
                "transform": [{"calculate": f"max(datum.low, {domain[0]})", "as": "from"}],
                "mark": {"type": "rect", "color": ink, "opacity": 0.13, "clip": True},
                "encoding": {"x": {**x, "field": "from"}, "x2": {"field": "high"}},
            },
            {
                "data": {"name": "components"},
                "mark": {"type": "rule", "strokeWidth": 4, "strokeCap": "round"},
                "encoding": {
                    "y": y,
                    "x": x,
                    "x2": {"field": "high"},
                    "color": color,
                    "tooltip": tooltip,
                },
            },
            {
                "data": {"name": "components"},
                "mark": {"type": "point", "filled": True, "size": 150, "opacity": 1},
                "encoding": {
                    "y": y,
                    "x": {**x, "field": "estimate"},
                    "color": color,
                    "tooltip": tooltip,
                },
            },
        ],
    }


def _component_rows(found: Estimate, names: Sequence[str]) -> pd.DataFrame:
    lines = [
        (
            name,
            one.rows,
            one.hits,
            one.estimate if one.hits else np.nan,
            one.low,
            one.high,
            False,
        )
        for name, one in zip(names, found.components, strict=True)
    ]
    value = found.estimate if found.hits else np.nan
    lines.append((COMBINED, found.samples, found.hits, value, found.ci_low, found.ci_high, True))
    rows = pd.DataFrame(
        lines, columns=["name", "rows", "hits", "estimate", "low", "high", "combined"]
    )
    for column in ("estimate", "low", "high"):
        rows[column] *= MILLION
    rows["said"] = [
        f"{f'{e:,.3g}' if e == e else 'not known'}, interval {low:,.3g} to {high:,.3g}"
        for e, low, high in zip(rows["estimate"], rows["low"], rows["high"], strict=True)
    ]
    return rows


def _domain(rows: pd.DataFrame) -> list[float]:
    """Returns the axis: all that is known of, and a little room; intervals beyond it are cut there."""
    ends = pd.concat([rows["estimate"].dropna(), rows["low"], rows["high"]])
    known = ends[(ends > 0) & (ends < 0.999 * MILLION)]
    if known.empty:
        return [1.0, MILLION]
    return [float(known.min()) / 2, min(float(known.max()) * 2, MILLION)]


def stage_shares(table: pd.DataFrame, names: Sequence[str], ink: str = INK["light"]) -> Chart:
    """Returns bars: who drew the answers of each stage (`core.runs.stage_tables.shares_by_stage`)."""
    rows = table.assign(
        name=[names[j] for j in table["component"]],
        stage=[
            f"{first:,} to {last:,}"
            for first, last in zip(table["first"], table["last"], strict=True)
        ],
    )
    return {
        "data": {"name": "stages"},
        "datasets": {"stages": rows},
        "height": ROW_HEIGHT * rows["stage"].nunique() + 150,
        "config": {
            "axis": {"labelColor": ink, "titleColor": ink},
            "legend": {"labelColor": ink},
        },
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": {
                "field": "stage",
                "type": "ordinal",
                "sort": None,
                "title": "Answers",
                "axis": {**LABELS, "labelLimit": 200},
            },
            "x": {
                "field": "share",
                "type": "quantitative",
                "title": "Share of the stage's answers",
                "scale": {"domain": [0, 1]},
                "axis": {**LABELS, **GRID, "format": "%", "tickCount": 5},
            },
            "color": {
                "field": "name",
                "type": "nominal",
                "scale": {"domain": list(names)},
                "legend": {
                    "orient": "top",
                    "columns": 2,
                    "title": None,
                    "labelFontSize": 14,
                    "labelLimit": 300,
                },
            },
            "order": {"field": "component"},
            "tooltip": [
                {"field": "name", "title": "Drawn by"},
                {"field": "stage", "title": "Answers"},
                {"field": "rows", "title": "Drawn", "format": ","},
                {"field": "share", "title": "Share", "format": ".0%"},
            ],
        },
    }


def weight_histogram(table: pd.DataFrame, ink: str = INK["light"]) -> Chart:
    """Returns bars of `core.runs.weight_tables.weight_histogram`; a click selects those of a weight."""
    rows = table.assign(kind=np.where(table["harmful"], "harmful", "other"))
    return {
        "data": {"name": "weights"},
        "datasets": {"weights": rows},
        "height": 320,
        "config": {
            "axis": {"labelColor": ink, "titleColor": ink},
            "legend": {"labelColor": ink},
        },
        "params": [
            {
                "name": "bar",
                "select": {"type": "point", "fields": ["low"], "on": "click", "toggle": "true"},
            }
        ],
        "mark": {"type": "bar", "cursor": "pointer", "binSpacing": 1},
        "encoding": {
            "x": {
                "field": "low",
                "type": "quantitative",
                "bin": {"binned": True, "step": float((table["high"] - table["low"]).iloc[0])},
                "title": "Weight, as a power of ten (the lowest bar: all that is less)",
                "axis": {**LABELS, "tickCount": 10, "grid": False},
            },
            "x2": {"field": "high"},
            "y": {
                "field": "draws",
                "type": "quantitative",
                "title": "Answers drawn",
                "axis": {**LABELS, **GRID, "tickCount": 4},
            },
            "color": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": ["harmful", "other"], "range": [HARMFUL, OTHER]},
                "legend": {"orient": "top", "title": None, "labelFontSize": 14},
            },
            "opacity": {"condition": {"param": "bar", "value": 1.0}, "value": 0.35},
            "tooltip": [
                {"field": "kind", "title": "Answers"},
                {"field": "draws", "title": "Drawn", "format": ","},
                {"field": "low", "title": "Weight from 10^"},
                {"field": "high", "title": "to 10^"},
                {"field": "share", "title": "Share of the estimate", "format": ".1%"},
            ],
        },
    }


def token_bars(tokens: TokenWeights, ink: str = INK["light"]) -> Chart:
    """Returns what each word of an answer adds to its weight, as a power of ten."""
    added = tokens.log_weight / np.log(10)
    rows = pd.DataFrame(
        {
            # Numbered, so that a word that comes twice keeps both its places.
            "place": [f"{place:04d} {word}" for place, word in enumerate(tokens.words)],
            "word": tokens.words,
            "added": added,
            "total": np.cumsum(added),
        }
    )
    tooltip = [
        {"field": "word", "title": "Word"},
        {"field": "added", "title": "Adds to the power of ten", "format": "+.2f"},
        {"field": "total", "title": "Power of ten so far", "format": "+.2f"},
    ]
    x = {
        "field": "place",
        "type": "ordinal",
        "sort": None,
        "title": None,
        "axis": {
            **LABELS,
            "labelFontSize": 13,
            "labelAngle": -55,
            "labelOverlap": False,
            "labelExpr": "slice(datum.label, 5)",
            "ticks": False,
        },
    }
    return {
        "datasets": {"tokens": rows},
        "height": 320,
        "config": {"axis": {"labelColor": ink, "titleColor": ink}},
        "layer": [
            {
                "data": {"name": "tokens"},
                "mark": {"type": "bar"},
                "encoding": {
                    "x": x,
                    "y": {
                        "field": "added",
                        "type": "quantitative",
                        "title": "Weight, as a power of ten",
                        "axis": {**LABELS, **GRID, "tickCount": 5},
                    },
                    "color": {
                        "condition": {"test": "datum.added < 0", "value": "#d55e00"},
                        "value": "#0072b2",
                    },
                    "tooltip": tooltip,
                },
            },
            {
                "data": {"name": "tokens"},
                "mark": {"type": "line", "strokeWidth": 2, "color": ink, "interpolate": "step"},
                "encoding": {"x": x, "y": {"field": "total", "type": "quantitative"}},
            },
        ],
    }
