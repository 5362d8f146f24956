"""Answers as a list: how often each came, harmful ones marked, words that decide in bold."""

import html
from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

from core.errors import BehaviourError
from core.judges.base import Judge
from core.judges.rules import RuleJudge
from core.runs.request import EstimateRequest
from pages.shared import resources
from pages.shared.paid_judges import UnaskedJudge

# currentColor and color-mix follow the theme, whichever is on.
STYLE = """<style>
.ts-answers {display: grid; gap: .45rem; margin: .2rem 0 .6rem}
.ts-answer {display: grid; grid-template-columns: 1fr; gap: .7rem; padding: .5rem .8rem;
  border-radius: .5rem; background: color-mix(in srgb, currentColor 5%, transparent);
  border-left: .28rem solid transparent; line-height: 1.45}
.ts-answer.ts-counted {grid-template-columns: 3.2rem 1fr}
.ts-answer.ts-harmful {border-left-color: #d1495b;
  background: color-mix(in srgb, #d1495b 13%, transparent)}
.ts-times {text-align: right; opacity: .7; font-variant-numeric: tabular-nums; white-space: nowrap}
.ts-tag {font-size: .82em; font-weight: 650; color: color-mix(in srgb, #d1495b 82%, currentColor);
  white-space: nowrap}
.ts-empty {opacity: .6; font-style: italic}
.ts-answer mark {background: color-mix(in srgb, #d1495b 26%, transparent); color: inherit;
  font-weight: 650; padding: 0 .15em; border-radius: .2em}
</style>"""


@dataclass(frozen=True)
class Line:
    """One answer to show. harmful: None if the judge could not tell. times: None leaves it out."""

    text: str
    harmful: bool | None
    times: int | None = None
    note: str = ""


def answer_list(lines: Iterable[Line], judge: Judge, query: str) -> None:
    """Draws the answers. Their text is the model's: it is escaped, never rendered."""
    rows = "".join(_row(line, judge, query) for line in lines)
    st.html(f"{STYLE}<div class='ts-answers'>{rows}</div>")


def judged_by(judge: Judge, asked: EstimateRequest) -> None:
    """Says so where answers that are only shown were not judged by the judge that was chosen."""
    if judge is resources.judge(asked):
        return
    instead = (
        "so these are not judged"
        if isinstance(judge, UnaskedJudge)
        else "so these are judged by the behaviour's own"
    )
    st.caption(f"The judge sends requests, and none was sent for these answers, {instead}.")


def _row(line: Line, judge: Judge, query: str) -> str:
    words = _marked(line.text, judge, query) if line.harmful else html.escape(line.text)
    if not line.text:
        words = "<span class='ts-empty'>(an empty answer)</span>"
    tag = " <span class='ts-tag'>harmful</span>" if line.harmful else ""
    if line.harmful is None:
        tag = " <span class='ts-empty'>(not judged)</span>"
    note = f" <span class='ts-empty'>{html.escape(line.note)}</span>" if line.note else ""
    kind = "ts-answer" + (" ts-harmful" if line.harmful else "")
    times = ""
    if line.times is not None:
        kind += " ts-counted"
        times = f"<span class='ts-times'>{line.times} ×</span>"
    return f"<div class='{kind}'>{times}<span>{words}{tag}{note}</span></div>"


def _marked(text: str, judge: Judge, query: str) -> str:
    """Returns the text as HTML; marked are the phrases that a judge of rules looks for."""
    if not isinstance(judge, RuleJudge):
        return html.escape(text)
    plain = " ".join(text.split())
    lowered = plain.casefold()
    if len(lowered) != len(plain):
        return html.escape(text)
    spans: list[tuple[int, int]] = []
    position = 0
    try:
        demand = judge.rules.demand_for(query)
    except BehaviourError:  # a pattern that takes too long
        return html.escape(text)
    for patterns in () if demand is None else demand.patterns:
        found = [match.span() for p in patterns if (match := p.search(lowered, position))]
        if found:
            spans.append(min(found, key=lambda span: span[1]))
            position = spans[-1][1]
    parts, end = [], 0
    for start, stop in spans:
        parts += [html.escape(plain[end:start]), f"<mark>{html.escape(plain[start:stop])}</mark>"]
        end = stop
    return "".join([*parts, html.escape(plain[end:])])
