"""What each proposal says alone, beside the combined estimate, and what was predicted of its error."""

import math

import pandas as pd
import streamlit as st

from core.estimation import Estimate
from core.proposals.words import component_names
from core.runs.figures import names_of
from core.runs.run import RunSpec
from core.runs.stage_tables import pilot_forecast, shares_by_stage
from core.sampling.scored import JudgedShard
from core.search.tables import predicted_error
from pages.shared import weight_charts, words
from pages.shared.state import prediction
from pages.shared.theme import ink

# Two-sided 95%, as the interval.
WIDTH = 1.96


def components_view(run: RunSpec, found: Estimate, shards: tuple[JudgedShard, ...]) -> None:
    """Draws the components of an estimate: a table, their intervals, and their shares by stage."""
    request = run.arm_request("weighted")
    every = component_names(request.proposals)
    # Components that drew nothing are not in the estimate.
    names = names_of(found, every)
    st.markdown(
        "Each proposal alone gives an estimate of its own. They must agree, within their errors; the "
        "combined one is sharper than any of them."
    )
    st.dataframe(
        _table(found, names),
        hide_index=True,
        width="stretch",
        height="content",
        column_config={
            "Share of the estimate": st.column_config.ProgressColumn(
                format="percent", min_value=0.0, max_value=1.0, width=150
            ),
            "Answers": st.column_config.NumberColumn(format="localized"),
            "Harmful": st.column_config.NumberColumn(format="localized"),
        },
    )
    left, right = st.container(key="chart_pair_components").columns(2, gap="large")
    with left:
        st.markdown("**What each says alone**, with 99.9% intervals; band: all together, 95%")
        st.vega_lite_chart(
            weight_charts.components(found, names, every, ink()),
            key="components_view.components",
            width="stretch",
            alt="Each component's own estimate with its interval beside the combined one",
        )
    with right:
        st.markdown("**Who drew the answers**: each stage draws where the ones before found most")
        st.vega_lite_chart(
            weight_charts.stage_shares(shares_by_stage(shards, request), every, ink()),
            key="components_view.stages",
            width="stretch",
            alt="Shares of the components in each stage of draws",
        )


def _table(found: Estimate, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Drawn by": names,
            "Answers": [one.rows for one in found.components],
            "Harmful": [one.hits for one in found.components],
            "Share of the estimate": [one.contribution for one in found.components],
            "Alone, per million": [
                words.in_million(one.estimate) if one.hits else "no hit" for one in found.components
            ],
            "99.9% interval": [
                words.between(one.low, one.high) if one.high < 1 else "too few hits"
                for one in found.components
            ],
        }
    )


def forecast_view(run: RunSpec, found: Estimate, shards: tuple[JudgedShard, ...]) -> None:
    """Draws the error that was predicted beside the one that was achieved, where there is any."""
    if not found.estimate > 0 or not math.isfinite(found.standard_error):
        return
    lines = []
    for pilot, source in ((False, "this question"), (True, "the pilot questions")):
        variance = prediction(run, pilot=pilot)
        if variance is not None:
            error = predicted_error(variance, found.samples)
            lines.append((f"Search on {source}, for the first proposal alone", _half_width(error)))
    forecast = pilot_forecast(shards, run.arm_request("weighted"))
    if forecast is not None:
        lines.append(
            (
                f"First {forecast.pilot_rows:,} draws ({forecast.pilot_hits} harmful), had all been "
                "shared out evenly",
                _half_width(forecast.predicted),
            )
        )
    if not lines:
        return
    lines.append(("**Achieved, all together**", _half_width(found.standard_error / found.estimate)))
    st.markdown(f"**Error after {found.samples:,} draws**, half the width of a 95% interval")
    st.table(
        pd.DataFrame(lines, columns=["Predicted by", "Error"]), border="horizontal", hide_index=True
    )
    st.caption(
        "Less than predicted: the proposals help each other, or draws went where they were needed. "
        "Clearly more: the prediction had not seen answers that carry much weight."
    )


def _half_width(relative_error: float) -> str:
    return f"±{WIDTH * relative_error:.1%}"
