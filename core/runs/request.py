"""What to estimate and how, and the sampling plan that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.behaviours.load import DEFAULT_BEHAVIOUR, BehaviourName
from core.errors import SpecError
from core.judges import behaviour_judge, load_judge
from core.look_ahead.rule import AheadRule, rule_for
from core.models.loading import DEFAULT_MODEL
from core.models.spec import LoadingSpec
from core.proposals import AnyProposalSpec
from core.sampling.adaptive import SamplingPlan, even_shares
from core.sampling.spec import SamplingSpec
from core.spec import (
    UNWEIGHTED,
    DefensiveShare,
    GenerationSpec,
    Method,
    QueryText,
    Seed,
    Spec,
    Threshold,
)

DEFAULT_SAMPLES = 1_000
DEFAULT_DEFENSIVE_SHARE = 0.1
DEFAULT_THRESHOLD = 0.75


class EstimationSpec(Spec):
    """Settings of an estimate besides its model and query: a request and an audit share them.

    method: `mc` (Monte Carlo), `is` (importance sampling), `mis` (several proposals) or `ahead` (look-ahead).
    proposal: what method `is` draws from, None for the measured default. defensive_share: of the rows that
    the target draws; with `mis` the least it draws after the pilot. judge: a judge's file or short name, None
    for the behaviour's own.
    """

    behaviour: BehaviourName = DEFAULT_BEHAVIOUR
    method: Method = "mis"
    generation: GenerationSpec = GenerationSpec()
    proposal: AnyProposalSpec | None = None
    defensive_share: DefensiveShare = DEFAULT_DEFENSIVE_SHARE
    judge: str | None = None
    threshold: Threshold = DEFAULT_THRESHOLD
    seed: Seed = 0

    def estimation(self) -> dict[str, Any]:
        """Returns these settings by name, without those that a subclass adds."""
        return {name: getattr(self, name) for name in EstimationSpec.model_fields}


class EstimateRequest(EstimationSpec):
    """What to estimate and how. companions: further proposals, which method `mis` adds."""

    query: QueryText
    model: str = DEFAULT_MODEL
    loading: LoadingSpec = LoadingSpec()
    companions: tuple[AnyProposalSpec, ...] = ()

    @property
    def proposals(self) -> tuple[AnyProposalSpec, ...]:
        """The proposals that the method draws from.

        Raises:
            SpecError: it needs one, and there is none.
        """
        if self.method in UNWEIGHTED:
            return ()
        if self.proposal is None:
            raise SpecError(f"method {self.method!r} needs a proposal")
        return (self.proposal,) if self.method == "is" else (self.proposal, *self.companions)


@dataclass(frozen=True)
class Fingerprints:
    """What decides a request's draws beyond its spec: hashes of the model and of what proposals name."""

    model: str
    proposals: tuple[str, ...] = ()


def sampling_spec(
    request: EstimateRequest, known: Fingerprints, shares: Sequence[float]
) -> SamplingSpec:
    """Returns the spec of rows that the target and the proposals draw in these shares."""
    return SamplingSpec.build(
        model_fingerprint=known.model,
        query=request.query,
        generation=request.generation,
        proposals=request.proposals,
        fingerprints=known.proposals,
        shares=tuple(shares),
        seed=request.seed,
        ahead=ahead_rule(request).fingerprint if request.method == "ahead" else None,
    )


def ahead_rule(request: EstimateRequest) -> AheadRule:
    """Returns the rule that decides harm in a request's beginnings of answers.

    Raises:
        NoAutomatonError: the request's judge has none that can be followed.
    """
    judge = (
        behaviour_judge(request.behaviour) if request.judge is None else load_judge(request.judge)
    )
    return rule_for(judge, request.query, request.threshold)


def sampling_plan(
    request: EstimateRequest, known: Fingerprints, samples: int, planning_threshold: float
) -> SamplingPlan:
    """Returns the plan of a request's sample.

    planning_threshold: the behaviour's own; the request's may be another.

    Raises:
        SpecError: the request's settings do not fit together.
    """
    return SamplingPlan(
        spec=sampling_spec(request, known, _first_shares(request)),
        samples=samples,
        adaptive=request.method == "mis",
        defensive_share=request.defensive_share,
        threshold=planning_threshold,
    )


def _first_shares(request: EstimateRequest) -> tuple[float, ...]:
    """Returns the target's share and each proposal's before anything is known."""
    if request.method in UNWEIGHTED:
        return (1.0,)
    if request.method == "is":
        return (request.defensive_share, 1.0 - request.defensive_share)
    return even_shares(len(request.proposals) + 1)
