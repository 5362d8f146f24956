"""The choices of a forecast: which fit, how many questions, which risk level."""

import math

import pandas as pd
import streamlit as st

from core.files.rows import plain_name
from core.queries.columns import CATEGORY_NAMES, GROUP_NAMES, NO_GROUPS
from core.tails.reading import grouping_columns
from core.tails.spec import ESTIMATORS, FIT_NAMES, SHAPED, TailSpec
from pages.tails.limits import horizon_fault, level_fault
from pages.tails.state import LARGEST, keep, remembered
from pages.tails.wording import ESTIMATOR_NAMES, FIT_HELP, FITS, WITH_START

HORIZONS = {1_000: "1,000", 10_000: "10,000", 100_000: "100,000", 1_000_000: "1 million"}
HORIZON, TAU = 10_000, 1.0
OUT, IN = "Taken out", "Left in"
GROUPS = GROUP_NAMES
CATEGORIES = tuple(map(plain_name, CATEGORY_NAMES))
CONFIDENCES = (0.8, 0.9, 0.95, 0.99)


def fit_choice() -> TailSpec:
    """Draws how the tail is fitted; returns it, the tail's start left automatic."""
    fit: str = st.selectbox(
        "How the tail is fitted",
        FIT_NAMES_IN_ORDER,
        format_func=FITS.__getitem__,
        **remembered("fit", "pot"),
        help="The tail: the riskiest queries, from which the risk of others is forecast.",
    )
    st.caption(FIT_HELP[fit])
    with st.expander("More choices", icon=":material/tune:"):
        noise = st.segmented_control(
            "The estimates' noise",
            (OUT, IN),
            required=True,
            **remembered("noise", OUT),
            help="Estimates are off by chance, and the highest ones more often too high than too low. Left "
            "in, that makes the forecast higher than it should be.",
        )
        confidence: float = st.segmented_control(
            "How sure ranges are",
            CONFIDENCES,
            format_func=lambda value: f"{value:.0%}",
            required=True,
            **remembered("confidence", 0.95),
        )
        estimator: str = "posterior"
        if fit in SHAPED:
            estimator = st.selectbox(
                "How the tail's shape is found",
                ESTIMATORS,
                format_func=ESTIMATOR_NAMES.__getitem__,
                **remembered("estimator", estimator),
                help="A few dozen queries say little of it. What is known of such tails elsewhere keeps it "
                "sensible, and its doubt is in the ranges; the two others are the textbook's.",
            )
    return TailSpec.build(
        fit=fit, estimator=estimator, noise_corrected=noise == OUT, confidence=confidence
    )


def group_choice(identity: str, table: pd.DataFrame) -> str | None:
    """Draws which column says that rows are wordings of one query; returns it, None for the usual one.

    Nothing is drawn where the table has no such column, and none whose values repeat.
    """
    usual = next((str(name) for name in table if plain_name(name) in map(plain_name, GROUPS)), None)
    offered = [
        name
        for name in grouping_columns(table)
        if name == usual or table[name].fillna("").astype(str).nunique() < len(table)
    ]
    named = [name for name in offered if name == usual or plain_name(name) in CATEGORIES]
    if not named:
        return None
    offers = [NO_GROUPS, *named]
    with st.expander("Wordings of one query", icon=":material/format_list_bulleted:"):
        chosen: str = st.selectbox(
            "Wordings of one query share",
            offers,
            **remembered(f"group.{identity}", usual or NO_GROUPS),
            help="Rows with the same value count as wordings of one query. A benchmark's category is none: "
            "its queries are different ones about one subject. Rows with the same words are one query "
            "anyway.",
        )
    return None if chosen == usual else chosen


FIT_NAMES_IN_ORDER = ("pot", *(name for name in FIT_NAMES if name != "pot"))


def with_start(spec: TailSpec) -> TailSpec:
    """Returns the choices with the start of the tail that was chosen for this sample."""
    start = st.session_state.get(LARGEST) if spec.fit in WITH_START else None
    return spec.model_copy(update={"largest": start})


def horizon_choice(supported: float) -> int | None:
    """Draws the number of questions to come; returns it, None with an error where it is out of range.

    supported: the largest horizon of the fit.
    """
    # Of integers the browser's field would read 1e6 as 1.
    usual = float(HORIZON if supported < 1 else int(min(HORIZON, supported)))
    found: float = st.number_input(
        "Number of questions to come",
        step=100.0,
        format="%.0f",
        **remembered("horizon", usual),
        help="How many questions like those estimated will be asked; the forecast is of the riskiest. They "
        "are meant as different questions, one wording each.",
    )
    with st.container(horizontal=True, gap="small"):
        for number, label in HORIZONS.items():
            st.button(
                label,
                key=f"tails.horizon.{number}",
                type="tertiary",
                on_click=keep,
                args=("horizon", float(number)),
            )
    fault = horizon_fault(found)
    if fault:
        st.error(fault)
        return None
    # As the browser's field shows it: of 2.5 Python would make 2, and the field 3.
    return math.floor(found + 0.5)


def tau_choice() -> float | None:
    """Draws the risk level, in percent; returns it as a probability, None with an error if it is none."""
    found = st.number_input(
        "Risk level, percent",
        step=0.5,
        format="%g",
        **remembered("tau", TAU),
        help="How likely is it that the riskiest question is above this? 0.01 percent is 100 per million.",
    )
    fault = level_fault(found)
    if fault:
        st.error(fault)
        return None
    return float(found) / 100
