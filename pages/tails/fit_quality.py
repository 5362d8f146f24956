"""How well the tail fits: tests in words, parameters with their intervals, and the quantile plot."""

import pandas as pd
import streamlit as st

from core.charts.style import INK
from core.tails.analysis import FittedTail, goodness_of_fit, parameter_intervals, profile_intervals
from core.tails.notices import POOR_FIT
from core.tails.quantile_plot import QuantilePlot, quantile_plot
from pages.tails.fit_quality_charts import quantiles

OPEN = "tails.fitness.open"
MEANING = {
    "shape": "how heavy the tail is: above 0 it has no end but certainty, below 0 it ends earlier",
    "scale": "how far the risks spread beyond the start",
    "rate": "the share of queries beyond the start",
    "slope": "how fast worse queries become rarer",
    "intercept": "the height of the line",
    "location": "the middle of the worst of a block",
    "block": "queries in a block",
    "mean": "the average of log risk",
    "deviation": "its spread",
    "largest": "the largest score seen",
}


def fit_quality_view(key: str, fitted: FittedTail) -> None:
    """Draws the expander, whose content is computed only while it is open."""
    folded = st.expander(
        "How well it fits", icon=":material/fact_check:", key=OPEN, on_change="rerun"
    )
    if not folded.open:
        return
    with folded:
        st.markdown(fit_quality_words(fitted))
        plot = quantile_plot(fitted)
        with st.grid(2, min_column_width=360, gap="large"):
            if plot is not None:
                with st.container(gap="xsmall"):
                    _quantiles(plot)
            with st.container(gap="xsmall"):
                st.dataframe(parameter_table(fitted), hide_index=True, width="stretch")
                st.caption(" · ".join(_meanings(fitted)))


def _quantiles(plot: QuantilePlot) -> None:
    band = f"{plot.confidence:.0%}"
    st.vega_lite_chart(
        quantiles(plot, INK[st.context.theme.type or "light"]),
        key="tails.fitness.quantiles",
        width="stretch",
        alt=f"Risks found against those expected by the fit, with a {band} band",
    )
    st.caption(
        f"Each query's risk against what the fit expects there, with a band of {band}. {outside_words(plot)} "
        "Of several wordings, the riskiest is shown."
    )


def outside_words(plot: QuantilePlot) -> str:
    """Returns how many points lie outside the band, and what that does not say."""
    outside, chance = int((~plot.inside).sum()), 1 - plot.confidence
    if not outside:
        return f"None of {len(plot.seen)} lies outside it."
    return (
        f"{outside} of {len(plot.seen)} {'lies' if outside == 1 else 'lie'} outside it; {chance:.0%} would "
        "by chance. But it is for each point by itself, and neighbours leave it together: a few outside say "
        "little. The tests above judge all points at once."
    )


def fit_quality_words(fitted: FittedTail) -> str:
    """Returns the results of the tests in words."""
    tested = goodness_of_fit(fitted)
    if tested is None:
        if fitted.fit.name in ("gumbel", "pot"):
            return "There are too few different queries in the tail to test how well it fits."
        return "The tests of fit are for a tail above a start; this fit has none."
    worst = min(tested.anderson_p, tested.cramer_p)
    verdict = (
        "**The tail does not describe these queries well.** Were it right, they would look so unlike it"
        if worst < POOR_FIT
        else "**The tests find nothing against this tail.** Were it right, queries would look so unlike it"
    )
    return (
        f"{verdict} {_of_hundred(tested.anderson_p)} by the Anderson–Darling test (p = "
        f"{tested.anderson_p:.2g}), which looks hardest at the very riskiest, and "
        f"{_of_hundred(tested.cramer_p)} by Cramér–von Mises (p = {tested.cramer_p:.2g}), which looks at all "
        f"alike. {tested.excesses:,} different queries were tested."
    )


def _of_hundred(p: float) -> str:
    count = round(p * 100)
    return "less than once in 100 times" if count < 1 else f"{count} in 100 times"


def parameter_table(fitted: FittedTail) -> pd.DataFrame:
    """Returns each parameter with its intervals."""
    whence = "From the posterior" if fitted.refits.posterior else "From refits"
    own, profile = parameter_intervals(fitted), profile_intervals(fitted)
    rows = []
    for name, value in fitted.fit.parameters.items():
        row = {
            "Parameter": name.capitalize(),
            "Value": f"{value:.3g}",
            whence: _interval(own.get(name)),
        }
        if profile:
            row["Profile likelihood"] = _interval(profile.get(name))
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.3g} to {ends[1]:.3g}"


def _meanings(fitted: FittedTail) -> list[str]:
    names = fitted.fit.parameters
    return [f"**{name.capitalize()}**: {MEANING[name]}" for name in names if name in MEANING]
