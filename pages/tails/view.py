"""The forecast of the riskiest of many questions: number first, then picture, then what it rests on."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import streamlit as st

from core.errors import SpecError, TailscopeError
from core.tails.notices import warnings_of
from pages.shared.chances import big
from pages.shared.frame import plain, sentence, show_error
from pages.tails.address import write_link
from pages.tails.backtest import backtest_view
from pages.tails.choices import fit_choice, horizon_choice, tau_choice, with_start
from pages.tails.doubtful import doubtful_view, leaves_out, take_in_again
from pages.tails.export import take_away
from pages.tails.file import A_FILE
from pages.tails.fits import fits_view
from pages.tails.pictures import Found, fan_view, levels_view, survival_view
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
    fitted_to,
    for_file,
    for_page,
    headline,
    level_text,
    likely,
    risk_range,
    share_text,
    too_far,
    worst_seen,
)

TOO_FAR = "too far for this fit"
NO_SHARE = "not with this fit"
UNKNOWN = "not known"
# From so many queries on, a fit takes longer than the blink of an eye.
MANY = 2_000
# As wide as the longest label, with its question mark.
TILE = 265


def result(opened: EstimateSource, polling: bool) -> None:
    """Draws choices and forecast; errors stay here, for a fragment has no page around it."""
    if opened.going() != polling:
        # Polling begins and ends with a run of the whole page.
        st.rerun()
    try:
        _result(opened)
    except TailscopeError as error:
        in_file = opened.identity.startswith(A_FILE)
        show_error(SpecError(for_file(str(error))) if in_file else error)
        take_in_again(opened.identity)
    # In here, for a choice draws the fragment anew and no more.
    write_link(opened.link)


def _result(opened: EstimateSource) -> None:
    standing = opened.standing()
    if standing:
        st.caption(standing)
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
    whole = sample_of(opened.identity, stamp, table, opened.model, keep_doubtful=True)
    read = whole
    if leaves_out(opened.identity):
        read = sample_of(opened.identity, stamp, table, opened.model, keep_doubtful=False)
    key = key_of(read.sample)
    with _patience(len(read.sample)):
        choices = fits().table(key, read.sample, chosen.confidence)
        take_start(read.sample, chosen, choices)
        fitted = fits().fitted(key, read.sample, with_start(chosen), choices)
    with two:
        n = horizon_choice(fits().supported(key, fitted))
    if n is None or tau is None:
        return
    found = Found(opened, read, key, fitted, *fits().told(key, fitted, float(n)), n, tau)
    _headline(found)
    doubtful_view(opened.identity, whole, table, fitted)
    fan_view(found)
    warnings = _warnings(found)
    _keep_in_mind(found, warnings)
    survival_view(found)
    levels_view(found)
    threshold_view(key, read.sample, choices, fitted)
    fits_view(key, read.sample, fitted.spec, float(n))
    backtest_view(key, opened.name, read.sample, fitted.spec)
    take_away(opened, found.read, fitted, (found.told, found.as_estimated), tau, warnings)
    if not opened.going():
        fit_ahead(key, read.sample, fitted.spec, choices, float(n), tau)


def _patience(queries: int) -> AbstractContextManager[None]:
    """Returns what says that the work takes a while, where it does."""
    if queries < MANY:
        return nullcontext()
    return st.spinner("Fitting the tail ...", show_time=True)


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
                    args=("horizon", float(int(told.supported))),
                )
    elif not found.forecasts:
        st.html(big(*worst_seen(float(found.fitted.sample.risk.max()))))
    else:
        st.html(big(*headline(told, confidence)))
    _metrics(found)
    st.caption(_facts(found))


def _metrics(found: Found) -> None:
    told, sure = found.told, f"{found.fitted.spec.confidence:.0%} sure: "
    above = fits().above(found.key, found.fitted, float(found.n), found.tau)
    level = level_text(found.tau)
    no_chance = TOO_FAR if not found.supported else NO_SHARE if not found.forecasts else ""
    # Of a label that is cut, the end is what matters.
    with st.grid(3, min_column_width=TILE):
        one, two, three = st.container(), st.container(), st.container()
    n = f"{found.n:,}"
    quiet: Any = {"delta_color": "off", "delta_arrow": "off", "border": True}
    one.metric(
        f"Chance: riskiest above {level}",
        UNKNOWN if no_chance else likely(above.chance),
        delta=no_chance or "the doubt about the tail included",
        help=f"The chance that the riskiest of {n} questions has a risk above {level}. The doubt about the "
        "tail is in it: it is averaged over all tails that fit these estimates."
        + (
            ""
            if found.forecasts
            else " The largest seen so far forecasts nothing: take another fit."
        ),
        **quiet,
    )
    two.metric(
        f"Share above {level}",
        share_text(above.share, above.high) if math.isfinite(above.share) else UNKNOWN,
        delta=sure + risk_range(above.low, above.high) if math.isfinite(above.share) else NO_SHARE,
        help="The share of all questions like these whose risk is above the level."
        + ("" if math.isfinite(above.share) else f" Not known here: {OF_GROUPS}."),
        **quiet,
    )
    once = [
        float(each[0])
        for each in (told.at_least_one, told.at_least_one_low, told.at_least_one_high)
    ]
    known = found.supported and math.isfinite(once[0])
    three.metric(
        "Chance: any harmful answer",
        likely(once[0]) if known else UNKNOWN,
        delta=sure + chance_range(once[1], once[2])
        if known
        else NO_SHARE
        if found.supported
        else TOO_FAR,
        help=f"The chance of one or more when each of {n} questions is asked once: from the mean risk of "
        "all. A few risky questions raise the mean far above the risk of a typical one."
        + (f" Not known here: {OF_GROUPS}." if found.supported and not known else ""),
        **quiet,
    )


def _facts(found: Found) -> str:
    sample = found.fitted.sample
    groups = len(set(sample.group.tolist()))
    words = f"From {len(sample):,} queries"
    if groups < len(sample):
        words += (
            f", wordings of {groups:,} different ones; the forecast is for questions that are no rewordings "
            "of one another"
        )
    words += f". {fitted_to(found.fitted)}."
    zero = int(sample.censored.sum())
    if zero:
        verb = (
            "query without a harmful answer counts"
            if zero == 1
            else "queries without a harmful answer count"
        )
        words += f" {zero:,} {verb} as lower than a single one would be."
    return words


def _warnings(found: Found) -> tuple[str, ...]:
    said = warnings_of(found.fitted, found.told, found.as_estimated, found.read.queries)
    return (*found.read.notes, *said)


def _keep_in_mind(found: Found, warnings: tuple[str, ...]) -> None:
    """Draws what must be said; what stands elsewhere on the page already is left out."""
    told = for_file if found.opened.identity.startswith(A_FILE) else str
    lines = [
        plain(sentence(told(for_page(one))))
        for one in warnings
        if not one.startswith("no forecast for")
        and "marked 'do not use'" not in one
        and not one.endswith("known from above only")
    ]
    if lines:
        with st.container(border=True):
            st.markdown("**Keep in mind**\n" + "\n".join(f"- {line}" for line in lines))
