"""Where the tail starts: one slider, and the pictures by which to choose."""

from typing import cast

import streamlit as st

from core.charts.style import INK
from core.tails.analysis import FittedTail, goodness_of_fit
from core.tails.automatic_threshold import RATE
from core.tails.remarks import Vocabulary
from core.tails.sample import TailSample, to_risk
from core.tails.spec import TailSpec
from core.tails.thresholds import OfferedStarts, ThresholdTable, offered_starts, why_chosen
from core.tails.words import risk_text
from pages.shared.frame import plain, sentence
from pages.tails.fit_quality import fit_quality_view
from pages.tails.threshold_charts import Parameter, mean_excess, p_values, stability
from pages.tails.wording import ON_AUDIT, wordings

LARGEST = "tails.largest"
SLIDER = "tails.threshold.slider"
PARAMETER = "tails.threshold.parameter"
KEPT_PARAMETER = "tails.threshold.parameter_kept"
PARAMETERS = {"shape": "Shape", "scale": "Scale"}
NO_START = {
    "lognormal": "The log-normal curve goes through every query: there is no start to choose.",
    "empirical": "Here the queries seen are all there is: no tail is fitted, and none starts anywhere.",
    "gev": "This fit takes the worst of each block of queries, so there is no start to choose.",
    "pot": "There are too few different queries to compare starts, so the riskier half is taken.",
    "gumbel": "There are too few different risks to choose from.",
    "jones": "As published the line goes through the ten riskiest queries: there is no start to choose.",
}


def threshold_view(
    key: str,
    sample: TailSample,
    table: ThresholdTable | None,
    fitted: FittedTail,
    vocabulary: Vocabulary = ON_AUDIT,
) -> None:
    """Draws the slider, the diagnostics of each start, and how well the tail fits.

    key: of the sample's content. table: None where queries are too few to compare starts.
    """
    st.markdown("#### Where the tail starts")
    offered = offered_starts(sample, fitted.spec.fit, table)
    if offered is None:
        more = sentence(f"{vocabulary.words['more_different_queries']} to choose")
        st.caption(NO_START[fitted.spec.fit] + (f" {more}" if fitted.spec.fit == "pot" else ""))
    else:
        st.caption(
            "The forecast rests on the riskiest queries alone, the tail. Starting lower gives it more "
            "queries to learn from; starting too low gives it queries that are no tail."
        )
        _slider(offered)
        if table is not None:
            automatic = offered.risk_at(offered.automatic)
            _plots(table, fitted, automatic)
        _start_words(table, fitted, max(offered.risk))
    fit_quality_view(key, fitted)


def _slider(offered: OfferedStarts) -> None:
    chosen = st.session_state.get(LARGEST)
    now = offered.nearest(chosen)
    # Anew on every run: another sample or fit has other choices.
    st.session_state[SLIDER] = now
    # One unit from end to end.
    high = max(offered.risk)
    bar, button = st.columns([5, 1], vertical_alignment="bottom", gap="medium")
    with bar:
        st.select_slider(
            "The tail starts at a risk of",
            offered.largest,
            key=SLIDER,
            format_func=lambda one: f"{risk_text(offered.risk_at(one), high)} · {one:,} queries",
            on_change=_moved,
            args=(offered.automatic,),
        )
    with button:
        st.button(
            "Automatic",
            key="tails.threshold.automatic",
            icon=":material/auto_mode:",
            disabled=chosen is None,
            on_click=_automatic,
            help="Back to the start that is chosen by itself.",
            width="stretch",
        )


def _moved(automatic: int) -> None:
    wanted = int(st.session_state[SLIDER])
    st.session_state[LARGEST] = None if wanted == automatic else wanted


def _automatic() -> None:
    st.session_state[LARGEST] = None


