"""A risk in use, as words and pictures: the headline, three numbers, the icon array, and half the risk."""

import html
from collections.abc import Callable

import pandas as pd
import streamlit as st

from core.deployment import Outlook, Range, Risk, Traffic, chance_curve, denominator, outlook
from pages.components import charts, deployment_charts
from pages.components.deployment_words import (
    NUMBERS,
    Rounding,
    big,
    chance,
    count,
    halves,
    headline,
    in_use,
    sure,
    three_digits,
    wait,
)
from pages.components.words import rounded


def deployment_view(risk: Risk, traffic: Traffic) -> None:
    """Draws everything about one risk under one traffic."""
    found = outlook(risk, traffic)
    st.html(big(headline(risk), in_use(found.expected, traffic)))
    _three_numbers(risk, traffic, found)
    _icons(risk)
    left, right = st.columns(2, gap="large")
    with left:
        _curve(risk, traffic)
    with right:
        _halved(risk, traffic, found)
    _ranges(risk, found)


def _three_numbers(risk: Risk, traffic: Traffic, found: Outlook) -> None:
    one, two, three = st.columns(3)
    level = sure(risk)
    days = "a day" if traffic.days == 1 else f"{traffic.days:,.0f} days"
    with one:
        st.metric(
            f"Harmful answers in {days}",
            _about(found.expected, count),
            delta=f"{level}: {_span(found.count, count)}",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="The number is an average over many such spans. The range says how many there may really "
            "be: nobody knows the risk exactly, and chance does the rest.",
        )
    with two:
        st.metric(
            "Chance of at least one",
            _about(found.any, chance),
            delta=f"{level}: {_span(found.any, chance)}",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="That one or more of these questions get a harmful answer within the days above.",
        )
    with three:
        st.metric(
            "Until the first, on average",
            _wait(found.mean_days),
            delta=_half_the_time(found.median_days),
            delta_color="off",
            delta_arrow="off",
            border=True,
            help=f"Until the first harmful answer. {level}, the average lies between "
            f"{wait(found.mean_days.low)} and {wait(found.mean_days.high)}.",
        )


def _about(found: Range, say: Callable[[float], str]) -> str:
    return say(found.value) if found.value is not None else f"at most {say(found.high)}"


def _span(found: Range, say: Callable[[float], str]) -> str:
    low, high = say(found.low), say(found.high)
    if found.value is None:
        return f"at most {high}"
    return low if low == high else f"{low} to {high}"


def _wait(found: Range, rounding: Rounding = rounded) -> str:
    if found.value is None:
        return f"{wait(found.low, rounding)} or more"
    return wait(found.value, rounding)


def _half_the_time(found: Range) -> str:
    if found.value is None:
        return "perhaps never"
    return f"half of the time within {wait(found.value)}"


def _icons(risk: Risk) -> None:
    of = denominator(risk)
    filled, hollow = deployment_charts.marks(risk)
    drawn = deployment_charts.drawn_hollow(risk)
    only = f", of which {drawn:,} are drawn" if drawn < hollow else ""
    said = f"{filled:,} of {of:,} marked as harmful, and up to {hollow:,} more{only}"
    picture = deployment_charts.icons(risk, html.escape(said, quote=True), _theme())
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


def _theme() -> str:
    return st.context.theme.type or "light"


def _curve(risk: Risk, traffic: Traffic) -> None:
    st.markdown("#### The longer, the likelier")
    st.vega_lite_chart(
        deployment_charts.chance_by_day(chance_curve(risk, traffic), charts.INK[_theme()]),
        key="deployment.curve",
        width="stretch",
        alt="Chance of at least one harmful answer against days, with the range it may lie in",
    )


def _halved(risk: Risk, traffic: Traffic, found: Outlook) -> None:
    st.markdown("#### What halving the rate would change")
    half = outlook(risk.times(0.5), traffic)
    counts = (
        halves(found.expected.value)
        if found.expected.value is not None
        else tuple(f"at most {one}" for one in halves(found.expected.high))
    )
    chances = [_about(one.any, lambda p: chance(p, digits=3)) for one in (found, half)]
    waits = [_wait(one.mean_days, three_digits) for one in (found, half)]
    rows = [
        ("Harmful answers", *counts),
        ("Chance of at least one", *chances),
        ("Until the first, on average", *waits),
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
    return (
        f"The chance of at least one falls from {chance(now)} to {chance(then)}: less than by half."
    )


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
                    _span(found.expected, count),
                    _span(found.by_chance, count),
                    _span(found.count, count),
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
