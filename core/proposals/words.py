"""Proposals as people read them."""

from collections.abc import Sequence

from core.proposals import AnyProposalSpec, kind_of

TARGET = "The model itself"


def settings_of(proposal: AnyProposalSpec) -> str:
    """Returns the settings of a proposal that have sliders."""
    return (
        f"strength {proposal.strength:.3g}, mixed {proposal.alpha_mix:.2g}, "
        f"{proposal.t_switch} tokens"
    )


def component_names(proposals: Sequence[AnyProposalSpec]) -> list[str]:
    """Returns names of an estimate's components, the target last; no two are the same."""
    names = [kind_of(proposal).short(proposal) for proposal in proposals]
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
