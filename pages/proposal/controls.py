"""The proposal's sliders, which every kind has. They take effect at once."""

from dataclasses import dataclass

import streamlit as st

from core.glossary import meaning
from core.proposals import AnyProposalSpec
from pages.shared.state import change, settings

STRENGTH = "proposal_controls.strength"
ALPHA = "proposal_controls.alpha_mix"
SWITCH = "proposal_controls.t_switch"
DEFENSIVE = "proposal_controls.defensive_share"
SHOWN = "proposal_controls.shown"


@dataclass(frozen=True)
class StrengthSlider:
    """What strength is called, and how far its slider goes, for a kind."""

    label: str
    low: float
    high: float
    help: str


BLEND = StrengthSlider(
    "How far towards it",
    0.0,
    2.0,
    "0 is the model itself, 1 the proposal as it is. Between them the scores of the next token are "
    "blended; beyond 1 they go further away from the model.",
)
STRENGTHS = {
    "steer": StrengthSlider(
        "Strength",
        -1.0,
        10.0,
        "How far each step is pushed away from refusal, in units of the direction: 1 is the "
        "mean difference between safe and unsafe examples. 0 leaves the model as it is.",
    ),
    "ablate": StrengthSlider(
        "Share taken out",
        0.0,
        1.0,
        "How much of the direction is taken out of every block: 0 leaves the model as it is, 1 takes "
        "it out whole.",
    ),
    "context": BLEND,
    "adapter": BLEND,
    "checkpoint": BLEND,
}


def strength_key(kind: str) -> str:
    """Returns the key of a kind's strength slider; each kind has its own range, so its own slider."""
    return f"{STRENGTH}.{kind}"


def sliders(proposal: AnyProposalSpec, longest: int) -> AnyProposalSpec:
    """Draws the sliders and returns the proposal they stand for; settings follow at once."""
    _follow(proposal)
    one, two = st.columns(2, gap="large")
    scale = STRENGTHS[proposal.kind]
    strength = one.slider(
        scale.label,
        min(scale.low, proposal.strength),
        max(scale.high, proposal.strength),
        value=float(proposal.strength),
        step=0.05,
        key=strength_key(proposal.kind),
        help=scale.help,
    )
    switch = two.slider(
        "Steer the first ... tokens" if proposal.kind == "steer" else "For the first ... tokens",
        0,
        longest,
        value=proposal.t_switch,
        key=SWITCH,
        help=meaning("t_switch"),
    )
    alpha = one.slider(
        "Mixed with the model itself",
        0.0,
        1.0,
        value=proposal.alpha_mix,
        step=0.01,
        key=ALPHA,
        help=meaning("alpha_mix"),
    )
    defensive = two.slider(
        "Answers drawn from the model itself",
        0.0,
        1.0,
        value=settings().defensive_share,
        step=0.01,
        key=DEFENSIVE,
        help=meaning("defensive share"),
    )
    changed = type(proposal).build(
        **{
            **proposal.model_dump(),
            "strength": strength,
            "alpha_mix": alpha,
            "t_switch": switch,
        }
    )
    if changed != proposal or defensive != settings().defensive_share:
        change(proposal=changed, defensive_share=defensive)
    st.session_state[SHOWN] = changed
    return changed


def _follow(proposal: AnyProposalSpec) -> None:
    """Moves the sliders where the proposal is, unless they brought it there."""
    key = strength_key(proposal.kind)
    if key in st.session_state and st.session_state.get(SHOWN) == proposal:
        return
    st.session_state[key] = float(proposal.strength)
    st.session_state[ALPHA] = float(proposal.alpha_mix)
    st.session_state[SWITCH] = int(proposal.t_switch)
    st.session_state[DEFENSIVE] = float(settings().defensive_share)
