"""The `steer` proposal: the target with a direction subtracted from its residual stream."""

from dataclasses import dataclass, field
from typing import Literal

import torch

from core.errors import SpecError
from core.models.hooks import Edit, Site, replace_rows
from core.models.loading import LoadedModel
from core.proposals.base import (
    Directed,
    Proposal,
    ProposalContext,
    direction_file_field,
    direction_of,
)
from core.spec import DirectionPosition, Layer, ProposalSpec, SteeredPositions
from core.steering.direction import Direction


class SteerSpec(ProposalSpec):
    """Adds -strength * r to the residual stream after one block (contrastive addition).

    strength: in units of the direction r. layer counts blocks from 0. direction_file: r is read from this
    file (`core.steering.files`), not from the behaviour's contrast pairs.
    """

    kind: Literal["steer"] = "steer"
    layer: Layer = 2
    direction: DirectionPosition = "answer_mean"
    positions: SteeredPositions = "answer"
    direction_file: str | None = direction_file_field()


@dataclass(frozen=True, eq=False)
class AddDirection:
    """Adds coefficient * vector after one block. vector: (hidden,). coefficient: (positions,)."""

    layer: int
    vector: torch.Tensor
    coefficient: torch.Tensor
    rows: slice = field(default_factory=lambda: slice(None))

    def apply(self, site: Site, layer: int, hidden: torch.Tensor) -> torch.Tensor:
        """Returns the activations with the direction added, at the output of the block."""
        if site != "output" or layer != self.layer:
            return hidden
        change = self.coefficient.unsqueeze(-1) * self.vector
        mine = hidden[self.rows] + change.to(device=hidden.device, dtype=hidden.dtype)
        return replace_rows(hidden, self.rows, mine)


@dataclass(frozen=True, eq=False)
class SteerPlan:
    """The edit of a `steer` proposal. vector: (hidden,), the direction r, of which strength is taken."""

    layer: int
    vector: torch.Tensor
    strength: float
    on_prompt: bool
    on_answer: bool

    def edit(self, positions: torch.Tensor, rows: slice = slice(None)) -> Edit:
        """Returns the edit of these rows at these positions, (positions,) bool."""
        coefficient = -self.strength * positions.to(self.vector.dtype)
        return AddDirection(self.layer, self.vector, coefficient.to(self.vector.device), rows)


def prepare(loaded: LoadedModel, spec: SteerSpec, means: ProposalContext) -> Proposal:
    """Returns the proposal.

    Raises:
        SpecError: the model has no such layer, or the direction's file cannot be used.
    """
    direction = direction_of(loaded, spec, means)
    check_layer(loaded, spec.layer)
    check_not_zero(direction, spec)
    plan = SteerPlan(
        layer=spec.layer,
        vector=direction.vector(spec.layer).to(loaded.device),
        strength=spec.strength,
        on_prompt=spec.positions in ("prompt", "both"),
        on_answer=spec.positions in ("answer", "both"),
    )
    return Proposal(spec, loaded, direction.fingerprint, edit=plan)


def check_layer(loaded: LoadedModel, layer: int) -> None:
    """Raises SpecError if the model has no such layer."""
    blocks = len(loaded.blocks)
    if not 0 <= layer < blocks:
        raise SpecError(f"layer must be in 0..{blocks - 1} for {loaded.name}, got {layer}")


def check_not_zero(direction: Direction, spec: Directed) -> None:
    """Raises SpecError if a file holds no direction after the spec's block: it may leave blocks out."""
    if spec.direction_file is not None and not direction.vectors[spec.layer].any():
        held = [str(block) for block, vector in enumerate(direction.vectors) if vector.any()]
        raise SpecError(
            f"direction_file {spec.direction_file!r} holds no direction after block {spec.layer}, only "
            f"after {', '.join(held)}"
        )
