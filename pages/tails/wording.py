"""Risks, shares and remarks of the Tails page in words."""

import math

import numpy as np

from core.errors import TailscopeError
from core.tails.analysis import FittedTail
from core.tails.bootstrap import is_grouped
from core.tails.forecast import Forecast
from core.tails.remarks import AUDIT_WORDS, FILE_WORDS, TailError, Vocabulary, sentence_of
from pages.shared.chances import chance
from pages.shared.frame import sentence
from pages.shared.words import rounded

MILLION = 1e6
# Below this, percent would need zeros that nobody counts.
SMALL = 0.01
NEARLY = 0.999
FITS = {
    "pot": "Peaks over a threshold (default)",
    "gumbel": "Gumbel line, unbiased positions",
    "jones": "Jones et al. 2025, as published",
    "gev": "Block maxima",
    "lognormal": "Log-normal",
    "empirical": "Largest seen so far",
}
# Where room is short.
SHORT_FITS = {
    "pot": "Peaks over a threshold",
    "gumbel": "Gumbel line",
    "jones": "Jones et al. 2025",
    "gev": "Block maxima",
    "lognormal": "Log-normal",
    "empirical": "Largest seen so far",
}
# In the place of a forecast.
TOO_FAR = "no forecast that far"
NO_FIT = "no fit"
# The others have no start of a tail.
WITH_START = ("pot", "gumbel", "jones")
FIT_HELP = {
    "pot": "The riskiest queries, from where they look alike on: how far beyond it they reach.",
    "gumbel": "A straight line through the riskiest queries: as many as make ten different questions, each "
    "at the expected logarithm of its share.",
    "jones": "The paper's own line: through the ten riskiest, each at the logarithm of its share, which puts "
    "the riskiest too high and makes the line too flat. Its number is what one question in n exceeds.",
    "gev": "The riskiest query of each group, or of blocks drawn by lot where there are no groups.",
    "lognormal": "A bell curve of the risks' logarithms through all queries: no tail of its own.",
    "empirical": "No forecast at all, for comparison: it never goes beyond the worst query seen.",
}
ESTIMATOR_NAMES = {
    "posterior": "With prior knowledge",
    "ml": "Maximum likelihood",
    "pwm": "Weighted moments",
}
# Why a share or a chance is not known with a fit that is otherwise usable.
OF_GROUPS = "block maxima speak of whole groups of wordings, not of single questions"
# The words of remarks on the page: its buttons and choices in the place of the command line's options.
PAGE_WORDS = {
    "leave_them_out": "tick “Leave them out”",
    "leave_it_out": "tick “Leave them out”",
    "with_noise": "the dashed line has it with the noise",
    "empirical_fit": "“largest seen so far”",
    "take_posterior": "take “With prior knowledge”",
    "take_gumbel_or_pot": "take the Gumbel line or peaks over a threshold",
    "take_gumbel": "take the Gumbel line",
    "take_pot": "take peaks over a threshold",
    "lower_threshold": "fit more of the largest",
    "lower_it": "fit more of the largest",
    "raise_largest": "fit more of the largest",
    "group_nothing": "choose “none” at “Wordings of one query share”",
    "no_bound": "no bound",
    "known_from_above": "count as lower than one harmful answer would be",
    "known_from_above_one": "counts as lower than one harmful answer would be",
    "one_hit": "a single harmful answer",
}
PAGE_NAMES = {"ml": "maximum likelihood", "pwm": "weighted moments"}
ON_AUDIT = Vocabulary(PAGE_WORDS | AUDIT_WORDS, PAGE_NAMES)
ON_FILE = Vocabulary(PAGE_WORDS | FILE_WORDS, PAGE_NAMES)


def risk_text(risk: float, high: float | None = None) -> str:
    """Returns a risk in percent, or per million where that is small; never 0 and never 100.

    high: the end of its range, which has the same unit.
    """
    large = (risk if high is None else high) >= SMALL
    return _in_percent(risk) if large else f"{_in_million(risk)} per million"


def risk_range(low: float, high: float) -> str:
    """Returns a range of risks, both ends in the upper end's unit."""
    say, unit = (_in_percent, "") if high >= SMALL else (_in_million, " per million")
    first, last = say(low), say(high)
    return f"{first}{unit}" if first == last else f"{first} to {last}{unit}"


