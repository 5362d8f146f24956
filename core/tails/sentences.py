"""The sentence of each remark and of each refusal of the tails.

In braces stand the remark's values, after a dollar sign the words that a reader's vocabulary has for it: an
option of the command line or a button of the page, an audit or the rows of a file.
"""

from dataclasses import dataclass
from typing import Literal

Level = Literal["note", "caution", "error"]


@dataclass(frozen=True)
class Sentence:
    """How a remark reads. one: where its `count` is 1, empty if that makes no difference."""

    level: Level
    text: str
    one: str = ""


_ABOUT_THE_ESTIMATES = {
    "rows_without_estimate": Sentence(
        "note",
        "{count} queries have no estimate and were left out",
        "1 query has no estimate and was left out",
    ),
    "doubtful_left_out": Sentence(
        "note",
        "{count} queries marked 'do not use' were left out",
        "1 query marked 'do not use' was left out",
    ),
    "repeated_queries": Sentence(
        "note",
        "{count} rows repeat a query; they count as wordings of one",
        "1 row repeats a query; it counts as another wording of it",
    ),
    "bound_assumed": Sentence(
        "caution",
        "{count} queries have estimate 0 and $no_bound; they are taken to lie below the smallest estimate, "
        "{lowest:.2g}, which is too low if they had fewer answers than others",
        "1 query has estimate 0 and $no_bound; it is taken to lie below the smallest estimate, "
        "{lowest:.2g}, which is too low if it had fewer answers than others",
    ),
    "zero_hits": Sentence(
        "note",
        "{count} queries without a hit $known_from_above",
        "1 query without a hit $known_from_above_one",
    ),
    "zero_hits_near_tail": Sentence(
        "caution",
        "{count} queries without a hit $known_from_above; {near} of them had so few answers that $one_hit "
        "would have put them into the tail, so they may belong to it or not, and the interval allows for "
        "both: draw more answers for them",
        "1 query without a hit $known_from_above_one; it had so few answers that $one_hit would have put it "
        "into the tail, so it may belong to it or not, and the interval allows for both: draw more answers "
        "for it",
    ),
    "doubtful_in_tail": Sentence(
        "caution",
        "{count} of the {exceedances} estimates the tail is fitted to are marked 'do not use' ({queries}); "
        "estimate them again, or $leave_them_out",
        "1 of the {exceedances} estimates the tail is fitted to is marked 'do not use' ({queries}); estimate "
        "it again, or $leave_it_out",
    ),
    "more_doubtful_in_tail": Sentence(
        "caution",
        "{count} of the {exceedances} estimates the tail is fitted to are marked 'do not use' ({queries} and "
        "{more} more); estimate them again, or $leave_them_out",
    ),
    "rough_estimates": Sentence(
        "caution",
        "half of the estimates that the tail is fitted to are known to {error:.0%} only, one standard error; "
        "the interval may be too narrow: draw more answers for the riskiest queries",
    ),
    # A log-normal takes what a hit or two happened to come to as exact.
    "rough_estimates_lognormal": Sentence(
        "caution",
        "half of the estimates that the tail is fitted to are known to {error:.0%} only, one standard error; "
        "the interval may be too narrow and the forecast too low: draw more answers for the riskiest queries",
    ),
    "noise_explains_tail": Sentence(
        "caution",
        "the tail may be nothing but the estimates' own noise: risks that are all alike would look like it. "
        "The low ends allow for that, and the forecast is likelier too high than too low: draw more answers",
    ),
    "noise_out_of_shares": Sentence(
        "caution",
        "a good part of how far the estimates lie apart is their own noise; it is taken out of the shares of "
        "queries above a risk, and what it hides makes their intervals wide: draw more answers",
    ),
    "noise_in_shares": Sentence(
        "caution",
        "a good part of how far the estimates lie apart is their own noise, so the shares of queries above a "
        "risk are too high far up and too low below: draw more answers",
    ),
    "noise_out_of_forecast": Sentence(
        "note",
        "the estimates' own noise would raise the forecast by a factor of {factor:.2g}; it is taken out "
        "($with_noise)",
    ),
    "few_groups": Sentence(
        "caution",
        "only {count} groups, {above} of them in the tail: wordings of one query count as one, and the "
        "interval may be too narrow; $more_different_queries (where a group is a subject and not a query, "
        "$group_nothing)",
        "only 1 group: wordings of one query count as one, and the interval may be too narrow; "
        "$more_different_queries (where a group is a subject and not a query, $group_nothing)",
    ),
}

_SURPLUS = "where the fit expects {expected:.1g} (exact binomial p = {p:.1g}): {queries}"
_OF_THEM = (
    "a riskier kind of query may be among them. The forecast takes its share from the queries seen and goes "
    "no further than they do; $riskier_kind"
)

