"""The `ablate` proposal: the target with a share of a direction taken out everywhere (Arditi et al. 2024)."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch

from core.models.hooks import Edit, Site, replace_rows
from core.models.loading import LoadedModel
from core.proposals.base import Proposal, ProposalContext, direction_file_field, direction_of
from core.proposals.steer import check_layer, check_not_zero
from core.spec import DirectionPosition, Layer, Number, ProposalSpec, SteeredPositions, in_range


class AblateSpec(ProposalSpec):
    """Takes a fraction of the component along the direction out of every block's input, attention and
    feed-forward output.

    strength: the fraction, 0 to 1. layer: the block whose direction it is, counted from 0. direction_file:
    as of `SteerSpec`.
    """

    kind: Literal["ablate"] = "ablate"
    strength: Annotated[Number, in_range(0.0, 1.0, "strength of an ablation")] = 1.0
    layer: Layer = 2
    direction: DirectionPosition = "answer_mean"
    positions: SteeredPositions = "both"
    direction_file: str | None = direction_file_field()


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


def prepare(loaded: LoadedModel, spec: AblateSpec, means: ProposalContext) -> Proposal:
    """Returns the proposal.

    Raises:
        SpecError: the model has no such layer, or the direction's file cannot be used.
    """
    direction = direction_of(loaded, spec, means)
    check_layer(loaded, spec.layer)
    check_not_zero(direction, spec)
    vector = direction.vector(spec.layer).to(loaded.device)
    plan = AblatePlan(
        unit=vector / vector.norm(),
        strength=spec.strength,
        on_prompt=spec.positions in ("prompt", "both"),
        on_answer=spec.positions in ("answer", "both"),
    )
    return Proposal(spec, loaded, direction.fingerprint, edit=plan)