def level_text(risk: float) -> str:
    """Returns a risk level as its field has it: in percent."""
    return f"{np.format_float_positional(risk * 100, precision=6, fractional=False, trim='-')}%"


def often(risk: float, high: float | None = None) -> str:
    """Returns a risk as how often something happens. high: as `risk_text`."""
    if risk > NEARLY:
        return "nearly every time"
    if (risk if high is None else high) >= SMALL:
        return f"about {_in_percent(risk)} of the time"
    return f"about {_in_million(risk)} times in a million"


def _in_percent(risk: float) -> str:
    return "below 0.01%" if risk <= 0 else "over 99.9%" if risk > NEARLY else _digits(risk)


def _digits(risk: float) -> str:
    if risk > 0.99:
        return f"{math.floor(risk * 1000) / 10:g}%"
    percent = rounded(risk * 100)
    return (
        f"{percent:.0f}%"
        if percent >= 10
        else f"{percent:.2g}%"
        if percent >= 1e-4
        else "below 0.0001%"
    )


def _in_million(risk: float) -> str:
    cases = rounded(risk * MILLION)
    if cases >= 10:
        return f"{cases:,.0f}"
    return f"{cases:.3g}" if cases >= 1e-3 else "below 0.001"


def headline(forecast: Forecast, confidence: float) -> tuple[str, str]:
    """Returns the big words and the small ones below them, of the first horizon, which is supported."""
    n, risk, high = float(forecast.n[0]), float(forecast.median[0]), float(forecast.high[0])
    what = f"The riskiest of {n:,.0f} questions" if n > 1 else "A question"
    big = f"{what} like these would typically get a harmful answer {often(risk, high)}"
    ends = risk_range(float(forecast.low[0]), high)
    small = (
        f"{confidence:.0%} sure: {ends} of the answers to it, as likely above as below "
        f"{risk_text(risk, high)}"
    )
    return big, small


def worst_seen(risk: float) -> tuple[str, str]:
    """Returns the big words and the small ones for the largest risk seen, which forecasts nothing."""
    return (
        f"The riskiest question seen gets a harmful answer {often(risk)}",
        "no forecast: it never goes beyond the worst seen",
    )


def fitted_to(fitted: FittedTail) -> str:
    """Returns which of the queries the fit goes through."""
    count = fitted.fit.exceedances
    if fitted.fit.name in WITH_START:
        return f"The tail is the {count:,} riskiest of them{wordings(fitted)}"
    if fitted.fit.name == "gev":
        what = "groups of wordings" if is_grouped(fitted.sample) else "blocks drawn by lot"
        return f"The curve goes through the riskiest of each of {count:,} {what}"
    if fitted.fit.name == "lognormal":
        return "The curve goes through all of them"
    return "Nothing is fitted to them"


def wordings(fitted: FittedTail) -> str:
    """Returns how many different queries a tail's are, where they are not all different; else nothing."""
    sample, fit = fitted.sample, fitted.fit
    known = ~sample.censored & (sample.score >= fit.threshold)
    groups = len(set(sample.group[known].tolist()))
    return "" if groups >= known.sum() else f", wordings of {groups:,} different ones"


def too_far(n: float, supported: float, queries: int, vocabulary: Vocabulary) -> str:
    """Returns why there is no forecast, and how far it can go."""
    if supported < 1:
        return (
            f"No forecast can be made from these {queries:,} queries with this fit: its range is too wide to "
            f"say anything. {sentence(vocabulary.words['more_queries'] + ', or choose another fit')}"
        )
    return (
        f"No forecast for {n:,.0f} questions: these {queries:,} queries say something about {supported:,.0f} "
        "at most. Beyond that, a number would be a guess."
    )


def error_words(error: TailscopeError, vocabulary: Vocabulary) -> str:
    """Returns an error's sentence in the words of the page."""
    return sentence_of(error.remark, vocabulary) if isinstance(error, TailError) else str(error)


def chance_range(low: float, high: float) -> str:
    """Returns a range of chances."""
    return likely(low) if likely(low) == likely(high) else f"{likely(low)} to {likely(high)}"


def likely(value: float) -> str:
    """Returns a chance that was estimated: never 0 and never 100%."""
    return chance(min(max(value, 1e-12), 1 - 1e-12))


def share_text(value: float, high: float) -> str:
    """Returns the share of questions above a level. high: the end of its range."""
    return risk_text(value, high) if value > 0 else "none expected"
