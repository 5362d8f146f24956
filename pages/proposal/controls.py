"""The proposal's sliders, which every kind has. They take effect at once."""

import streamlit as st

from core.glossary import meaning
from core.proposals import AnyProposalSpec, kind_of
from pages.shared.state import change, settings

STRENGTH = "proposal_controls.strength"
ALPHA = "proposal_controls.alpha_mix"
SWITCH = "proposal_controls.t_switch"
DEFENSIVE = "proposal_controls.defensive_share"
SHOWN = "proposal_controls.shown"


def strength_key(kind: str) -> str:
    """Returns the key of a kind's strength slider; each kind has its own range, so its own slider."""
    return f"{STRENGTH}.{kind}"


def sliders(proposal: AnyProposalSpec, longest: int) -> AnyProposalSpec:
    """Draws the sliders and returns the proposal they stand for; settings follow at once."""
    _follow(proposal)
    left, right = st.columns(2, gap="large")
    kind = kind_of(proposal)
    scale = kind.strength
    strength = left.slider(
        scale.label,
        min(scale.low, proposal.strength),
        max(scale.high, proposal.strength),
        value=float(proposal.strength),
        step=scale.step,
        key=strength_key(proposal.kind),
        help=scale.help,
    )
    switch = right.slider(
        kind.words.first_tokens,
        0,
        longest,
        value=proposal.t_switch,
        key=SWITCH,
        help=meaning("t_switch"),
    )
    alpha = left.slider(
        "Mixed with the model itself",
        0.0,
        1.0,
        value=proposal.alpha_mix,
        step=0.01,
        key=ALPHA,
        help=meaning("alpha_mix"),
    )
    defensive = right.slider(
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
