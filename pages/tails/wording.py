"""Risks, shares and remarks of the Tails page in words."""

from core.errors import TailscopeError
from core.tails.analysis import FittedTail
from core.tails.bootstrap import is_grouped
from core.tails.remarks import AUDIT_WORDS, FILE_WORDS, TailError, Vocabulary, sentence_of
from core.tails.words import often, risk_text
from pages.shared.chances import chance
from pages.shared.frame import sentence

MILLION = 1e6
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