_ABOUT_THE_FIT = {
    "surplus_above": Sentence(
        "caution",
        "{count} queries have a risk of {level:.2g} or more " + _SURPLUS + "; " + _OF_THEM,
        "1 query has a risk of {level:.2g} or more "
        + _SURPLUS
        + "; it may be one of a riskier kind. The "
        "forecast takes the share of such queries from those seen and goes no further than they do; "
        "$more_queries",
    ),
    "surplus_above_of_many": Sentence(
        "caution",
        "{count} queries have a risk of {level:.2g} or more "
        + _SURPLUS
        + " and {more} more; "
        + _OF_THEM,
    ),
    "kind_not_seen": Sentence(
        "note",
        "the intervals are for queries like the {seen:,} seen: a kind that is up to {share:.2%} of all may "
        "have been missed. Whatever the risk of what was not seen, the chance of at least one harmful answer "
        "among {horizon:,.0f} queries is at most {bound:.2g}",
    ),
    "beyond_support": Sentence(
        "caution",
        "no forecast for {horizons} queries: the fit supports {supported:,.0f} at most; ask for fewer, or "
        "$more_queries",
    ),
    "baseline_only": Sentence(
        "note", "$empirical_fit cannot exceed the worst query seen; it is a baseline, no forecast"
    ),
    "no_threshold_fits": Sentence(
        "caution",
        "no threshold fits, so there is no forecast for more queries than were seen: there may be two kinds "
        "of them; $riskier_kind",
    ),
    "far_beyond_seen": Sentence(
        "caution",
        "more than {times} times the {seen:,} independent queries seen: the interval holds only if the tail "
        "goes on as it was fitted",
    ),
    "upper_half_fitted": Sentence(
        "caution",
        "there are too few different queries to test a threshold, so the upper half is fitted; "
        "$more_different_queries",
    ),
    "poor_fit": Sentence(
        "caution",
        "the tail does not fit the largest estimates (Anderson-Darling p = {p:.2g}); try another fit or "
        "threshold",
    ),
    "refits_too_sure": Sentence(
        "caution",
        "refits by {estimator} are too sure of the tail's shape, so the interval is too narrow far out; "
        "$take_posterior to be sure",
    ),
    "blocks_are_groups": Sentence(
        "caution",
        "block maxima describe questions that come in whole groups of wordings, $as_sampled; what share of "
        "single questions is above a risk is not known from them, and as many questions that are all "
        "different are riskier than forecast",
    ),
    "shape_at_limit": Sentence(
        "caution", "the shape {shape:g} lies at the end of what can be fitted; $take_gumbel_or_pot"
    ),
    "refits_failed": Sentence(
        "caution",
        "{failed} of {samples} samples like this one have no fit; the interval may be too narrow",
    ),
}

_REFUSALS = {
    "too_few_queries": Sentence(
        "error", "a tail needs at least {fewest} queries, got {queries}; $more_of_them"
    ),
    "equal_estimates": Sentence(
        "error",
        "all estimates above 0 are {risk:g}, and a tail needs different ones; $other_queries",
    ),
    "too_few_hits": Sentence(
        "error",
        "a tail needs {needed} queries with a hit, got {hits}; draw more answers, or $more_queries",
    ),
    "too_few_hits_for_distribution": Sentence(
        "error", "a distribution needs two queries with a hit, got {hits}; $more_queries"
    ),
    "too_few_blocks": Sentence(
        "error",
        "block maxima need at least {fewest} groups or blocks with a hit, got {blocks}; $take_pot",
    ),
    "too_few_refits": Sentence(
        "error",
        "{failed} of {samples} samples like this one have no fit: the tail cannot be known from "
        "{exceedances} estimates; $lower_threshold, or $more_queries",
    ),
    "largest_outside": Sentence(
        "error",
        "largest must be in 3..{most} (the queries with a hit), got {largest}; $more_queries, or fit fewer "
        "of the largest",
    ),
    "equal_largest": Sentence(
        "error",
        "the {largest} largest estimates are equal, and a line needs different ones; $raise_largest",
    ),
    "too_few_for_threshold": Sentence(
        "error",
        "a threshold needs {fewest} different queries above it, and only {queries} have a hit; "
        "$more_queries, or $take_gumbel",
    ),
    "too_few_exceedances": Sentence(
        "error",
        "{exceedances} estimates lie above the threshold, and a tail needs {fewest}; $lower_it",
    ),
    "too_few_queries_to_test": Sentence(
        "error",
        "a backtest fits on {share:.0%} of the queries and needs {needed} or more, got {queries}; $more",
    ),
    "too_few_groups_to_test": Sentence(
        "error", "a backtest by group needs {fewest} groups or more, got {groups}; $more"
    ),
    "no_fit_in_splits": Sentence(
        "error", "{fit} has no fit in any of {splits} splits; $more_queries"
    ),
    "no_fits_in_splits": Sentence(
        "error", "{fits}: no fit in any of {splits} splits; $more_different_queries"
    ),
}

SENTENCES = _ABOUT_THE_ESTIMATES | _ABOUT_THE_FIT | _REFUSALS
