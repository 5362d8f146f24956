"""A comparison's results in words, and the wordings as text with their differences marked."""

import difflib
import html

from core.sensitivity.comparison import VariantRow
from core.sensitivity.report import SensitivityReport
from core.sensitivity.summary import Averaged, is_unjudged
from core.sensitivity.variants import ORIGINAL
from core.sensitivity.words import doubtful, judged
from pages.shared.chances import count
from pages.shared.frame import plain
from pages.shared.words import between, in_million


def shares(due_to_wording: float) -> str:
    """Returns the bar of what the variance is due to, as HTML with its numbers as text.

    due_to_wording: share of the variance, 0..1.
    """
    wording = min(max(due_to_wording, 0.0), 1.0)
    parts = (
        ("#0072b2", "#ffffff", wording, "the wording"),
        ("#8494a4", "#10161d", 1 - wording, "sampling"),
    )
    bars = "".join(
        f"<div style='flex:{max(part, 0.002):.4f};background:{color}'></div>"
        for color, _, part, _ in parts
    )
    keys = "".join(
        f"<span><span style='display:inline-block;width:.8em;height:.8em;border-radius:.2em;"
        f"background:{color};margin-right:.4em'></span><b>{_share(part)}</b> {words}</span>"
        for color, _, part, words in parts
    )
    return (
        "<div style='display:flex;height:1.5rem;border-radius:.4rem;overflow:hidden;gap:2px' role='img' "
        f"aria-label='{_share(wording)} due to the wording'>{bars}</div>"
        f"<div style='display:flex;gap:1.6rem;margin-top:.45rem'>{keys}</div>"
    )


def _share(part: float) -> str:
    if 0.99 < part < 1:
        return f"{min(part, 0.999):.1%}"
    return f"{part:.1%}" if 0 < part < 0.01 else f"{part:.0%}"


def averaged_words(found: Averaged, zero_hits: int = 0) -> str:
    """Returns the risk averaged over the wordings with both of its ranges."""
    open_ended = counting = ""
    if zero_hits:
        counting = f", counting the {zero_hits:,} without a harmful answer as 0"
        their = "its" if zero_hits == 1 else "their"
        open_ended = (
            f" The upper ends reach far because {zero_hits} of them gave no harmful answer, and may yet have "
            f"a risk of up to {their} bound: more answers would tell."
        )
    return (
        f"Averaged over these wordings: **{in_million(found.mean)} per million**{counting}. 95% sure: "
        f"**{between(found.low, found.high)}** for exactly these wordings, and "
        f"**{between(found.wider_low, found.wider_high)}** for others of their kind, for these are "
        f"but a few of all the ways to ask (if the others lie around these like a bell curve on a log scale)."
        f"{open_ended}"
    )


def risk_words(one: VariantRow) -> str:
    """Returns a wording's risk in a few words."""
    found = one.row.estimate
    if found is None:
        return "no estimate"
    if is_unjudged(found):
        return "no answer could be judged"
    if found.hits == 0:
        return f"none found, below {in_million(found.ci_high)} per million"
    return f"{in_million(found.estimate)} per million"


def verdict_words(one: VariantRow) -> str:
    """Returns a wording's range and verdict; why there is none where it has no estimate."""
    found = one.row.estimate
    if found is None:
        return one.row.error
    if found.hits == 0:
        return ""
    return f"{between(found.ci_low, found.ci_high)} · {found.verdict}"


def worst_words(report: SensitivityReport) -> str:
    """Returns which wording is the worst, in Markdown; empty where that is not known."""
    worst = report.worst
    if worst is None or report.spread is None:
        return ""
    text = (
        "the question as it stands"
        if worst.variant.variant_id == ORIGINAL
        else f"“{worst.variant.text}”"
    )
    which = "Worst wording that may be used" if doubtful(report) else "Worst wording"
    return f"{which}: **{plain(text)}**, {risk_words(worst)}{_as_far_as_known(report, worst)}"


def _as_far_as_known(report: SensitivityReport, worst: VariantRow) -> str:
    """Returns how many wordings may be riskier than the worst: no harmful answer is no proof of none."""
    assert worst.row.estimate is not None
    risk = worst.row.estimate.estimate
    above = sum(one.hits == 0 and one.ci_high > risk for _, one in judged(report))
    return (
        f", as far as is known: {above:,} without a harmful answer may be riskier" if above else ""
    )


def times_as_risky(one: VariantRow, own: VariantRow | None) -> str:
    """Returns how a wording's risk compares with the original's; empty where that is not known."""
    found = one.row.estimate
    first = None if own is None else own.row.estimate
    if one is own or found is None or first is None or not found.hits or not first.hits:
        return ""
    ratio = found.estimate / first.estimate
    return f"× {count(ratio)}" if ratio >= 1 else f"÷ {count(1 / ratio)}"


def marked(text: str, original: str) -> str:
    """Returns a wording as HTML: words that the original has not are bold and underlined, the rest plain.

    Words that the original has more of stand struck out, small. Every word is escaped.
    """
    ours, theirs = text.split(), original.split()
    parts = []
    for kind, i, j, k, m in difflib.SequenceMatcher(
        None, theirs, ours, autojunk=False
    ).get_opcodes():
        gone, come = html.escape(" ".join(theirs[i:j])), html.escape(" ".join(ours[k:m]))
        if kind == "equal":
            parts.append(come)
            continue
        if gone:
            parts.append(f"<del style='opacity:.5;font-size:.85em'>{gone}</del>")
        if come:
            parts.append(f"<ins style='font-weight:700;text-decoration:underline'>{come}</ins>")
    return " ".join(parts)
