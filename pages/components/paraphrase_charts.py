"""The forest plot: every wording's risk with its interval, on a log axis. Nothing here estimates anything."""

from collections.abc import Sequence

import pandas as pd

from core.sensitivity.comparison import VariantRow
from core.sensitivity.variants import ORIGINAL
from pages.components.charts import GRID, LABELS, NEUTRAL, Chart

NOTHING = "no harmful answer found"
VERDICTS = ("trust", "caution", "do not use", NOTHING)
COLORS = ("#009e73", "#d98e00", "#cc3d4a", NEUTRAL)
SHAPES = ("circle", "triangle-up", "cross", "triangle-left")
STAR = "★ "
MILLION = 1e6
ROW = 22
# Legend, title and axis take their room from the height.
AROUND = 145


def forest_rows(rows: Sequence[VariantRow]) -> pd.DataFrame:
    """Returns what the plot shows, the riskiest first: label, text, verdict, risk, low, high, order.

    Risks are cases per million. Without a hit, risk is the upper bound and low is missing.
    """
    known = [one for one in rows if one.row.estimate is not None]
    table = pd.DataFrame([_shown(one) for one in known])
    if table.empty:
        return table
    # Those without a hit come last: their bounds say how many answers were drawn, not which is riskier.
    table = table.sort_values(["found", "risk"], ascending=[False, False], ignore_index=True)
    return table.assign(order=range(len(table)))


def _shown(one: VariantRow) -> dict[str, object]:
    found = one.row.estimate
    assert found is not None
    hit = found.hits > 0
    what = one.variant.text if one.variant.kind == "wording" else one.variant.label
    own = one.variant.variant_id == ORIGINAL
    return {
        "id": one.variant.variant_id,
        "label": (STAR if own else "") + what,
        "text": what,
        "verdict": found.verdict if hit else NOTHING,
        "found": hit,
        "own": own,
        "risk": (found.estimate if hit else found.ci_high) * MILLION,
        "low": found.ci_low * MILLION if hit and found.ci_low > 0 else None,
        "high": found.ci_high * MILLION,
        "hits": f"{found.hits:,} of {found.samples:,}",
    }


def forest(table: pd.DataFrame, ink: str, wide: int = 380) -> Chart:
    """Returns the forest plot of `forest_rows`. wide: the most that a label takes, in pixels."""
    floor = float(pd.concat([table["low"].dropna(), table["risk"]]).min()) / 1.6
    top = float(table["high"].max()) * 1.3
    # A range that reaches down to nothing ends at the edge.
    table = table.assign(left=table["low"].fillna(floor).clip(lower=floor))
    x = {
        "type": "quantitative",
        "title": "Harmful answers per million",
        "scale": {"type": "log", "domain": [floor, top], "nice": False},
        "axis": {
            "format": ",~r",
            "tickCount": 6,
            "labelOverlap": "greedy",
            "orient": "top",
            **LABELS,
            **GRID,
        },
    }
    color = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": list(VERDICTS), "range": list(COLORS)},
        "legend": {"orient": "top", "title": None, "labelFontSize": 14, "symbolSize": 120},
    }
    shape = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": list(VERDICTS), "range": list(SHAPES)},
    }
    tips = [
        {"field": "text", "title": "Asked"},
        {"field": "risk", "title": "Per million, or its bound", "format": ",.3~r"},
        {"field": "low", "title": "95% from", "format": ",.3~r"},
        {"field": "high", "title": "to", "format": ",.3~r"},
        {"field": "hits", "title": "Harmful"},
        {"field": "verdict", "title": "Verdict"},
    ]
    layers: list[Chart] = [
        {
            "transform": [{"filter": "datum.own"}],
            "mark": {"type": "rule", "strokeDash": [5, 5], "strokeWidth": 1.5, "color": NEUTRAL},
            "encoding": {"x": {"field": "risk", **x}, "y": None},
        },
        {
            "transform": [{"filter": "datum.found"}],
            "mark": {"type": "rule", "strokeWidth": 2.5},
            "encoding": {"x": {"field": "left", **x}, "x2": {"field": "high"}, "color": color},
        },
        {
            # To the left, for the risk is anywhere below.
            "transform": [{"filter": "!datum.found"}],
            "mark": {"type": "rule", "strokeWidth": 1.5, "strokeDash": [2, 4]},
            "encoding": {"x": {"field": "left", **x}, "x2": {"field": "risk"}, "color": color},
        },
        _points("datum.found", x, color, shape, tips, filled=True),
        _points("!datum.found", x, color, shape, tips, filled=False),
    ]
    return {
        "data": {"name": "variants"},
        "datasets": {"variants": table},
        "height": ROW * len(table) + AROUND,
        "config": {
            "axis": {"labelColor": ink, "titleColor": ink},
            "legend": {"labelColor": ink},
        },
        "encoding": {
            "y": {
                "field": "label",
                "type": "nominal",
                "sort": {"field": "order", "op": "min", "order": "ascending"},
                "title": None,
                "axis": {
                    "labelLimit": wide,
                    "labelFontSize": 14,
                    "labelOverlap": False,
                    "labelFlush": False,
                    "labelBound": False,
                    "labelFontWeight": {
                        "condition": {
                            "test": f"indexof(datum.label, '{STAR}') === 0",
                            "value": 700,
                        },
                        "value": 400,
                    },
                    "ticks": False,
                    "domain": False,
                    "grid": True,
                    "gridOpacity": 0.15,
                },
            },
        },
        "layer": layers,
    }


def _points(
    test: str, x: Chart, color: Chart, shape: Chart, tips: list[Chart], *, filled: bool
) -> Chart:
    return {
        "transform": [{"filter": test}],
        "mark": {"type": "point", "filled": filled, "size": 110, "opacity": 1, "strokeWidth": 2},
        "encoding": {
            "x": {"field": "risk", **x},
            "color": color,
            "shape": shape,
            "tooltip": tips,
        },
    }
