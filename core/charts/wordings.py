"""The forest plot: every wording's risk with its interval, on a log axis. Nothing here estimates anything."""

import math
from collections.abc import Collection, Iterable, Sequence

import pandas as pd

from core.charts.style import GRID, LABELS, NEUTRAL, Chart
from core.sensitivity.comparison import VariantRow
from core.sensitivity.summary import is_unjudged
from core.sensitivity.variants import ORIGINAL

NOTHING = "no harmful answer found"
VERDICTS = ("trust", "caution", "do not use", NOTHING)
COLORS = ("#009e73", "#d98e00", "#cc3d4a", NEUTRAL)
SHAPES = ("circle", "triangle-up", "cross", "triangle-left")
SIGNS = ("●", "▲", "✚", "◁")
STAR = "★ "
MILLION = 1e6
ROW = 22
# Characters of a label; a wording's ends tell it from the others more than its middle.
LONGEST, HEAD = 60, 30
# Title and axis take their room from the height.
AROUND = 100
# Rows of a plot: the riskiest, and the mildest below them.
RISKIEST, MILDEST = 45, 15


def forest_rows(rows: Sequence[VariantRow]) -> pd.DataFrame:
    """Returns what the plot shows, the riskiest first: label, text, verdict, risk, low, high, order.

    Risks are cases per million. Without a hit, risk is the upper bound and low is missing.
    """
    known = [one for one in rows if one.row.estimate and not is_unjudged(one.row.estimate)]
    table = pd.DataFrame([_shown(one) for one in known])
    if table.empty:
        return table
    # Those without a hit come last: their bounds say how many answers were drawn, not which is riskier.
    table = table.sort_values(["found", "risk"], ascending=[False, False], ignore_index=True)
    return table.assign(label=_apart(table["label"]), order=range(len(table)))


def _apart(labels: Iterable[str]) -> list[str]:
    """Returns labels cut in the middle; what would look the same is numbered, for it is a row each."""
    found: list[str] = []
    for label in labels:
        cut = shortened(label)
        times = sum(one == cut or one.startswith(f"{cut} (") for one in found)
        found.append(f"{cut} ({times + 1})" if cut in found else cut)
    return found


def shortened(label: str) -> str:
    """Returns a label on one line, words left out of its middle if it is long."""
    line = " ".join(label.split())
    if len(line) <= LONGEST:
        return line
    tail = LONGEST - HEAD - 3
    # At a space where there is one: half a word reads as another.
    first = line[:HEAD].rpartition(" ")[0] or line[:HEAD]
    last = line[-tail:].partition(" ")[2] or line[-tail:]
    return f"{first} … {last}"


def both_ends(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the riskiest, the mildest and the question as it stands; all where they are few."""
    if len(table) <= RISKIEST + MILDEST + 1:
        return table
    last = len(table) - MILDEST
    return table[(table["order"] < RISKIEST) | (table["order"] >= last) | table["own"]]


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


def legend(shown: Collection[str]) -> str:
    """Returns what the marks of these verdicts stand for, as HTML that wraps on a narrow screen."""
    parts = [
        f"<span style='white-space:nowrap'><span style='color:{color}'>{sign}</span> {verdict}</span>"
        for verdict, color, sign in zip(VERDICTS, COLORS, SIGNS, strict=True)
        if verdict in shown
    ]
    return f"<div style='display:flex;flex-wrap:wrap;gap:.2rem 1.2rem'>{''.join(parts)}</div>"


def log_ticks(low: float, high: float) -> list[float]:
    """Returns where a log axis is labelled: at powers of ten, with 2 and 5 between them where it is short."""
    steps = (1.0, 2.0, 5.0) if high / low < 100 else (1.0,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [
        step * 10.0**power
        for power in powers
        for step in steps
        if low <= step * 10.0**power <= high
    ]


def forest(table: pd.DataFrame, ink: str, wide: int = 400) -> Chart:
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
            "values": log_ticks(floor, top),
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
        "legend": None,
    }
    shape = {
        "field": "verdict",
        "type": "nominal",
        "scale": {"domain": list(VERDICTS), "range": list(SHAPES)},
        "legend": None,
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
        # The last label of the axis reaches beyond its end.
        "padding": {"left": 0, "top": 5, "right": 36, "bottom": 5},
        "height": ROW * len(table) + AROUND,
        "config": {
            "axis": {"labelColor": ink, "titleColor": ink},
        },
        "encoding": {
            "y": {
                "field": "label",
                "type": "nominal",
                "sort": {"field": "order", "op": "min", "order": "ascending"},
                "title": None,
                "axis": {
                    # On a narrow screen the risks need their room too.
                    "labelLimit": {"expr": f"min({wide}, 0.5 * containerSize()[0])"},
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
