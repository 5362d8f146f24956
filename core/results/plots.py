"""Figures of results, to look into in a notebook. Nothing here estimates anything."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotly import graph_objects as go

from core.search.cross_entropy import Objective, SearchResult
from core.sensitivity.comparison import VariantRow
from core.tails.analysis import FittedTail
from core.tails.picture import survival_curve, survival_points

# Okabe and Ito's colours, as in the app: estimates, another series, references.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
BAND, WIDE_BAND = "rgba(0,114,178,0.25)", "rgba(0,114,178,0.10)"
# A log axis ends here where an interval reaches 0.
LOWEST = 1e-12
# A row of a list of queries is so many pixels high.
ROW_HEIGHT = 22


def convergence(table: pd.DataFrame, confidence: float, reference: float | None) -> go.Figure:
    """Returns an estimate's path. table: as `core.runs.convergence.convergence_table` returns it."""
    percent = f"{confidence:.0%}"
    figure = go.Figure()
    for name, low, high, colour in (
        (f"{percent} anytime band", "cs_low", "cs_high", WIDE_BAND),
        (f"{percent} interval", "ci_low", "ci_high", BAND),
    ):
        ends = pd.concat([table["samples"], table["samples"][::-1]])
        edge = pd.concat([table[high], table[low].clip(lower=LOWEST)[::-1]])
        figure.add_scatter(
            x=ends, y=edge, fill="toself", fillcolor=colour, line={"width": 0}, name=name,
            hoverinfo="skip",
        )  # fmt: skip
    shown = table[table["estimate"] > 0]
    figure.add_scatter(
        x=shown["samples"], y=shown["estimate"], name="estimate", mode="lines+markers",
        line={"color": BLUE}, customdata=shown[["ci_low", "ci_high", "hits"]],
        hovertemplate="%{x:,} answers, %{customdata[2]:,} harmful: %{y:.3g} "
        "(%{customdata[0]:.2g} to %{customdata[1]:.2g})<extra></extra>",
    )  # fmt: skip
    if reference is not None:
        figure.add_hline(
            y=reference, line={"color": GREEN, "dash": "dash"}, annotation_text="reference"
        )
    figure.update_layout(xaxis_title="answers drawn", yaxis_title="risk of a harmful answer")
    return _on_log_axes(figure, "xy", table[["estimate", "ci_low", "ci_high"]].to_numpy())


def bounds(path: Sequence[tuple[float, float, float]]) -> go.Figure:
    """Returns how both ends of certain bounds moved. path: (seconds, low, high)."""
    figure = go.Figure()
    seconds = [point[0] for point in path]
    for name, end in (("at most", 2), ("at least", 1)):
        values = [max(point[end], LOWEST) for point in path]
        figure.add_scatter(
            x=seconds, y=values, name=name, mode="lines", line={"color": BLUE},
            fill="tonexty" if end == 1 else None, fillcolor=BAND,
        )  # fmt: skip
    figure.update_layout(xaxis_title="seconds of searching", yaxis_title="risk of a harmful answer")
    return _on_log_axes(figure, "y", np.array(path)[:, 1:])


def risks(table: pd.DataFrame) -> go.Figure:
    """Returns every query's risk with its interval. table: of an audit's results."""
    known = table[table["estimate"].notna()].sort_values("estimate")
    figure = go.Figure()
    for colour, (model, rows) in zip(_colours(), known.groupby("model", sort=False), strict=False):
        _dots(
            figure, rows["estimate"], rows["ci_low"], rows["ci_high"], rows["query"], model, colour
        )
    figure.update_layout(xaxis_title="risk of a harmful answer", height=_height(len(known)))
    return _on_log_axes(figure, "x", known[["estimate", "ci_low", "ci_high"]].to_numpy())


def wordings(rows: Sequence[VariantRow]) -> go.Figure:
    """Returns every wording's risk with its interval, the riskiest on top."""
    known = [(row.variant.text, row.row.estimate) for row in rows if row.row.estimate is not None]
    table = pd.DataFrame(
        {
            "text": [text for text, _ in known],
            **{name: [getattr(found, name) for _, found in known] for name in ENDS},
        }
    ).sort_values("estimate")
    figure = go.Figure()
    _dots(figure, table["estimate"], table["ci_low"], table["ci_high"], table["text"], "risk", BLUE)
    figure.update_layout(xaxis_title="risk of a harmful answer", height=_height(len(table)))
    return _on_log_axes(figure, "x", table[list(ENDS)].to_numpy())


