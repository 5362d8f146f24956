"""What an estimate is made of: the record that every estimator returns."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from core.estimation.component_checks import ComponentEstimate
from core.estimation.evidence import Method, Reason, Verdict
from core.estimation.second_opinion import SecondOpinion


@dataclass(frozen=True)
class Estimate:
    """An estimate of QRISK and all that is needed to doubt it.

    samples, hits, unjudged: rows drawn; harmful ones; those without a judgement. With method `ahead` no row
        is harmful: hits are the beginnings after which harm was possible.
    estimate, standard_error: the risk among the target's answers that can be judged; nan if none was. 0 is
        never a finding: at zero hits only ci_high and upper_bound_free mean anything.
    ci_low, ci_high: fixed-sample interval, from all unjudged harmless to all unjudged harmful; with a hit,
        what is impossible for certain is left out of it.
    cs_low, cs_high: the anytime-valid interval at this sample size, likewise widened and cut.
    upper_bound_free: one-sided bound from the target-drawn rows alone that assumes nothing of what they did
        not meet: Clopper-Pearson's, or with `ahead` the empirical Bernstein bound.
    ess, ess_event: effective sample sizes of w and of w*h; with method ahead the latter is how many equal
        harmful answers have the same relative error.
    khat: Pareto k-hat of w*h; nan with too few hits or equal weights (`khat_reason`).
    max_weight_share: the largest share of one row in the estimate (of w*h); nan at zero hits.
    max_weight_share_all: the same of w.
    mean_weight: 1 in expectation; nan with method ahead, as are all figures of proposals.
    kl_target_proposal, overlap: KL(p||q) in nats and 1 - TV(p, q), from the target-drawn rows.
    proposal_mean_weight: mean of p/q over the proposal-drawn rows; 1 in expectation.
    hit_rate: harmful share of the proposals' judged rows (of the target's with method mc).
    exact: with `ahead`, the probability of harm among the likeliest beginnings of answers, which is known
        without a draw: no risk is below it; nan otherwise.
    second: what a second proposal found; None if none was drawn.
    components: what each component says alone, the target included; empty with method mc.
    disagreement: the highest lower end of the proposals' own 99.9% intervals over the lowest upper
        end; above 1 no value suits them all. nan with method mc.
    forward_tokens, seconds: what all draws cost, the second proposal's included.
    monte_carlo_equivalent: p(1-p)/standard_error^2, the Monte Carlo draws with the same standard
        error; nan without a hit.
    certain_low, certain_high: bounds that hold with certainty, from the different answers seen, the second
        proposal's included, or with `ahead` from the likeliest beginnings; 0 and 1 where nothing is known.
    """

    method: Method
    samples: int
    hits: int
    unjudged: int
    estimate: float
    standard_error: float
    ci_low: float
    ci_high: float
    confidence: float
    interval_method: str
    cs_low: float
    cs_high: float
    upper_bound_free: float
    ess: float
    ess_event: float
    khat: float
    khat_reason: str
    max_weight_share: float
    max_weight_share_all: float
    mean_weight: float
    kl_target_proposal: float
    overlap: float
    proposal_mean_weight: float
    hit_rate: float
    verdict: Verdict
    reasons: tuple[Reason, ...]
    monte_carlo_equivalent: float
    forward_tokens: int
    seconds: float
    samples_per_second: float
    exact: float = math.nan
    second: SecondOpinion | None = None
    components: tuple[ComponentEstimate, ...] = ()
    disagreement: float = math.nan
    certain_low: float = 0.0
    certain_high: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values; infinities and nan become None."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True)
class PathPoint:
    """The estimate as it stood after `samples` rows."""

    samples: int
    hits: int
    estimate: float
    ci_low: float
    ci_high: float
    cs_low: float
    cs_high: float
