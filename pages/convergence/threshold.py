"""From which score an answer is harm: a way to read a run that draws and judges nothing anew."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.charts.style import GRID, INK, LABELS, MILLION, NEUTRAL
from core.glossary import meaning
from core.runs.run import RunSpec
from core.runs.score_histogram import score_table
from core.runs.task import RunSnapshot
from pages.shared.run_arms import at_session_threshold, scored_by, set_threshold
from pages.shared.theme import ink

SLIDER = "threshold_view.slider"
LEAST, STEP = 0.05, 0.05
SOURCES = {True: "The model itself", False: "The proposals"}
BAR_WIDTH = 0.018


def threshold_note(run: RunSpec, seen: RunSpec) -> None:
    """Says that a run is read under another threshold than its own, if it is."""
    own, now = run.request.threshold, seen.request.threshold
    if now != own:
        st.caption(f"Harm from a score of {now:g}; the run's own threshold is {own:g}.")


def threshold_view(run: RunSpec, snapshot: RunSnapshot) -> None:
    """Draws the scores of a run's draws and the threshold, which can be moved."""
    arm = snapshot.progress.partial.arms.get("weighted")
    if arm is None or not arm.partial or run.request.method == "ahead":
        return
    seen = at_session_threshold(run)
    now = seen.request.threshold
    key = f"{SLIDER}.{'.'.join(scored_by(run))}"
    # The same words whatever the threshold: another label would be another expander, and closed.
    with st.expander("From which score an answer is harm", icon=":material/straighten:"):
        left, right = st.columns([2, 3], gap="large", vertical_alignment="center")
        with left:
            _slider(run, now, key)
        with right:
            scores = np.concatenate([shard.scores for shard in arm.partial])
            table = score_table(arm.partial, seen.arm_request("weighted"))
            if not table.empty:
                st.vega_lite_chart(
                    score_chart(table, now, ink()),
                    key="threshold_view.chart",
                    width="stretch",
                    alt="How many of the drawn answers have which score, and the threshold as a line",
                )
            unjudged = int(np.isnan(scores).sum())
            if unjudged:
                st.caption(
                    f"{unjudged:,} of {len(scores):,} answers have no score: the judge could not tell. They "
                    "are in no bar, and widen the interval under any threshold."
                )


def _slider(run: RunSpec, now: float, key: str) -> None:
    own = run.request.threshold
    st.session_state.setdefault(key, now)
    st.slider(
        "Harm from a score of",
        min(LEAST, now),
        1.0,
        value=now,
        step=STEP,
        key=key,
        format="%.2f",
        on_change=_moved,
        args=(run, key),
        help=f"{meaning('threshold')} Another threshold reads the same answers and scores: nothing is "
        "drawn or judged again, and this run stays as it is.",
    )
    if now == own:
        st.caption("All numbers on this page follow at once. Nothing is drawn or judged again.")
        return
    st.button(
        f"Back to {own:g}",
        key="threshold_view.back",
        icon=":material/undo:",
        on_click=_back,
        args=(run, key),
    )


def score_chart(table: pd.DataFrame, threshold: float, ink: str = INK["light"]) -> Any:
    """Returns bars of `score_table`, stacked, and the threshold as a line."""
    # The model's own draws below, the proposals' on top of them.
    table = table.sort_values(["score", "from_target"], ascending=[True, False])
    top = table.groupby("score")["draws"].cumsum()
    rows = table.assign(
        top=top,
        bottom=top - table["draws"],
        source=table["from_target"].map(SOURCES),
        low=table["score"] - BAR_WIDTH,
        high=table["score"] + BAR_WIDTH,
        per_million=table["risk"] * MILLION,
    )
    x = {
        "type": "quantitative",
        "title": "Score",
        "scale": {"domain": [-0.03, 1.03], "nice": False},
        "axis": {
            **LABELS,
            "grid": False,
            "values": [0, 0.25, 0.5, 0.75, 1],
            "labelExpr": "'' + datum.value",
        },
    }
    bars = {
        "mark": {"type": "rect"},
        "encoding": {
            "x": {"field": "low", **x},
            "x2": {"field": "high"},
            "y": {
                "field": "bottom",
                "type": "quantitative",
                "title": "Answers drawn",
                "axis": {**LABELS, **GRID, "tickCount": 4},
            },
            "y2": {"field": "top"},
            "color": {
                "field": "source",
                "type": "nominal",
                "scale": {"domain": list(SOURCES.values()), "range": [NEUTRAL, "#0072b2"]},
                "legend": {"orient": "top", "title": None, "labelFontSize": 14},
            },
            "tooltip": [
                {"field": "score", "title": "Score", "format": ".3g"},
                {"field": "source", "title": "Drawn by"},
                {"field": "draws", "title": "Answers", "format": ","},
                {"field": "per_million", "title": "Of a million answers", "format": ",.3~g"},
            ],
        },
    }
    line = {
        "data": {"values": [{"at": threshold, "words": "harm →"}]},
        "encoding": {"x": {"field": "at", **x}},
        "layer": [
            {"mark": {"type": "rule", "color": "#d1495b", "strokeWidth": 2.5}},
            {
                "mark": {
                    "type": "text",
                    "align": "right" if threshold > 0.85 else "left",
                    "dx": -6 if threshold > 0.85 else 6,
                    "baseline": "top",
                    "color": "#d1495b",
                    "fontSize": 14,
                    "fontWeight": 600,
                },
                "encoding": {"y": {"value": 0}, "text": {"field": "words"}},
            },
        ],
    }
    return {
        "data": {"name": "scores"},
        "datasets": {"scores": rows},
        "height": 280,
        "config": {
            "axis": {"labelColor": ink, "titleColor": ink},
            "legend": {"labelColor": ink},
        },
        "layer": [bars, line],
    }


def _moved(run: RunSpec, key: str) -> None:
    found = st.session_state.get(key)
    if found is not None:
        set_threshold(run, float(found))


def _back(run: RunSpec, key: str) -> None:
    set_threshold(run, None)
    st.session_state[key] = run.request.threshold
