"""The `context` proposal: the same model under another system prompt, or after an answer prefix."""

from typing import Literal, Self

from pydantic import model_validator

from core.models.loading import LoadedModel
from core.proposals.base import Proposal, ProposalContext
from core.spec import ProposalSpec


class ContextSpec(ProposalSpec):
    """Another system prompt, an answer prefix that is not part of the answer, or both.

    strength: 0 is the target, 1 the model in the other context; logits in between, and beyond 1 further
    away from the target (as in classifier-free guidance).
    """

    kind: Literal["context"] = "context"
    system_prompt: str | None = None
    answer_prefix: str = ""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.system_prompt is None and not self.answer_prefix:
            raise ValueError(
                "a context proposal needs a system_prompt or an answer_prefix, got neither"
            )
        return self


def prepare(loaded: LoadedModel, spec: ContextSpec, means: ProposalContext) -> Proposal:
    """Returns the proposal."""
    return Proposal(
        spec,
        loaded,
        blend=spec.strength,
        system_prompt=spec.system_prompt,
        answer_prefix=spec.answer_prefix,
    )
