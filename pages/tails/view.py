"""The forecast of the riskiest of many questions: number first, then picture, then what it rests on."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import streamlit as st

from core.errors import TailscopeError
from core.tails.memo import LevelExceedance
from core.tails.notices import remarks_of
from core.tails.remarks import Remark, Vocabulary, sentence_of
from core.tails.thresholds import ThresholdTable
from core.tails.words import headline, level_text, risk_range
from pages.shared.chances import big
from pages.shared.frame import plain, sentence
from pages.tails.address import write_link
from pages.tails.backtest import backtest_view
from pages.tails.choices import fit_choice, group_choice, horizon_choice, tau_choice, with_start
from pages.tails.doubtful import doubtful_view, leaves_out, take_in_again
from pages.tails.export import take_away
from pages.tails.fits import fits_view
from pages.tails.pictures import ShownForecast, fan_view, levels_view, survival_view
from pages.tails.source_choice import EstimateSource
from pages.tails.state import (
    cells_of,
    fit_ahead,
    fits,
    forget_start,
    keep,
    key_of,
    sample_of,
    take_start,
)
from pages.tails.threshold import threshold_view
from pages.tails.wording import (
    OF_GROUPS,
    chance_range,
    error_words,
    fitted_to,
    likely,
    share_text,
    too_far,
    worst_seen,
)

# The box of doubtful estimates, the headline and the facts below it say these.
SHOWN_ELSEWHERE = (
    "beyond_support",
    "doubtful_in_tail",
    "more_doubtful_in_tail",
    "doubtful_left_out",
    "zero_hits",
)
QUIET: Any = {"delta_color": "off", "delta_arrow": "off", "border": True}
TOO_FAR = "too far for this fit"
NO_SHARE = "not with this fit"
UNKNOWN = "not known"
# From so many queries on, a fit takes longer than the blink of an eye.
MANY = 2_000
# As wide as the longest label, with its question mark.
TILE = 265


def result(opened: EstimateSource, polling: bool) -> None:
    """Draws choices and forecast; errors are shown here, for a fragment has no page around it."""
    if opened.running() != polling:
        # Polling begins and ends with a run of the whole page.
        st.rerun()
    try:
        _result(opened)
    except TailscopeError as error:
        st.error(plain(sentence(error_words(error, opened.vocabulary))), icon=":material/error:")
        take_in_again(opened.identity)
    # In here, for a choice draws the fragment anew and no more.
    write_link(opened.link)


def _result(opened: EstimateSource) -> None:
    progress = opened.progress()
    if progress:
        st.caption(progress)
    waiting = opened.waiting()
    if waiting:
        st.info(waiting, icon=":material/hourglass_empty:")
        return
    one, two, three = st.columns([5, 4, 3], gap="medium")
    with one:
        chosen = fit_choice()
    with three:
        tau = tau_choice()
    forget_start(if_other=(opened.identity, chosen.fit))
    stamp = opened.stamp()
    table = cells_of(opened.identity, stamp, opened.table)
    group = group_choice(opened.identity, table)
    whole = sample_of(opened.identity, stamp, table, opened.model, keep_doubtful=True, group=group)
    read = whole
    if leaves_out(opened.identity):
        read = sample_of(
            opened.identity, stamp, table, opened.model, keep_doubtful=False, group=group
        )
    key = key_of(read.sample)
    with _patience(len(read.sample)):
        choices = fits().table(key, read.sample, chosen)
        take_start(read.sample, chosen, choices)
        fitted = fits().fitted(key, read.sample, with_start(chosen), choices)
    with two:
        n = horizon_choice(fits().supported(key, fitted))
    if n is None or tau is None:
        return
    shown = ShownForecast(
        opened, read, key, fitted, *fits().forecasts(key, fitted, float(n)), n, tau
    )
    _headline(shown)
    doubtful_view(opened.identity, whole, table, fitted)
    _below_the_headline(shown, choices)
    if not opened.running():
        fit_ahead(key, read.sample, fitted.spec, choices, float(n), tau)


def _below_the_headline(shown: ShownForecast, choices: ThresholdTable | None) -> None:
    opened, read, fitted = shown.opened, shown.read, shown.fitted
    spec, vocabulary = fitted.spec, opened.vocabulary
    fan_view(shown)
    remarks = (
        *read.remarks,
        *remarks_of(fitted, shown.forecast, shown.as_estimated, read.queries),
    )
    _keep_in_mind(remarks, vocabulary)
    survival_view(shown)
    levels_view(shown)
    threshold_view(shown.key, read.sample, choices, fitted, vocabulary)
    fits_view(shown.key, read, spec, float(shown.n), vocabulary)
    backtest_view(shown.key, opened.name, read.sample, spec, vocabulary)
    take_away(shown, remarks)


def _patience(queries: int) -> AbstractContextManager[None]:
    """Returns a spinner for the fit of many queries, which takes seconds; else nothing."""
    if queries < MANY:
        return nullcontext()
    return st.spinner("Fitting the tail ...", show_time=True)


def _headline(shown: ShownForecast) -> None:
    forecast, confidence = shown.forecast, shown.fitted.spec.confidence
    if not shown.supported:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            queries, vocabulary = len(shown.read.sample), shown.opened.vocabulary
            why = too_far(shown.n, forecast.supported, queries, vocabulary)
            st.markdown(f"**{why}**", width="stretch")
            if forecast.supported >= 1:
                st.button(
                    f"Ask about {forecast.supported:,.0f}",
                    key="tails.furthest",
                    type="primary",
                    on_click=keep,
                    args=("horizon", float(int(forecast.supported))),
                )
    elif not shown.goes_beyond_seen:
        st.html(big(*worst_seen(float(shown.fitted.sample.risk.max()))))
    else:
        st.html(big(*headline(forecast, confidence)))
    _metrics(shown)
    st.caption(_facts(shown))


def _metrics(shown: ShownForecast) -> None:
    above = fits().above(shown.key, shown.fitted, float(shown.n), shown.tau)
    # Of a label that is cut, the end is what matters.
    with st.grid(3, min_column_width=TILE):
        one, two, three = st.container(), st.container(), st.container()
    with one:
        _chance_metric(shown, above)
    with two:
        _share_metric(shown, above)
    with three:
        _any_harm_metric(shown)


def _chance_metric(shown: ShownForecast, above: LevelExceedance) -> None:
    level = level_text(shown.tau)
    beyond_seen = shown.goes_beyond_seen
    no_chance = TOO_FAR if not shown.supported else "" if beyond_seen else NO_SHARE
    st.metric(
        f"Chance: riskiest above {level}",
        UNKNOWN if no_chance else likely(above.chance),
        delta=no_chance or "the doubt about the tail included",
        help=f"The chance that the riskiest of {shown.n:,} questions has a risk above {level}. The doubt "
        "about the tail is in it: it is averaged over all tails that fit these estimates."
        + ("" if beyond_seen else " The largest seen so far forecasts nothing: take another fit."),
        **QUIET,
    )


def _share_metric(shown: ShownForecast, above: LevelExceedance) -> None:
    known = math.isfinite(above.share)
    st.metric(
        f"Share above {level_text(shown.tau)}",
        share_text(above.share, above.high) if known else UNKNOWN,
        delta=_sure(shown) + risk_range(above.low, above.high) if known else NO_SHARE,
        help="The share of all questions like these whose risk is above the level."
        + ("" if known else f" Not known here: {OF_GROUPS}."),
        **QUIET,
    )


def _any_harm_metric(shown: ShownForecast) -> None:
    forecast = shown.forecast
    once, low, high = (
        float(each[0])
        for each in (
            forecast.at_least_one,
            forecast.at_least_one_low,
            forecast.at_least_one_high,
        )
    )
    known = shown.supported and math.isfinite(once)
    unknown = NO_SHARE if shown.supported else TOO_FAR
    st.metric(
        "Chance: any harmful answer",
        likely(once) if known else UNKNOWN,
        delta=_sure(shown) + chance_range(low, high) if known else unknown,
        help=f"The chance of one or more when each of {shown.n:,} questions is asked once: from the mean "
        "risk of all. A few risky questions raise the mean far above the risk of a typical one."
        + (f" Not known here: {OF_GROUPS}." if shown.supported and not known else ""),
        **QUIET,
    )


def _sure(shown: ShownForecast) -> str:
    return f"{shown.fitted.spec.confidence:.0%} sure: "


def _facts(shown: ShownForecast) -> str:
    sample = shown.fitted.sample
    groups = len(set(sample.group.tolist()))
    words = f"From {len(sample):,} queries"
    if groups < len(sample):
        words += (
            f", wordings of {groups:,} different ones; the forecast is for questions that are no rewordings "
            "of one another"
        )
    words += f". {fitted_to(shown.fitted)}."
    zero = int(sample.censored.sum())
    if zero:
        verb = (
            "query without a harmful answer counts"
            if zero == 1
            else "queries without a harmful answer count"
        )
        words += f" {zero:,} {verb} as lower than a single one would be."
    return words


def _keep_in_mind(remarks: tuple[Remark, ...], vocabulary: Vocabulary) -> None:
    """Draws the remarks that stand nowhere else on the page."""
    lines = [
        plain(sentence(sentence_of(remark, vocabulary)))
        for remark in remarks
        if remark.code not in SHOWN_ELSEWHERE
    ]
    if lines:
        with st.container(border=True):
            st.markdown("**Keep in mind**\n" + "\n".join(f"- {line}" for line in lines))
