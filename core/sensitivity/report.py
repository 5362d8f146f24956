"""What a comparison's estimates come to: as JSON, and in a few lines for a person."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from core.audit.rows import AuditRow
from core.errors import SpecError
from core.estimation.words import per_million
from core.sensitivity.comparison import Comparison, VariantRow
from core.sensitivity.summary import Averaged, Spread, averaged, is_unjudged, spread
from core.sensitivity.variants import ORIGINAL


@dataclass(frozen=True)
class SensitivityReport:
    """What the variants came to. spread, averaged: over wordings; None with the reason among the notes."""

    query: str
    model: str
    behaviour: str
    rows: Sequence[VariantRow]
    spread: Spread | None
    averaged: Averaged | None
    notes: tuple[str, ...]
    seconds: float
    not_stored: str | None = None

    @property
    def worst(self) -> VariantRow | None:
        """The wording of the largest estimate that may be used."""
        known = [one for one in self._wordings() if one.row.estimate and one.row.estimate.hits]
        usable = [
            one for one in known if one.row.estimate and one.row.estimate.verdict != "do not use"
        ]
        return max(usable, key=_risk, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON of the command line."""
        worst = self.worst
        return {
            "query": self.query,
            "model": self.model,
            "behaviour": self.behaviour,
            "variants": [_as_dict(one) for one in self.rows],
            "worst": None if worst is None else worst.variant.text,
            "spread": None if self.spread is None else asdict(self.spread),
            "averaged": None if self.averaged is None else asdict(self.averaged),
            "notes": list(self.notes),
            "seconds": self.seconds,
        }

    def to_text(self) -> str:
        """Returns a few lines for a person, the riskiest first."""
        lines = [f"{self.query!r} and {len(self.rows) - 1} other ways to ask {self.model}"]
        for one in sorted(self.rows, key=_risk, reverse=True):
            what = one.variant.text if one.variant.kind == "wording" else one.variant.label
            mark = " (as given)" if one.variant.variant_id == ORIGINAL else ""
            lines.append(f"  {_found(one.row):<44} {what[:60]}{mark}")
        if self.spread is not None:
            low, high = 10**self.spread.between_low, 10**self.spread.between_high
            lines.append(
                f"wording alone moves the risk by a factor of {self.spread.factor:.2g} (standard deviation; "
                f"{low:.2g} to {high:.2g}); the estimates above 0 lie {self.spread.seen:.1f} decades apart"
                + (
                    ""
                    if self.spread.share is None
                    else f"; {self.spread.share:.0%} of their variance is due to wording"
                )
            )
        if self.averaged is not None:
            mean = self.averaged
            lines.append(
                f"averaged over wordings: {per_million(mean.mean)} ({per_million(mean.low)} to "
                f"{per_million(mean.high)}; over others of their kind {per_million(mean.wider_low)} to "
                f"{per_million(mean.wider_high)})"
            )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _wordings(self) -> list[VariantRow]:
        return [one for one in self.rows if one.variant.kind == "wording"]


def summed_up(
    comparison: Comparison,
    rows: Sequence[VariantRow],
    seconds: float = 0.0,
    unkept: str | None = None,
    asked_with: Sequence[str] = (),
) -> SensitivityReport:
    """Returns the report on variants that have been estimated. asked_with: what to know of the model."""
    told = [*comparison.notes, *asked_with]
    told += [f"{one.variant.label}: {one.row.error}" for one in rows if one.row.error]
    estimates = [
        one.row.estimate for one in rows if one.variant.kind == "wording" and one.row.estimate
    ]
    moved: Spread | None = None
    if len(estimates) > 1:
        try:
            moved = spread(estimates)
        except SpecError as error:
            told.append(str(error))
    mean: Averaged | None = None
    with suppress(SpecError):  # no estimate that may be used: their rows say so
        mean = averaged(estimates)
    if moved is not None:
        told += without_a_hit(moved)
    if unjudged := sum(map(is_unjudged, estimates)):
        told.append(
            f"of {unjudged} wording{'' if unjudged == 1 else 's'} no answer could be judged; nothing is "
            f"known of {'it' if unjudged == 1 else 'them'}"
        )
    if doubtful := sum(one.verdict == "do not use" and one.hits > 0 for one in estimates):
        told.append(
            f"{doubtful} estimate{' that' if doubtful == 1 else 's that'} should not be used "
            f"{'is' if doubtful == 1 else 'are'} left out of the spread and of the average"
        )
    return SensitivityReport(
        query=comparison.query,
        model=comparison.spec.models[0].name,
        behaviour=comparison.spec.behaviour,
        rows=rows,
        spread=moved,
        averaged=mean,
        notes=tuple(told),
        seconds=seconds,
        not_stored=unkept,
    )


def without_a_hit(moved: Spread) -> list[str]:
    """Returns how the spread counts wordings that gave no harmful answer; nothing where there is none."""
    if not moved.zero_hits:
        return []
    many = moved.zero_hits > 1
    told = [
        f"{moved.zero_hits} wording{'s' if many else ''} gave no harmful answer; the spread counts "
        f"{'them by their bounds' if many else 'it by its bound'}"
    ]
    if moved.loose:
        more = moved.loose > 1
        told.append(
            f"{moved.loose} of these bounds say{'' if more else 's'} little beside the other wordings' "
            "estimates: the spread may be wider than told, and its upper end takes "
            f"{'those wordings' if more else 'that wording'} as searched no worse than the others"
        )
    return told


def _risk(one: VariantRow) -> float:
    return one.row.estimate.estimate if one.row.estimate else -1.0


def _found(row: AuditRow) -> str:
    estimate = row.estimate
    if estimate is None:
        return "no estimate"
    if is_unjudged(estimate):
        return "no answer could be judged"
    if estimate.hits == 0:
        return f"no harm, below {per_million(estimate.ci_high)}"
    low, high = (end * 1e6 for end in (estimate.ci_low, estimate.ci_high))
    doubt = "" if estimate.verdict == "trust" else f", {estimate.verdict}"
    return f"{per_million(estimate.estimate)} ({low:.3g} to {high:.3g}{doubt})"


def _as_dict(one: VariantRow) -> dict[str, Any]:
    estimate = one.row.estimate
    return {
        "id": one.variant.variant_id,
        "kind": one.variant.kind,
        "label": one.variant.label,
        "text": one.variant.text,
        "generation": one.variant.generation.model_dump(mode="json"),
        "error": one.row.error,
        **({} if estimate is None else estimate.to_dict()),
    }
