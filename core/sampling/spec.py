"""The spec of one stream of draws; its hash keys the shards."""

from typing import Any, Self

from pydantic import (
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from core.proposals import AnyProposalSpec
from core.sampling.schedule import period
from core.spec import GenerationSpec, Number, QueryText, Seed, Spec


class SamplingSpec(Spec):
    """All that decides which tokens row i holds.

    proposals: none for Monte Carlo. fingerprints: of what each proposal only names, in their order.
    shares: of the rows that each component draws, the target first; whole thousandths. ahead: the fingerprint
    of the judge's rule if rows are beginnings of answers on which it is open; None for whole answers.
    """

    model_fingerprint: str
    query: QueryText
    generation: GenerationSpec = GenerationSpec()
    proposals: tuple[AnyProposalSpec, ...] = ()
    fingerprints: tuple[str, ...] = ()
    shares: tuple[Number, ...] = (1.0,)
    seed: Seed = 0
    ahead: str | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Specs and keys of whole answers are older than beginnings.
        content: dict[str, Any] = handler(self)
        return {key: value for key, value in content.items() if key != "ahead" or value}

    @field_validator("shares")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        period(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self.shares) != len(self.proposals) + 1:
            raise ValueError(
                f"shares must be one for the target and one for each of {len(self.proposals)} "
                f"proposals, got {len(self.shares)}"
            )
        limit = self.generation.max_new_tokens
        for proposal in self.proposals:
            if proposal.t_switch > limit:
                raise ValueError(
                    f"t_switch must be in 0..{limit} (max_new_tokens), got {proposal.t_switch}"
                )
        return self
