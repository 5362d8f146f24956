"""The `ablate` proposal: the target with a share of a direction taken out everywhere (Arditi et al. 2024)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch

from core.models.hooks import Edit, Site, replace_rows
from core.models.loading import LoadedModel
from core.proposals.base import DirectedSpec, Proposal, ProposalContext, usable_direction
from core.proposals.kind import KindWords, ProposalKind, SearchReach, StrengthScale
from core.spec import Number, ProposalSpec, SteeredPositions, in_range


class AblateSpec(DirectedSpec):
    """Takes a fraction of the component along the direction out of every block's input, attention and
    feed-forward output.

    strength: the fraction, 0 to 1.
    """

    kind: Literal["ablate"] = "ablate"
    strength: Annotated[Number, in_range(0.0, 1.0, "strength of an ablation")] = 1.0
    positions: SteeredPositions = "both"


@dataclass(frozen=True, eq=False)
class RemoveDirection:
    """Takes coefficient * (x . unit) unit from x. unit: (hidden,), length 1. coefficient: (positions,)."""

    unit: torch.Tensor
    coefficient: torch.Tensor
    rows: slice = field(default_factory=lambda: slice(None))

    def apply(self, site: Site, layer: int, hidden: torch.Tensor) -> torch.Tensor:
        """Returns the activations without the direction; after the last block nothing is left to do."""
        if site == "output":
            return hidden
        mine = hidden[self.rows]
        unit = self.unit.to(device=hidden.device, dtype=hidden.dtype)
        # Not a matrix product: a row's sum must not depend on how many rows are beside it.
        along = (mine * unit).sum(-1, keepdim=True)
        share = self.coefficient.to(device=hidden.device, dtype=hidden.dtype).unsqueeze(-1)
        return replace_rows(hidden, self.rows, mine - share * along * unit)


@dataclass(frozen=True, eq=False)
class AblatePlan:
    """The edit of an `ablate` proposal. unit: (hidden,), the direction at length 1."""

    unit: torch.Tensor
    strength: float
    on_prompt: bool
    on_answer: bool

    def edit(self, positions: torch.Tensor, rows: slice = slice(None)) -> Edit:
        """Returns the edit of these rows at these positions, (positions,) bool."""
        coefficient = self.strength * positions.to(self.unit.dtype)
        return RemoveDirection(self.unit, coefficient.to(self.unit.device), rows)


def prepare(loaded: LoadedModel, spec: AblateSpec, context: ProposalContext) -> Proposal:
    """Returns the proposal.

    Raises:
        SpecError: the model has no such layer, or the direction's file cannot be used.
    """
    direction = usable_direction(loaded, spec, context)
    vector = direction.vector(spec.layer).to(loaded.device)
    plan = AblatePlan(
        unit=vector / vector.norm(),
        strength=spec.strength,
        on_prompt=spec.on_prompt,
        on_answer=spec.on_answer,
    )
    return Proposal(spec, loaded, direction.fingerprint, edit=plan)


def _start(default: ProposalSpec, behaviour: str, common: Mapping[str, Any]) -> ProposalSpec:
    """Returns the whole ablation of the direction that the default steers along."""
    layer = default.layer if isinstance(default, DirectedSpec) else 0
    return AblateSpec.build(strength=1.0, layer=layer, **common)


KIND = ProposalKind(
    spec=AblateSpec,
    prepare=prepare,
    words=KindWords(
        label="Ablate",
        help="Takes the direction of refusal out of the model's activations, in part or whole.",
        answers="Ablated",
        layer="Direction read after block",
    ),
    short=lambda spec: f"Ablate {spec.strength:.0%}, block {spec.layer}",
    strength=StrengthScale(
        label="Share taken out",
        low=0.0,
        high=1.0,
        help="How much of the direction is taken out of every block: 0 leaves the model as it is, 1 takes "
        "it out whole.",
    ),
    search=SearchReach(
        strengths=(0.25, 0.5, 0.75, 1.0),
        reach=1.0,
        label="Largest share taken out",
        help="The largest share of the direction that is taken out.",
        high=1.0,
    ),
    start=_start,
)
