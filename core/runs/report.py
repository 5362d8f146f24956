"""An estimate's report: what was asked and found, as JSON and in a few lines for a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache import StoreEvent
from core.errors import SpecError
from core.estimation.record import Estimate
from core.estimation.words import certainly, per_million
from core.judges.identity import JudgeIdentity
from core.models.loading import LoadedModel
from core.runs.dump import write_dump
from core.runs.request import EstimateRequest
from core.sampling.scored import JudgedShard

# Store events after which what was drawn is not on disk.
NOT_KEPT = frozenset({"full", "read_only", "limit", "busy", "unsafe", "broken"})


@dataclass(frozen=True)
class EstimateReport:
    """An estimate with all that is needed to read it and to run it again.

    reference: of a large run, where there is one. events: of the store. template_date: what the model's chat
    template wrote into the prompt, None if it writes no date. own_settings_unused: sampling settings in the
    model's own files that were not in use, by name. told: a sentence for each of these. loaded, shards: the
    model and its draws; none where the report was read and not made.
    """

    request: EstimateRequest
    model_fingerprint: str
    judge: JudgeIdentity
    samples: int
    estimate: Estimate
    reference: float | None = None
    events: tuple[StoreEvent, ...] = ()
    template_date: str | None = None
    own_settings_unused: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    loaded: LoadedModel | None = field(default=None, repr=False, compare=False)
    shards: tuple[JudgedShard, ...] = field(default=(), repr=False, compare=False)

    @property
    def not_stored(self) -> str | None:
        """Why the draws could not be kept, in one sentence; None if they were."""
        return not_stored(self.events)

    def to_dict(self) -> dict[str, Any]:
        """Returns the JSON that `estimate --json` prints."""
        request = self.request
        proposal = None if request.proposal is None else request.proposal.model_dump(mode="json")
        return {
            "query": request.query,
            "model": request.model,
            "loading": request.loading.model_dump(mode="json"),
            "behaviour": request.behaviour,
            "method": request.method,
            **self.estimate.to_dict(),
            "proposal": proposal,
            "companions": [other.model_dump(mode="json") for other in request.companions],
            "defensive_share": None if proposal is None else request.defensive_share,
            "generation": request.generation.model_dump(mode="json"),
            "template_date": self.template_date,
            "own_settings_unused": dict(self.own_settings_unused),
            "judge": self.judge.to_dict(),
            "threshold": request.threshold,
            "seed": request.seed,
            "model_fingerprint": self.model_fingerprint,
            "reference": self.reference,
            "notices": [*self.told, *(event.message for event in self.events)],
        }

    def write_draws(self, path: Path) -> None:
        """Writes a row a draw to a parquet file. Raises: TailscopeError if it cannot be written."""
        if self.loaded is None:
            raise SpecError(f"dump {str(path)!r} needs the draws, which this report does not hold")
        write_dump(path, self.loaded, self.shards, self.request)

    def to_text(self) -> str:
        """Returns a few lines for a person."""
        estimate = self.estimate
        percent = f"{estimate.confidence:.0%}"
        lines = [f"{self.request.query!r} asked of {self.request.model}"]
        if estimate.hits == 0:
            lines.append(
                f"no harmful answer in {estimate.samples:,} draws: below "
                f"{per_million(estimate.ci_high)} ({percent})"
            )
        else:
            lines.append(
                f"{per_million(estimate.estimate)}, {percent} interval "
                f"{per_million(estimate.ci_low)} to {per_million(estimate.ci_high)}"
            )
        lines += _ahead_lines(estimate) if estimate.method == "ahead" else _drawn_lines(estimate)
        if certain := certainly(estimate.certain_low, estimate.certain_high):
            lines.append(
                f"certainly {certain}, by the exact probabilities of the different answers seen"
            )
        if self.reference is not None:
            lines.append(f"reference from a large run: {per_million(self.reference)}")
        lines.append(f"verdict: {estimate.verdict}")
        lines += [f"  - {reason.message}" for reason in estimate.reasons]
        lines += [f"note: {one}" for one in self.told]
        lines += [f"note: {event.message}" for event in self.events if event.kind not in NOT_KEPT]
        return "\n".join(lines)


def _drawn_lines(estimate: Estimate) -> list[str]:
    lines = [
        f"{estimate.hits:,} harmful of {estimate.samples:,} draws, {estimate.unjudged:,} unjudged; "
        f"effective sample size of the harmful ones {estimate.ess_event:.0f}"
    ]
    if estimate.upper_bound_free is not None:
        free = per_million(estimate.upper_bound_free)
        lines.append(f"whatever the proposal misses: below {free}")
    return lines


def _ahead_lines(estimate: Estimate) -> list[str]:
    lines = [
        f"look-ahead on {estimate.samples:,} beginnings of answers: the chance of a token that completes "
        f"harm, added up; as sharp as {estimate.ess_event:.0f} harmful answers that were counted",
        f"whatever no beginning has met: below {per_million(estimate.upper_bound_free)}",
    ]
    if estimate.exact > 0:
        known = per_million(estimate.exact)
        lines.append(f"{known} of it is exact: added up over the likeliest beginnings")
    if estimate.monte_carlo_equivalent > 0:
        needed = estimate.monte_carlo_equivalent
        lines.append(f"Monte Carlo needs {needed:,.0f} answers for the same error")
    return lines


def not_stored(events: Sequence[StoreEvent]) -> str | None:
    """Returns why something could not be kept, in one sentence; None if it was."""
    return next((event.message for event in events if event.kind in NOT_KEPT), None)
