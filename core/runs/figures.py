"""An estimate's figures in a table: which there are, what each means, how it is written."""

import math
from collections.abc import Sequence

from core.estimation.record import Estimate
from core.glossary import meaning

TOKENS_MEANING = (
    "Tokens that went through the models. Answers that begin alike share them up to where they part, so that "
    "Monte Carlo's, most of them the same refusal, take few; an answer of several proposals goes through all."
)
# Field of `Estimate`, label, meaning.
FIGURES: tuple[tuple[str, str, str], ...] = (
    ("hits", "Harmful answers", meaning("hit")),
    ("hit_rate", "Raw hit rate", meaning("hit rate")),
    ("unjudged", "Unjudged answers", meaning("unjudged")),
    ("ess", "Effective sample size", meaning("effective sample size")),
    ("ess_event", "Effective harmful answers", meaning("effective harmful answers")),
    ("khat", "Pareto k-hat", meaning("k-hat")),
    ("max_weight_share", "Largest weight share", meaning("weight share")),
    ("mean_weight", "Mean weight", meaning("mean weight")),
    ("overlap", "Overlap", meaning("overlap")),
    ("forward_tokens", "Tokens through the model", TOKENS_MEANING),
    ("seconds", "Seconds of computing", "When the draws were made."),
    ("samples_per_second", "Answers per second", ""),
)
SECOND_LABEL = "Second proposal, per million"
SECOND_MEANING = f"The 99% interval. {meaning('second opinion')}"


def second_interval(found: Estimate) -> str:
    """Returns the second proposal's interval per million; a dash where none was drawn."""
    second = found.second
    if second is None:
        return "–"
    return f"{second.low * 1e6:,.3g} to {second.high * 1e6:,.3g}"


def in_figures(value: float) -> str:
    """Returns a figure as tables show it: whole if it is large, a dash if it is not known."""
    if not math.isfinite(value):
        return "–"
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def names_of(found: Estimate, every: Sequence[str]) -> list[str]:
    """Returns what an estimate's components are called. every: the names of all, the target last."""
    proposals = iter(every[:-1])
    if len(found.components) == len(every):
        return [every[-1] if one.is_target else next(proposals) for one in found.components]
    return [every[-1] if one.is_target else one.name for one in found.components]
