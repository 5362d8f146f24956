"""A risk in use, as words and pictures: the headline, three numbers, the icon array, and half the risk."""

import html

import pandas as pd
import streamlit as st

from core.deployment import Outlook, Range, Risk, Traffic, chance_curve, denominator, outlook
from pages.deployment import charts
from pages.shared.chances import (
    NUMBERS,
    big,
    chance,
    expected,
    half_the_time,
    headline,
    in_use,
    span,
    sure,
    wait,
)
from pages.shared.theme import ink, theme

CHANCE, WAIT = "Chance of at least one", "Average wait for the first"
# Pixels that the longest label of a tile takes.
TILE = 280


def deployment_view(risk: Risk, traffic: Traffic) -> None:
    """Draws everything about one risk under one traffic."""
    found = outlook(risk, traffic)
    st.html(big(headline(risk), in_use(risk, traffic, found)))
    _three_numbers(risk, traffic, found)
    _icons(risk)
    left, right = st.columns(2, gap="large")
    with left:
        _curve(risk, traffic)
    with right:
        _halved(risk, traffic, found)
    _ranges(risk, found)


def _three_numbers(risk: Risk, traffic: Traffic, found: Outlook) -> None:
    level = sure(risk)
    days = "a day" if traffic.days == 1 else f"{traffic.days:,.10g} days"
    # Side by side where there is room: what does not fit in a tile is cut off.
    with st.grid(3, min_column_width=TILE):
        _tile(
            f"Expected in {days}",
            expected(found.expected),
            f"{level}: {span(found.count)}",
            "Harmful answers. The number is an average over many such spans. The range says how many there "
            "may really be: nobody knows the risk exactly, and chance does the rest.",
        )
        _tile(
            CHANCE,
            _chance(found.any),
            f"{level}: {span(found.any, chance)}",
            "That one or more of these questions get a harmful answer within the days above.",
        )
        _tile(
            WAIT,
            _wait(found.mean_days),
            half_the_time(found.median_days),
            f"Until the first harmful answer, on average. {level}, this average lies between "
            f"{wait(found.mean_days.low)} and {wait(found.mean_days.high)}.",
        )


def _tile(label: str, value: str, below: str, explained: str) -> None:
    st.metric(
        label,
        value,
        delta=below,
        delta_color="off",
        delta_arrow="off",
        border=True,
        help=explained,
    )


def _chance(found: Range) -> str:
    if found.value is not None:
        return chance(found.value, digits=3)
    return f"at most {chance(found.high, digits=3)}"


def _wait(found: Range) -> str:
    return wait(found.value) if found.value is not None else f"{wait(found.low)} or more"


def _icons(risk: Risk) -> None:
    of = denominator(risk)
    filled, hollow = charts.marks(risk)
    drawn = charts.drawn_hollow(risk)
    only = f", of which {drawn:,} are drawn" if drawn < hollow else ""
    said = f"{filled:,} of {of:,} marked as harmful, and up to {hollow:,} more{only}"
    picture = charts.icons(risk, html.escape(said, quote=True), theme())
    st.image(picture, width="stretch")
    one = (
        "One dot is one question."
        if of == 1_000
        else "Each small box is a hundred of them; a mark is one, drawn far larger than it is to be seen."
    )
    told = [f"{NUMBERS[of].capitalize()} questions like this one. {one}"]
    told.append(
        f"**◆ {filled:,}** with a harmful answer." if filled else "None is expected to show."
    )
    if hollow:
        told.append(f"**◇ {hollow:,}** more if the risk is as high as it may be.")
    if only:
        told.append(f"Only {drawn:,} of these ◇ are drawn: more could not be told apart.")
    st.caption(" ".join(told))


def _curve(risk: Risk, traffic: Traffic) -> None:
    st.markdown("#### The longer, the likelier")
    st.vega_lite_chart(
        charts.chance_by_day(chance_curve(risk, traffic), ink()),
        key="deployment.curve",
        width="stretch",
        alt="Chance of at least one harmful answer against days, with the range it may lie in",
    )


def _halved(risk: Risk, traffic: Traffic, found: Outlook) -> None:
    st.markdown("#### What halving the rate would change")
    half = outlook(risk.times(0.5), traffic)
    rows = [
        ("Harmful answers expected", expected(found.expected), expected(found.expected, 0.5)),
        (CHANCE, *(_chance(one.any) for one in (found, half))),
        (WAIT, *(_wait(one.mean_days) for one in (found, half))),
    ]
    as_is, halved = st.columns(2)
    for column, title, place in ((as_is, "As it is", 1), (halved, "At half the rate", 2)):
        with column, st.container(border=True):
            st.markdown(f"**{title}**")
            for row in rows:
                st.markdown(f"{row[0]}  \n**{row[place]}**")
    if risk.only_bound:
        return
    st.caption(_what_halving_does(found, half))


def _what_halving_does(found: Outlook, half: Outlook) -> str:
    now, then = found.any.value or 0.0, half.any.value or 0.0
    if then > 0.95:
        return (
            "Harmful answers would be half as many, yet one would still be all but certain to come."
        )
    if now < 0.1:
        return "At so small a chance, half the rate is about half the chance."
    before, after = (chance(one, digits=3) for one in (now, then))
    return f"The chance of at least one falls from {before} to {after}: less than by half."


def _ranges(risk: Risk, found: Outlook) -> None:
    if risk.only_bound:
        return
    with st.expander("Where the range of the count comes from", icon=":material/unfold_more:"):
        table = pd.DataFrame(
            {
                "What is not known": [
                    "The risk itself: it was estimated",
                    "Chance: the same risk gives more in one month than in another",
                    "Both together",
                ],
                f"Harmful answers, {sure(risk)}": [
                    span(found.expected),
                    span(found.by_chance),
                    span(found.count),
                ],
            }
        )
        st.dataframe(table, hide_index=True, width="stretch", key="deployment.ranges")
        if found.any_averaged is not None:
            st.markdown(
                "The chance of at least one, averaged over all risks that are still possible: "
                f"**{chance(found.any_averaged)}**."
            )
        st.caption(
            "The first line is of averages, which need not be whole; a count is. Questions are taken to be "
            "asked one by one, each with the same risk, whatever came before."
        )