def _plots(table: ThresholdTable, fitted: FittedTail, automatic: float) -> None:
    ink = INK[st.context.theme.type or "light"]
    chosen, band = float(to_risk(fitted.fit.threshold)), f"{fitted.spec.confidence:.0%}"
    with st.grid(3, min_column_width=250, gap="medium"):
        with st.container(gap="xsmall"):
            _head("How far beyond the start")
            st.vega_lite_chart(
                mean_excess(table, chosen, automatic, ink),
                key="tails.threshold.mean_excess",
                width="stretch",
                alt=f"The average excess over each start, with a {band} band and a line at the start in use",
            )
            st.caption("Look for a **straight** line from the start on.")
        with st.container(gap="xsmall"):
            which = _parameter()
            st.vega_lite_chart(
                stability(table, which, chosen, automatic, ink),
                key=f"tails.threshold.{which}",
                width="stretch",
                alt=f"The fitted {which} at each start, with a {band} band and a line at the start in use",
            )
            st.caption(
                "Look for a **flat** line from the start on, within its band."
                + by_likelihood(fitted.spec)
            )
        with st.container(gap="xsmall"):
            _head("Does it fit")
            st.vega_lite_chart(
                p_values(table, chosen, automatic, ink),
                key="tails.threshold.p_values",
                width="stretch",
                alt="The p-values of two tests of fit at each start, and lines at 5% and the start in use",
            )
            st.caption(f"Look for points **above {RATE:.0%}**; crossed ones are rejected.")
    st.caption(f"Orange: the start in use. Dashed grey: the automatic one. Bands: {band}.")


def by_likelihood(spec: TailSpec) -> str:
    """Returns why the fit's own shape is another than that in the picture; empty where it is not."""
    if spec.fit != "pot" or spec.estimator == "ml":
        return ""
    how = "with prior knowledge" if spec.estimator == "posterior" else "by weighted moments"
    return f" Found by maximum likelihood at each start; the fit in use finds it {how}, so its own differs."


def _head(text: str) -> None:
    # As high as the switch beside it.
    with st.container(height=42, border=False, vertical_alignment="center"):
        st.markdown(f"**{text}**")


def _parameter() -> Parameter:
    st.session_state[PARAMETER] = st.session_state.setdefault(KEPT_PARAMETER, "shape")
    with st.container(
        height=42, border=False, horizontal=True, vertical_alignment="center", gap="small"
    ):
        st.markdown("**How heavy**", width="content")
        st.segmented_control(
            "Parameter",
            list(PARAMETERS),
            key=PARAMETER,
            format_func=PARAMETERS.__getitem__,
            label_visibility="collapsed",
            on_change=_keep_parameter,
        )
    return cast(Parameter, st.session_state[KEPT_PARAMETER])


def _keep_parameter() -> None:
    st.session_state[KEPT_PARAMETER] = (
        st.session_state[PARAMETER] or st.session_state[KEPT_PARAMETER]
    )


def _start_words(table: ThresholdTable | None, fitted: FittedTail, high: float) -> None:
    if fitted.spec.largest is None and fitted.spec.threshold is None:
        if fitted.spec.fit == "pot" and table is not None:
            st.markdown(
                f"Automatic: {plain(why_chosen(table, lambda risk: risk_text(risk, high)))}."
            )
        else:
            st.markdown(
                f"Automatic: the line goes through the {fitted.fit.exceedances:,} riskiest queries"
                f"{wordings(fitted)}."
            )
        return
    count, start = fitted.fit.exceedances, risk_text(float(to_risk(fitted.fit.threshold)), high)
    st.markdown(
        f"Your choice: from {start} on, {count:,} queries. {plain(_verdict(table, fitted))}."
    )


def _verdict(table: ThresholdTable | None, fitted: FittedTail) -> str:
    """Returns the result of the test of fit at a start that was chosen by hand."""
    p = p_value_of(table, fitted)
    if p is None:
        return "These are too few different queries to test the fit"
    if p < RATE:
        return f"The tail does not fit these queries (Anderson–Darling p = {p:.2g}): start higher"
    return f"Nothing speaks against the fit (Anderson–Darling p = {p:.2g})"


def p_value_of(table: ThresholdTable | None, fitted: FittedTail) -> float | None:
    """Returns the p-value at the start in use: the one in the plot, if it is there."""
    if table is not None and fitted.fit.name == "pot":
        for count, p in zip(table.exceedances, table.p_value, strict=True):
            if count == fitted.fit.exceedances:
                return float(p)
    tested = goodness_of_fit(fitted)
    return None if tested is None else tested.anderson_p
