"""The forecast of the riskiest of many questions: number first, then picture, then what it rests on."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import TailscopeError
from core.tails.analysis import FittedTail
from core.tails.forecast import Forecast
from core.tails.picture import survival_points
from core.tails.reading import ReadSample
from core.tails.scores import to_risk
from core.tails.told import warnings_of
from pages.components import charts, tails_charts
from pages.components.deployment_words import big
from pages.components.frame import plain, sentence, show_error
from pages.components.tails_backtest import backtest_view
from pages.components.tails_choices import fit_choice, horizon_choice, spec_of, tau_choice
from pages.components.tails_doubtful import doubtful_view, leaves_out
from pages.components.tails_fan import differs, fan
from pages.components.tails_fits import fits_view
from pages.components.tails_opened import Opened
from pages.components.tails_state import (
    cells_of,
    curve_of,
    fan_of,
    fitted_of,
    forget_start,
    keep,
    key_of,
    levels_of,
    sample_of,
    supported_of,
    table_of,
    told_of,
)
from pages.components.tails_take_away import take_away
from pages.components.tails_threshold import threshold_view
from pages.components.tails_words import (
    chance_range,
    for_page,
    headline,
    likely,
    risk_range,
    risk_text,
    too_far,
)

TOO_FAR = "too far for this fit"


@dataclass(frozen=True, eq=False)
class Found:
    """A forecast for one horizon, and what it was made from."""

    opened: Opened
    read: ReadSample
    key: str
    fitted: FittedTail
    told: Forecast
    as_estimated: Forecast
    n: int
    tau: float

    @property
    def supported(self) -> bool:
        return self.n <= self.told.supported


def result(opened: Opened, polling: bool) -> None:
    """Draws choices and forecast; errors stay here, for a fragment has no page around it."""
    if opened.going() != polling:
        # Polling begins and ends with a run of the whole page.
        st.rerun()
    try:
        _result(opened)
    except TailscopeError as error:
        show_error(error)


def _result(opened: Opened) -> None:
    standing = opened.standing()
    if standing:
        st.caption(standing)
    one, two, three = st.columns([5, 4, 3], gap="medium")
    with one:
        fit, corrected, confidence = fit_choice()
    with three:
        tau = tau_choice()
    forget_start(if_other=(opened.identity, fit))
    stamp = opened.stamp()
    table = cells_of(opened.identity, stamp, opened.table)
    whole = sample_of(opened.identity, stamp, table, opened.model, keep_doubtful=True)
    read = whole
    if leaves_out(opened.identity):
        read = sample_of(opened.identity, stamp, table, opened.model, keep_doubtful=False)
    key = key_of(read.sample)
    spec = spec_of(fit, corrected, confidence)
    choices = table_of(key, read.sample, confidence)
    fitted = fitted_of(key, read.sample, spec, choices)
    supported = supported_of(key, fitted)
    with two:
        n = horizon_choice(supported)
    found = Found(opened, read, key, fitted, *told_of(key, fitted, float(n)), n, tau)
    _headline(found)
    doubtful_view(opened.identity, whole, table, fitted)
    _fan(found)
    _keep_in_mind(found)
    _survival(found)
    _levels(found)
    threshold_view(key, read.sample, choices, fitted)
    fits_view(key, read.sample, fitted.spec, float(n))
    backtest_view(key, opened.name, read.sample, fitted.spec)
    take_away(opened, found.read, fitted, (found.told, found.as_estimated), tau, _warnings(found))


def _headline(found: Found) -> None:
    told, confidence = found.told, found.fitted.spec.confidence
    if not found.supported:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{too_far(found.n, told.supported, len(found.read.sample))}**", width="stretch"
            )
            if told.supported >= 1:
                st.button(
                    f"Ask about {told.supported:,.0f}",
                    key="tails.furthest",
                    type="primary",
                    on_click=keep,
                    args=("horizon", int(told.supported)),
                )
    else:
        st.html(big(*headline(told, confidence)))
    _metrics(found)
    st.caption(_facts(found))


def _metrics(found: Found) -> None:
    told, predictor, tau = found.told, found.fitted.predictor, found.tau
    confidence = found.fitted.spec.confidence
    sure = f"{confidence:.0%} sure: "
    share, low, high = predictor.share_above(tau, confidence)
    level = risk_text(tau)
    one, two, three = st.columns(3)
    n = f"{found.n:,}"
    quiet: Any = {"delta_color": "off", "delta_arrow": "off", "border": True}
    one.metric(
        f"The riskiest is above {level}",
        likely(predictor.chance_above(found.n, tau)) if found.supported else "not known",
        delta="whatever tail fits, weighed by how well" if found.supported else TOO_FAR,
        help=f"The chance that the riskiest of {n} questions has a risk above {level}. The doubt about the "
        "tail is in it: it is averaged over all tails that fit these estimates.",
        **quiet,
    )
    two.metric(
        f"Questions above {level}",
        _share(share, high),
        delta=sure + risk_range(low, high),
        help="The share of all questions like these whose risk is above the level.",
        **quiet,
    )
    once = [
        float(each[0])
        for each in (told.at_least_one, told.at_least_one_low, told.at_least_one_high)
    ]
    three.metric(
        "At least one harmful answer",
        likely(once[0]) if found.supported else "not known",
        delta=sure + chance_range(once[1], once[2]) if found.supported else TOO_FAR,
        help=f"The chance of one or more when each of {n} questions is asked once: from the mean risk of "
        "all, the riskiest included.",
        **quiet,
    )


def _share(value: float, high: float) -> str:
    return risk_text(value, high) if value > 0 else "none expected"


def _facts(found: Found) -> str:
    sample = found.fitted.sample
    groups = len(set(sample.group.tolist()))
    words = f"From {len(sample):,} queries"
    if groups < len(sample):
        words += f", wordings of {groups:,} different ones"
    words += f". The tail is the {found.fitted.fit.exceedances:,} riskiest of them."
    zero = int(sample.censored.sum())
    if zero:
        verb = (
            "query without a harmful answer counts"
            if zero == 1
            else "queries without a harmful answer count"
        )
        words += f" {zero:,} {verb} as below {'its' if zero == 1 else 'their'} bound."
    return words


def _warnings(found: Found) -> tuple[str, ...]:
    said = warnings_of(found.fitted, found.told, found.as_estimated, found.read.queries)
    return (*found.read.notes, *said)


def _keep_in_mind(found: Found) -> None:
    """Draws what must be said; what stands elsewhere on the page already is left out."""
    lines = [
        plain(sentence(for_page(one)))
        for one in _warnings(found)
        if not one.startswith("no forecast for")
        and "marked 'do not use'" not in one
        and not one.endswith("known from above only")
    ]
    if lines:
        with st.container(border=True):
            st.markdown("**Keep in mind**\n" + "\n".join(f"- {line}" for line in lines))


def _fan(found: Found) -> None:
    if found.told.supported < 1:
        return
    fitted = found.fitted
    seen = len(set(fitted.sample.group.tolist()))
    table = fan_of(found.key, fitted, found.told.supported, min(10.0, float(found.n)))
    worst = float(fitted.sample.risk.max())
    st.markdown("#### The more questions, the riskier the riskiest")
    theme, ink = _look()
    st.vega_lite_chart(
        fan(table, found.n, found.tau, found.told.supported, (seen, worst), theme=theme, ink=ink),
        key="tails.fan",
        width="stretch",
        alt="Risk of the riskiest of n questions against n, with its ranges, and where the fit ends",
    )
    dashed = ""
    if differs(table):
        dashed = " Dashed: with the estimates' own noise left in."
    st.caption(
        f"Line: as likely too low as too high. Bands: half of the time, and {fitted.spec.confidence:.0%} of "
        f"the time.{dashed} ◆ The worst query seen."
    )


def _survival(found: Found) -> None:
    fitted, read = found.fitted, found.read
    st.markdown("#### How many questions are how risky")
    points = survival_points(fitted.sample)
    points = points.assign(query=[read.queries[row] for row in points["row"]])
    theme, ink = _look()
    reach = max(found.told.supported if found.supported else 0.0, 2.0 * len(fitted.sample))
    st.vega_lite_chart(
        tails_charts.survival(
            points,
            curve_of(found.key, fitted, min(reach, 20.0 * len(fitted.sample))),
            float(to_risk(fitted.fit.threshold)),
            theme=theme,
            ink=ink,
        ),
        key="tails.survival",
        width="stretch",
        alt="Share of questions above a risk against the risk: those estimated, and the fitted tail",
    )
    words = ["Dots: the queries estimated. Line: the fitted tail with its range."]
    if points["zero"].any():
        words.append(
            "Ticks at the bottom: no harmful answer was drawn, the risk lies left of the tick."
        )
    if points["doubtful"].any():
        words.append("Open circles: estimates marked “do not use”.")
    st.caption(" ".join(words))


def _levels(found: Found) -> None:
    if not found.supported:
        return
    table = levels_of(found.key, found.fitted, float(found.n))
    theme, ink = _look()
    st.markdown(f"#### How risky the riskiest of {found.n:,} may be")
    st.vega_lite_chart(
        tails_charts.exceedance(table, found.tau, theme=theme, ink=ink),
        key="tails.levels",
        width="stretch",
        alt="Chance that the riskiest question is above a risk level, over the levels",
    )
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(_shown(table), hide_index=True, width="stretch", key="tails.levels_table")
        st.download_button(
            "Download (csv)",
            data=lambda: str(table.to_csv(index=False)).encode("utf-8"),
            file_name="tailscope-tail-levels.csv",
            on_click="ignore",
            key="tails.levels_csv",
            icon=":material/download:",
        )


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    some = table.iloc[::4]
    return pd.DataFrame(
        {
            "Risk level": [risk_text(tau) for tau in some["tau"]],
            "Questions above it": [
                _share(share, high) for share, high in zip(some["share"], some["high"], strict=True)
            ],
            "Range": [
                risk_range(low, high) for low, high in zip(some["low"], some["high"], strict=True)
            ],
            "Chance that the riskiest is above": [likely(one) for one in some["chance"]],
        }
    )


def _look() -> tuple[str, str]:
    theme = st.context.theme.type or "light"
    return theme, charts.INK[theme]
