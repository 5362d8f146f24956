"""The result of a backtest: in one sentence, as a table, and as pictures."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from core.charts.style import INK
from core.tails.backtest import Backtest
from core.tails.backtest_task import BacktestState
from pages.shared.chances import big, chance
from pages.shared.words import whole
from pages.tails.backtest_charts import reliability, scatter
from pages.tails.fits_charts import BASELINES
from pages.tails.state import remembered
from pages.tails.wording import SHORT_FITS

SHARES = ("Within a factor of 10", "Too low", "95% range held it")
MISS = "Average miss (factor)"
BY_GROUP, NAIVE = "Wordings kept together", "Wordings mixed: too optimistic"
# Of fewer trials a share says nothing yet.
FEWEST_TRIALS = 30
# As many forecasts too low, or too high, are a leaning.
LEANS = 0.65
SHORT = {BY_GROUP: "Kept together", NAIVE: "Mixed"}


def result_view(at: BacktestState) -> None:
    """Draws what is known so far."""
    name = main_fit(at)
    found = at.by_group.get(name)
    if not at.whole and at.done < FEWEST_TRIALS:
        st.caption(f"The result is shown here from {FEWEST_TRIALS} trials on.")
    elif found is None:
        st.markdown(f"**{SHORT_FITS[name]}: {no_fit(at)}.**")
    else:
        st.html(big(*headline(found, SHORT_FITS[name] if name != at.spec.tail.fit else "")))
        _in_words(at, name, found)
    if found is not None and found.failed:
        st.caption(
            f"In {found.failed:,} other trials there were too few different queries for a fit."
        )
    if at.by_group:
        _scores(at)
    _pictures(at)


def _in_words(at: BacktestState, name: str, found: Backtest) -> None:
    if len(found.worst) >= FEWEST_TRIALS:
        below, above = leaning(found)
        if below:
            st.warning(below, icon=":material/warning:")
        if above:
            st.markdown(above)
    nearer = nearer_baselines(at, name)
    if nearer:
        st.markdown(nearer)


def leaning(found: Backtest) -> tuple[str, str]:
    """Returns what is said of forecasts mostly too low, and of those mostly too high; else empty."""
    low = found.scores()["underestimates"]
    if low >= LEANS:
        return (
            "On these queries it leans low: the worst was above the forecast in "
            f"{chance(low, counted=True)} of trials, which is the unsafe side.",
            "",
        )
    if 1 - low >= LEANS:
        return (
            "",
            "On these queries it leans high: the worst was below the forecast in "
            f"{chance(1 - low, counted=True)} of trials, which is the safe side.",
        )
    return "", ""


def nearer_baselines(at: BacktestState, name: str) -> str:
    """Returns which simple forecasts missed by less than the named one on average; empty if none did."""

    def miss(fit: str) -> float:
        return at.by_group[fit].scores()["mean_absolute_log_error"]

    nearer = [fit for fit in BASELINES if fit in at.by_group and miss(fit) < miss(name)]
    if not nearer:
        return ""
    listed = " and ".join(f"“{SHORT_FITS[fit]}” ({factor(miss(fit))})" for fit in nearer)
    return f"{listed} came nearer on average than “{SHORT_FITS[name]}” ({factor(miss(name))})."


def factor(log_error: float) -> str:
    """Returns a miss in powers of ten as the factor that it is: 0.26 is 1.8×."""
    times = 10.0**log_error
    return f"{times:.2f}×" if times < 1.1 else f"{times:.1f}×" if times < 10 else f"{whole(times)}×"


def main_fit(at: BacktestState) -> str:
    """Returns the fit in use if it is tested, else the first that is; it is the same all along."""
    fit = at.spec.tail.fit
    return fit if fit in at.spec.fits else at.spec.fits[0]


def no_fit(at: BacktestState) -> str:
    """Returns what is said of a fit without any result."""
    so_far = "" if at.whole else " so far"
    return f"no fit could be made from so few queries in any of {at.done:,} trials{so_far}"


def headline(found: Backtest, name: str = "") -> tuple[str, str]:
    """Returns the big words and the small ones below them. name: of the fit, if it is not the one in use."""
    scores = found.scores()
    whose = f"{name}: the forecast" if name else "The forecast"
    count = len(found.worst)
    return (
        f"{whose} of the worst query was within a factor of 10 in "
        f"{chance(scores['within_a_decade'], counted=True)} of trials",
        f"In {count:,} {'trial' if count == 1 else 'trials'} it was too low in "
        f"{chance(scores['underestimates'], counted=True)} and too high in the others; its 95% range "
        f"held the worst query in {chance(scores['coverage'], counted=True)}.",
    )


def score_table(at: BacktestState) -> pd.DataFrame:
    """Returns a row a fit and way to split, with its scores."""
    ways = [(BY_GROUP, at.by_group), *([] if at.naive is None else [(NAIVE, at.naive)])]
    rows = []
    for name in at.spec.fits:
        for way, found in ways:
            if name in found:
                scores = found[name].scores()
                rows.append(
                    {
                        "Forecast": SHORT_FITS[name],
                        "Split": SHORT[way],
                        MISS: scores["mean_absolute_log_error"],
                        "Within a factor of 10": scores["within_a_decade"],
                        "Too low": scores["underestimates"],
                        "95% range held it": scores["coverage"],
                        "Brier score": scores["brier"],
                    }
                )
    table = pd.DataFrame(rows)
    return table if at.naive is not None else table.drop(columns="Split")


def shown_table(at: BacktestState) -> pd.DataFrame:
    """Returns the same in words: a share is 0% or 100% only if no trial was, or every one."""
    table = score_table(at)
    for name in SHARES:
        table[name] = [chance(share, counted=True) for share in table[name]]
    table[MISS] = [factor(miss) for miss in table[MISS]]
    return table


def _scores(at: BacktestState) -> None:
    column: Any = partial(st.column_config.TextColumn, alignment="right")
    st.dataframe(
        shown_table(at),
        hide_index=True,
        width="stretch",
        column_config={
            MISS: column(
                help="How far the forecast was from what came, up or down: 1× is right, 10× is ten times too "
                "much or a tenth.",
            ),
            "Within a factor of 10": column(),
            "Too low": column(
                help="Half of the time is fair. Much more often: the forecast plays down.",
            ),
            "95% range held it": column(help="95% would be as promised."),
            "Brier score": st.column_config.NumberColumn(
                format="%.3f",
                help="How far the chances forecast for passing a level were from what came, squared. Smaller "
                "is better: 0 is perfect, 0.25 is what guessing 50% gets.",
            ),
        },
    )
    st.caption(
        "Brier score: how wrong the chances were. Smaller is better; 0.25 is what guessing 50% gets."
    )
    if at.naive is None:
        st.caption(
            "No query here is another's wording, so keeping wordings together or not is the same, and was "
            "tested once."
        )
    else:
        st.caption(
            "“Mixed” lets wordings of one question lie on both sides: the worst has then often been "
            "seen already, and the forecast may look better than it is. Trust the other."
        )


def _pictures(at: BacktestState) -> None:
    names = at.spec.fits
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        name, way = names[0], BY_GROUP
        if len(names) > 1:
            name = (
                st.segmented_control(
                    "Forecast",
                    names,
                    format_func=SHORT_FITS.__getitem__,
                    label_visibility="collapsed",
                    **remembered(f"trial_shown {'-'.join(names)}", main_fit(at)),
                )
                or names[0]
            )
        if at.naive is not None:
            way = (
                st.segmented_control(
                    "Split",
                    (BY_GROUP, NAIVE),
                    label_visibility="collapsed",
                    **remembered("trial_way", BY_GROUP),
                )
                or BY_GROUP
            )
    found = (at.naive if way == NAIVE and at.naive is not None else at.by_group).get(name)
    if found is None:
        mixed = f" with wordings {SHORT[way].lower()}" if at.naive is not None else ""
        st.caption(f"{SHORT_FITS[name]}{mixed}: {no_fit(at)}.")
        return
    ink = INK[st.context.theme.type or "light"]
    with st.grid(2, min_column_width=360, gap="large"):
        with st.container(gap="xsmall"):
            st.vega_lite_chart(
                scatter(found, ink),
                key="tails.trial.scatter",
                width="stretch",
                alt="The forecast of the worst query against what came, a point a trial",
            )
            st.caption(
                "A point a trial. On the dashed line the forecast was right; in the grey band it was within "
                "a factor of 10. Points above the line: the forecast was too low."
            )
        with st.container(gap="xsmall"):
            st.vega_lite_chart(
                reliability(found, ink),
                key="tails.trial.reliability",
                width="stretch",
                alt="How often the worst query passed a level, against the chance forecast for it",
            )
            st.caption(
                "The chances that the worst passes a level, forecasts alike in chance taken together. On the "
                "dashed line, what was forecast at 30% happened in 30%. Larger points: more forecasts."
            )
