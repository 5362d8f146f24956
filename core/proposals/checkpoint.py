"""The `checkpoint` proposal: another model that spells its answers with the same tokens."""

from typing import Literal

from core.errors import SpecError
from core.models.loading import LoadedModel
from core.proposals.base import Proposal, ProposalContext
from core.spec import ProposalSpec


class CheckpointSpec(ProposalSpec):
    """Another checkpoint, a folder or a Hugging Face id, with the target's tokenizer.

    strength: 0 is the target, 1 the other model; logits in between, and beyond 1 further away.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    model: str


def prepare(loaded: LoadedModel, spec: CheckpointSpec, means: ProposalContext) -> Proposal:
    """Returns the proposal.

    Raises:
        ModelError: the other model cannot be loaded.
        SpecError: its tokenizer is another; the first difference is named.
    """
    other = means.load(spec.model)
    check_same_tokens(loaded, other)
    return Proposal(spec, other, other.fingerprint, blend=spec.strength)


def check_same_tokens(target: LoadedModel, other: LoadedModel) -> None:
    """Raises SpecError unless both models give every token the same number, naming the first difference."""
    ours, theirs = (
        {number: token for token, number in model.tokenizer.get_vocab().items()}
        for model in (target, other)
    )
    for number in sorted(ours.keys() | theirs.keys()):
        if ours.get(number) != theirs.get(number):
            here, there = (
                "nothing" if token is None else repr(token)
                for token in (ours.get(number), theirs.get(number))
            )
            raise SpecError(
                f"a checkpoint proposal must share the tokenizer of {target.name}, got {other.name!r}: "
                f"token {number} is {here} in the one and {there} in the other"
            )
    if other.vocabulary < target.vocabulary:
        raise SpecError(
            f"a checkpoint proposal must score all {target.vocabulary} tokens of {target.name}, "
            f"got {other.name!r}, which scores {other.vocabulary}"
        )
