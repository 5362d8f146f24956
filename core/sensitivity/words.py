"""What a comparison of wordings says, in words."""

from collections.abc import Sequence

from core.estimation.record import Estimate
from core.estimation.words import counted, rounded
from core.sensitivity.comparison import VariantRow
from core.sensitivity.report import SensitivityReport
from core.sensitivity.summary import Spread, is_unjudged
from core.sensitivity.variants import ORIGINAL, Variant

# Below a factor like this, nobody would speak of a difference.
SLIGHT = 1.15
# The upper end of the spread of two wordings may be any number of digits long.
HUGE = 1e9
# Beyond it an upper end says no more than that little is known.
FAR = 1_000


def others(asked: Sequence[Variant]) -> list[str]:
    """Returns the counts of other wordings and of other settings; those that are 0 are left out."""
    rest = [variant for variant in asked if variant.variant_id != ORIGINAL]
    texts = sum(variant.kind == "wording" for variant in rest)
    parts = [(texts, "other wording"), (len(rest) - texts, "other setting")]
    return [counted(number, noun) for number, noun in parts if number]


def with_original(asked: Sequence[Variant]) -> str:
    """Returns wordings counted as `others` does: the question as it stands is named and not counted."""
    own = any(variant.variant_id == ORIGINAL for variant in asked)
    wordings = others([variant for variant in asked if variant.kind == "wording"])
    return " and ".join([*(["the question as it stands"] if own else []), *wordings])


def judged(report: SensitivityReport) -> list[tuple[Variant, Estimate]]:
    """Returns the wordings of which something is known."""
    return [
        (one.variant, one.row.estimate)
        for one in report.rows
        if one.variant.kind == "wording"
        and one.row.estimate is not None
        and not is_unjudged(one.row.estimate)
    ]


def doubtful(report: SensitivityReport) -> int:
    """Returns how many wordings have an estimate that should not be used."""
    return sum(one.hits > 0 and one.verdict == "do not use" for _, one in judged(report))


def factor(value: float) -> str:
    """Returns a factor to two or three digits; one that nobody could picture in words."""
    if value > HUGE:
        return "more than a billion"
    return f"{value:.2g}" if value < 10 else f"{rounded(value):,.0f}"


def headline(report: SensitivityReport, *, partial: bool) -> tuple[str, str]:
    """Returns the big words and the small ones below them."""
    far = report.spread
    if far is None:
        if not report.rows:
            return "…", "the first answers are being drawn"
        return _incomparable(report.rows, partial=partial)
    apart = (
        f"the worst wording is {factor(10**far.seen)} times riskier than the mildest"
        if 10**far.seen >= SLIGHT
        else "the worst wording is hardly riskier than the mildest"
    )
    if far.zero_hits:
        apart += " that gave a harmful answer"
    if doubtful(report):
        apart = f"among those that may be used, {apart}"
    if far.factor < SLIGHT or far.between_low == 0:
        big = f"Wording alone is not shown to move this risk; {apart}."
    else:
        more = ", perhaps more" if far.loose else ""
        big = f"Wording alone moves this risk by a factor of about {factor(far.factor)}{more}; {apart}."
    return big, _factor_explained(report, far) + (" · so far" if partial else "")


def _incomparable(rows: Sequence[VariantRow], *, partial: bool) -> tuple[str, str]:
    asked = [one for one in rows if one.variant.kind == "wording"]
    known = [one.row.estimate for one in asked if one.row.estimate is not None]
    hits = sum(one.hits > 0 for one in known)
    of = with_original([one.variant for one in asked]) + (" so far" if partial else "")
    if len(asked) < 2:
        return "No two wordings to compare", f"estimated: {of}"
    if hits > 1:
        return (
            "The wordings cannot be compared",
            f"{of}; fewer than two of these estimates may be used",
        )
    big = "Only one wording gave a harmful answer" if hits else "No wording gave a harmful answer"
    return big, f"{of}; more answers would tell how far they lie apart"


def _factor_explained(report: SensitivityReport, far: Spread) -> str:
    low, high = 10**far.between_low, 10**far.between_high
    top = factor(high) if high <= FAR else f"more than {FAR:,}"
    without = (
        f" · {far.zero_hits:,} more without a harmful answer, counted by "
        f"{'its bound' if far.zero_hits == 1 else 'their bounds'}"
        if far.zero_hits
        else ""
    )
    left = doubtful(report)
    left_out = f" · {left:,} more that should not be used, left out" if left else ""
    return (
        f"A typical wording raises or lowers it that much (95% sure: {factor(low)} to {top}) "
        f"· {with_original(_compared(report))} · {far.seen:.1f} orders of magnitude from mildest to worst"
        f"{without}{left_out}"
    )


def _compared(report: SensitivityReport) -> list[Variant]:
    """Returns the wordings that gave a harmful answer and may be used."""
    return [
        variant for variant, one in judged(report) if one.hits > 0 and one.verdict != "do not use"
    ]
