"""Proposals as people read them."""

from collections.abc import Sequence
from pathlib import Path

from core.proposals import (
    AblateSpec,
    AdapterSpec,
    AnyProposalSpec,
    CheckpointSpec,
    ContextSpec,
    SteerSpec,
)

KIND_NAMES = {
    "steer": "Steer",
    "ablate": "Ablate",
    "context": "Context",
    "adapter": "Adapter",
    "checkpoint": "Other model",
}
KIND_WORDS = {
    "steer": "Pushes the model's activations away from refusal, word by word.",
    "ablate": "Takes the direction of refusal out of the model's activations, in part or whole.",
    "context": "Asks the same model under another system prompt, or lets its answer begin for it.",
    "adapter": "Puts a LoRA adapter on the model, one trained to be unsafe.",
    "checkpoint": "Lets another model with the same tokenizer give the answers.",
}
# What stands above the answers of a proposal.
ANSWERS_OF = {
    "steer": "Steered",
    "ablate": "Ablated",
    "context": "In the other context",
    "adapter": "With the adapter",
    "checkpoint": "The other model",
}
TARGET = "The model itself"


def short(proposal: AnyProposalSpec) -> str:
    """Returns what a proposal is, in a few words."""
    match proposal:
        case SteerSpec():
            return f"Steer {proposal.strength:.3g}, block {proposal.layer}"
        case AblateSpec():
            return f"Ablate {proposal.strength:.0%}, block {proposal.layer}"
        case ContextSpec():
            return f"Context {proposal.strength:.3g}"
        case AdapterSpec():
            return f"Adapter {Path(proposal.path).name} {proposal.strength:.3g}"
        case CheckpointSpec():
            return f"Model {Path(proposal.model).name} {proposal.strength:.3g}"


def settings_of(proposal: AnyProposalSpec) -> str:
    """Returns the settings of a proposal that have sliders."""
    return (
        f"strength {proposal.strength:.3g}, mixed {proposal.alpha_mix:.2g}, "
        f"{proposal.t_switch} tokens"
    )


def component_names(proposals: Sequence[AnyProposalSpec]) -> list[str]:
    """Returns names of an estimate's components, the target last; no two are the same."""
    names = [short(proposal) for proposal in proposals]
    names = [
        f"{name}, mixed {proposal.alpha_mix:.2g}" if names.count(name) > 1 else name
        for name, proposal in zip(names, proposals, strict=True)
    ]
    names = [
        f"{name}, {proposal.t_switch} tokens" if names.count(name) > 1 else name
        for name, proposal in zip(names, proposals, strict=True)
    ]
    unlike = [
        f"{name} ({number})" if names.count(name) > 1 else name
        for number, name in enumerate(names, start=1)
    ]
    return [*unlike, TARGET]
