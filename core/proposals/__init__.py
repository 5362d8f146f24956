"""Proposals: the unsafe distributions that answers are drawn from, one file a kind.

A new kind is one file, which ends in its `ProposalKind`, and one entry in `KINDS`: words, sliders, searches,
JSON and command line follow from there.
"""

import operator
from collections.abc import Mapping
from functools import lru_cache, reduce
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from core.errors import SpecError, first_sentence
from core.models.loading import LoadedModel
from core.proposals import ablate, adapter, checkpoint, context, steer
from core.proposals.ablate import AblateSpec
from core.proposals.adapter import AdapterSpec
from core.proposals.base import (
    Arm,
    DirectedSpec,
    Proposal,
    ProposalContext,
    measured_direction,
    target_arm,
)
from core.proposals.checkpoint import CheckpointSpec
from core.proposals.context import ContextSpec
from core.proposals.kind import ProposalKind
from core.proposals.steer import SteerSpec
from core.spec import ProposalSpec

KINDS: dict[str, ProposalKind] = {
    kind.name: kind
    for kind in (steer.KIND, ablate.KIND, context.KIND, adapter.KIND, checkpoint.KIND)
}


class _OfItsKind:
    """A proposal as a field of other specs: read as the kind that it names, written with all its fields."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.simple_ser_schema("any")
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(_reader(_specs()).core_schema)


# Of whichever kind; as a field of a pydantic model, it is read as the kind that it names.
AnyProposalSpec = Annotated[ProposalSpec, _OfItsKind]


def _specs() -> tuple[type[ProposalSpec], ...]:
    return tuple(kind.spec for kind in KINDS.values())


@lru_cache(maxsize=4)
def _reader(specs: tuple[type[ProposalSpec], ...]) -> TypeAdapter[ProposalSpec]:
    """Returns what tells these kinds apart by their field `kind`."""
    union: Any = reduce(operator.or_, specs)
    return TypeAdapter(Annotated[union, Field(discriminator="kind")])


def _validated(value: Any) -> ProposalSpec:
    return _reader(_specs()).validate_python(value)


def kind_of(spec: ProposalSpec) -> ProposalKind:
    """Returns what a proposal's kind declares of itself."""
    return KINDS[spec.kind]


def prepare(loaded: LoadedModel, spec: AnyProposalSpec, context: ProposalContext) -> Proposal:
    """Returns a proposal ready to run on a target.

    Raises:
        SpecError, ModelError: it does not fit the target; one sentence says why.
    """
    return kind_of(spec).prepare(loaded, spec, context)


def build_proposal(fields: Mapping[str, Any]) -> AnyProposalSpec:
    """Returns the spec of the kind that `fields` names; `steer` if it names none.

    Raises:
        SpecError: there is no such kind, or a field is invalid, with the value.
    """
    kind = fields.get("kind", "steer")
    if kind not in KINDS:
        raise SpecError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    try:
        return _validated({"kind": kind, **fields})
    except ValidationError as error:
        raise SpecError(first_sentence(error)) from None


def relative_strength(
    loaded: LoadedModel, spec: AnyProposalSpec, context: ProposalContext
) -> float | None:
    """Returns the length of what a proposal adds over that of the activations; None for kinds without one.

    Raises: as `measured_direction`.
    """
    if not isinstance(spec, DirectedSpec) or not kind_of(spec).search.relative:
        return None
    direction = measured_direction(loaded, spec, context)
    return direction.relative_strength(spec.layer, spec.strength)


__all__ = [
    "KINDS",
    "AblateSpec",
    "AdapterSpec",
    "AnyProposalSpec",
    "Arm",
    "CheckpointSpec",
    "ContextSpec",
    "DirectedSpec",
    "Proposal",
    "ProposalContext",
    "ProposalKind",
    "SteerSpec",
    "build_proposal",
    "kind_of",
    "measured_direction",
    "prepare",
    "relative_strength",
    "target_arm",
]
