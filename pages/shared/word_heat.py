"""Answers as words on a heat map: what each word adds to the weight."""

import html
from collections.abc import Iterable

import numpy as np
import streamlit as st

from core.runs.weight_tables import TokenWeights

# Full colour at a factor of ten: beyond it a word is simply one that the proposal forces.
FULL = 1.0
LESS, MORE = "#d55e00", "#0072b2"

STYLE = f"""<style>
.ts-heat {{display: grid; gap: .5rem; margin: .2rem 0 .8rem}}
.ts-heat-line {{display: grid; grid-template-columns: 4.6rem 1fr; gap: .8rem; line-height: 1.9}}
.ts-heat-sum {{text-align: right; opacity: .75; font-variant-numeric: tabular-nums;
  white-space: nowrap}}
.ts-heat-words span {{padding: .12em .32em; border-radius: .25em; margin-right: .12em}}
.ts-heat-key {{display: flex; gap: .6rem; align-items: center; font-size: .88em; opacity: .85}}
.ts-heat-bar {{width: 9rem; height: .8em; border-radius: .25em;
  background: linear-gradient(to right, {LESS}, color-mix(in srgb, currentColor 7%, transparent),
  {MORE})}}
</style>"""
KEY = (
    "<div class='ts-heat-key'><span>likelier from the proposal</span><span class='ts-heat-bar'></span>"
    "<span>likelier from the model</span></div>"
)


def word_heat(answers: Iterable[TokenWeights]) -> None:
    """Draws the answers. Their words are the model's: they are escaped, never rendered."""
    lines = "".join(_line(answer) for answer in answers)
    st.html(f"{STYLE}<div class='ts-heat'>{KEY}{lines}</div>")


def _line(answer: TokenWeights) -> str:
    added = answer.log_weight / np.log(10)
    words = " ".join(
        _word(word, float(value)) for word, value in zip(answer.words, added, strict=True)
    )
    return (
        f"<div class='ts-heat-line'><span class='ts-heat-sum'>10<sup>{added.sum():.1f}</sup></span>"
        f"<span class='ts-heat-words'>{words}</span></div>"
    )


def _word(word: str, added: float) -> str:
    strength = round(min(abs(added) / FULL, 1.0) * 75)
    color = MORE if added > 0 else LESS
    return (
        f"<span style='background: color-mix(in srgb, {color} {strength}%, transparent)' "
        f"title='times {10**added:.3g}'>{html.escape(word)}</span>"
    )
