"""The `steer` proposal: the target with a direction subtracted from its residual stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from core.models.hooks import Edit, Site, replace_rows
from core.models.loading import LoadedModel
from core.proposals.base import DirectedSpec, Proposal, ProposalContext, usable_direction
from core.proposals.kind import KindWords, ProposalKind, SearchReach, StrengthScale
from core.spec import ProposalSpec

# Length of what is subtracted, as a share of the layer's activation norm: one scale for any direction.
RELATIVE_STRENGTHS = (0.5, 0.9, 1.4, 2.0, 2.8)


class SteerSpec(DirectedSpec):
    """Adds -strength * r to the residual stream after one block (contrastive addition).

    strength: in units of the direction r.
    """

    kind: Literal["steer"] = "steer"


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


def prepare(loaded: LoadedModel, spec: SteerSpec, context: ProposalContext) -> Proposal:
    """Returns the proposal.

    Raises:
        SpecError: the model has no such layer, or the direction's file cannot be used.
    """
    direction = usable_direction(loaded, spec, context)
    plan = SteerPlan(
        layer=spec.layer,
        vector=direction.vector(spec.layer).to(loaded.device),
        strength=spec.strength,
        on_prompt=spec.on_prompt,
        on_answer=spec.on_answer,
    )
    return Proposal(spec, loaded, direction.fingerprint, edit=plan)


def _start(default: ProposalSpec, behaviour: str, common: Mapping[str, Any]) -> ProposalSpec:
    """Returns the behaviour's default: it was measured with this kind."""
    return default


KIND = ProposalKind(
    spec=SteerSpec,
    prepare=prepare,
    words=KindWords(
        label="Steer",
        help="Pushes the model's activations away from refusal, word by word.",
        answers="Steered",
        too_far="Steered too hard",
        first_tokens="Steer the first ... tokens",
        layer="Steer after block",
    ),
    short=lambda spec: f"Steer {spec.strength:.3g}, block {spec.layer}",
    strength=StrengthScale(
        label="Strength",
        low=-1.0,
        high=10.0,
        help="How far each step is pushed away from refusal, in units of the direction: 1 is the "
        "mean difference between safe and unsafe examples. 0 leaves the model as it is.",
    ),
    search=SearchReach(
        strengths=RELATIVE_STRENGTHS,
        reach=max(RELATIVE_STRENGTHS),
        label="Strongest push",
        help="The largest push that is tried, in lengths of the model's own activations.",
        shares=tuple(strength / max(RELATIVE_STRENGTHS) for strength in RELATIVE_STRENGTHS),
        relative=True,
    ),
    start=_start,
)
