"""Where the weight lies: how heavy the answers are, the heaviest in words, and one word by word."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.proposals.words import component_names
from core.runs.run import RunSpec
from core.runs.weight_tables import (
    answer_weights,
    distinct_answers,
    token_weights,
    weight_bins,
    weight_histogram,
)
from core.sampling.scored import JudgedShard
from pages.shared import resources, weight_charts
from pages.shared.frame import plain
from pages.shared.theme import ink
from pages.shared.word_heat import word_heat

HISTOGRAM = "weight_view.histogram"
CHOSEN = "weight_view.chosen"
SHOWN = 8
LABEL_WORDS = 12


@st.cache_resource(show_spinner=False, max_entries=16)
def _answers(run_id: str, done: int, _shards: Sequence[JudgedShard], _run: RunSpec) -> pd.DataFrame:
    request = _run.arm_request("weighted")
    found = answer_weights(resources.model_of(request), _shards, request)
    found["low"] = weight_bins(found["log10_weight"].to_numpy(np.float64))
    return found


@st.fragment
def weight_view(run: RunSpec, shards: Sequence[JudgedShard]) -> None:
    """Draws histogram, table and words; a click on a bar shows the answers behind it."""
    done = sum(len(shard.drawn) for shard in shards)
    answers = _answers(run.run_id, done, shards, run)
    names = component_names(run.arm_request("weighted").proposals)
    st.markdown(
        "A weight of 1 (power 0) is an answer as likely here as from the model itself. Trouble looks "
        "like a few harmful answers far to the right of all others. Click a bar to read its answers."
    )
    picked: Any = st.vega_lite_chart(
        weight_charts.weight_histogram(weight_histogram(answers), ink()),
        key=HISTOGRAM,
        on_select="rerun",
        selection_mode="bar",
        width="stretch",
        alt="Histogram of the weights of harmful and other answers",
    )
    lows = [one["low"] for one in picked["selection"].get("bar", []) if "low" in one]
    behind = answers[answers["low"].isin(lows)] if lows else answers[answers["harmful"]]
    if behind.empty:
        st.markdown("No harmful answer was drawn.")
        return
    table = distinct_answers(behind)
    what = "Answers of the chosen weight" if lows else "Harmful answers"
    st.markdown(
        f"**{what}**, the heaviest first: {len(behind):,} draws, {len(table):,} different"
        + (f", {SHOWN} shown" if len(table) > SHOWN else "")
    )
    _table(table.head(SHOWN), names)
    _word_by_word(run, shards, table.head(SHOWN), names)


def _table(table: pd.DataFrame, names: Sequence[str]) -> None:
    # Not a data frame, whose cells would cut the answers off; a table's cells are Markdown.
    st.table(
        pd.DataFrame(
            {
                "Answer": [plain(text) or "(an empty answer)" for text in table["text"]],
                "Of the estimate": [f"{share:.1%}" for share in table["share"]],
                "Weight": [f"{10**value:.2g}" for value in table["log10_weight"]],
                "Times": [f"{times:,}" for times in table["times"]],
                "Drawn by": [plain(names[j]) for j in table["component"]],
            }
        ),
        border="horizontal",
        hide_index=True,
    )


def _word_by_word(
    run: RunSpec, shards: Sequence[JudgedShard], table: pd.DataFrame, names: Sequence[str]
) -> None:
    loaded = resources.model_of(run.request)
    found = [token_weights(loaded, shards, int(row)) for row in table["row"]]
    # The model's own answers have no weight to explain: they weigh the same at every word.
    rows = [place for place, one in enumerate(found) if one.component > 0]
    if not rows:
        return
    st.markdown("**Word by word**: where a proposal makes an answer likelier than the model does")
    word_heat([found[place] for place in rows[:6]])
    options = [
        f"{number}. {_beginning(table['text'][place])}" for number, place in enumerate(rows, 1)
    ]
    if st.session_state.get(CHOSEN) not in options:
        st.session_state[CHOSEN] = options[0]
    chosen = st.selectbox("Answer", options, key=CHOSEN)
    one = found[rows[options.index(chosen)]]
    st.vega_lite_chart(
        weight_charts.token_bars(one, ink()),
        key="weight_view.tokens",
        width="stretch",
        alt="What each word adds to the weight of the chosen answer",
    )
    st.caption(
        f"Drawn by: {names[one.component - 1]}. Bars: what each word adds; line: the sum so far. "
        "Against this proposal alone: the weight in the table counts all proposals together."
    )


def _beginning(text: str) -> str:
    parts = text.split()
    return " ".join(parts[:LABEL_WORDS]) + (" …" if len(parts) > LABEL_WORDS else "")