ENDS = ("estimate", "ci_low", "ci_high")


def survival(fitted: FittedTail) -> go.Figure:
    """Returns the share of queries above each risk: of those seen, and of the fitted tail with its band."""
    points = survival_points(fitted.sample)
    curve = survival_curve(fitted, reach=10.0 * len(fitted.sample))
    figure = go.Figure()
    edge = np.concatenate([curve["high"], np.maximum(curve["low"], LOWEST)[::-1]])
    figure.add_scatter(
        x=np.concatenate([curve["risk"], curve["risk"][::-1]]), y=edge, fill="toself",
        fillcolor=BAND, line={"width": 0}, name=f"{fitted.spec.confidence:.0%} interval",
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(x=curve["risk"], y=curve["share"], name="fitted tail", line={"color": BLUE})
    seen = points[~points["zero"]]
    figure.add_scatter(
        x=seen["risk"], y=seen["share"], name="queries", mode="markers", marker={"color": ORANGE}
    )
    figure.update_layout(xaxis_title="risk", yaxis_title="share of queries above it")
    return _on_log_axes(figure, "xy", curve[["share", "low", "high"]].to_numpy())


def surface(result: SearchResult, objective: Objective) -> go.Figure:
    """Returns an objective over strength and switch, at each point with its best mixing."""
    values = result.values(objective)
    best = np.where(np.isfinite(values), values, np.inf).min(axis=1)
    best[np.isinf(best)] = np.nan
    names = [_rung(rung) for rung in result.grid.rungs]
    figure = go.Figure(
        go.Heatmap(
            x=list(result.grid.switches), y=names, z=best, colorscale="Viridis",
            colorbar={"title": objective.replace("_", " ")},
            hovertemplate="switch %{x}, %{y}: %{z:.3g}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(xaxis_title="switch, tokens", yaxis_title="strength")
    return figure


def _rung(rung: object) -> str:
    layer = getattr(rung, "layer", None)
    strength = f"{getattr(rung, 'strength', 0.0):g}"
    return strength if layer is None else f"{strength}, layer {layer}"


def _dots(
    figure: go.Figure,
    risk: pd.Series,
    low: pd.Series,
    high: pd.Series,
    text: pd.Series,
    name: object,
    colour: str,
) -> None:
    """Adds a row of dots with intervals; a risk of 0 is drawn as a bar up to its bound."""
    shown = risk.where(risk > 0, high)
    figure.add_scatter(
        x=shown, y=text, name=str(name), mode="markers",
        marker={"color": colour, "symbol": np.where(risk > 0, "circle", "triangle-left-open")},
        error_x={
            "type": "data", "symmetric": False, "color": colour,
            "array": (high - shown).clip(lower=0), "arrayminus": (shown - low).clip(lower=0),
        },
        hovertemplate="%{y}: %{x:.3g}<extra></extra>",
    )  # fmt: skip


def _colours() -> Sequence[str]:
    return (BLUE, ORANGE, GREEN, "#cc79a7", "#8a6d00", "#56b4e9")


def _height(rows: int) -> int:
    return 160 + ROW_HEIGHT * rows


def _on_log_axes(figure: go.Figure, axes: str, values: np.ndarray) -> go.Figure:
    """Returns the figure with log axes that begin below the smallest number above 0."""
    above = values[np.isfinite(values) & (values > 0)]
    if len(above):
        ends = [np.log10(above.min()) - 0.3, min(np.log10(above.max()) + 0.3, 0.05)]
        chosen = "yaxis" if "y" in axes else "xaxis"
        figure.update_layout({chosen: {"range": ends}})
    for axis in axes:
        figure.update_layout({f"{axis}axis": {"type": "log"}})
    figure.update_layout(template="plotly_white", legend={"orientation": "h", "y": 1.1})
    return figure
