"""Proposals: the unsafe distributions that answers are drawn from, one file a kind.

A new kind is registered here and nowhere else.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError

from core.errors import SpecError, first_sentence
from core.models.loading import LoadedModel
from core.proposals import ablate, adapter, checkpoint, context, steer
from core.proposals.ablate import AblateSpec
from core.proposals.adapter import AdapterSpec
from core.proposals.base import Arm, Proposal, ProposalContext, measured_direction, target_arm
from core.proposals.checkpoint import CheckpointSpec
from core.proposals.context import ContextSpec
from core.proposals.steer import SteerSpec

AnyProposalSpec = SteerSpec | AblateSpec | ContextSpec | AdapterSpec | CheckpointSpec
AnyProposal = Annotated[AnyProposalSpec, Field(discriminator="kind")]

_PREPARE: dict[type, Callable[[LoadedModel, Any, ProposalContext], Proposal]] = {
    SteerSpec: steer.prepare,
    AblateSpec: ablate.prepare,
    ContextSpec: context.prepare,
    AdapterSpec: adapter.prepare,
    CheckpointSpec: checkpoint.prepare,
}
KINDS: dict[str, type[AnyProposalSpec]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(AnyProposalSpec)
}
_ADAPTER: TypeAdapter[AnyProposalSpec] = TypeAdapter(AnyProposal)


def prepare(loaded: LoadedModel, spec: AnyProposalSpec, means: ProposalContext) -> Proposal:
    """Returns a proposal ready to run on a target.

    Raises:
        SpecError, ModelError: it does not fit the target; one sentence says why.
    """
    return _PREPARE[type(spec)](loaded, spec, means)


def build_proposal(fields: Mapping[str, Any]) -> AnyProposalSpec:
    """Returns the spec of the kind that `fields` names; `steer` if it names none.

    Raises:
        SpecError: there is no such kind, or a field is invalid, with the value.
    """
    kind = fields.get("kind", "steer")
    if kind not in KINDS:
        raise SpecError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    try:
        return _ADAPTER.validate_python({"kind": kind, **fields})
    except ValidationError as error:
        raise SpecError(first_sentence(error)) from None


__all__ = [
    "KINDS",
    "AblateSpec",
    "AdapterSpec",
    "AnyProposal",
    "AnyProposalSpec",
    "Arm",
    "CheckpointSpec",
    "ContextSpec",
    "Proposal",
    "ProposalContext",
    "SteerSpec",
    "build_proposal",
    "measured_direction",
    "prepare",
    "target_arm",
]
