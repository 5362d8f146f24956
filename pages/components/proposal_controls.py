"""The proposal's settings: sliders that take effect at once, and a form for what costs seconds."""

from collections.abc import Sequence
from typing import get_args

import streamlit as st

from core.models.loading import LoadedModel
from core.proposals import SteerSpec
from core.spec import DirectionPosition, SteeredPositions
from pages.components.state import change, settings

STRENGTH = "proposal_controls.strength"
ALPHA = "proposal_controls.alpha_mix"
SWITCH = "proposal_controls.t_switch"
DEFENSIVE = "proposal_controls.defensive_share"
SLIDERS = (STRENGTH, ALPHA, SWITCH, DEFENSIVE)
SHOWN = "proposal_controls.shown"
MAX_SLIDER_STRENGTH = 10.0

DIRECTION_WORDS = {"last_prompt": "last token of the question", "answer_mean": "whole answer"}
POSITION_WORDS = {"prompt": "the question", "answer": "the answer", "both": "both"}


def sliders(proposal: SteerSpec, longest: int) -> SteerSpec:
    """Draws the sliders and returns the proposal they stand for; settings follow at once."""
    _follow(proposal)
    one, two = st.columns(2, gap="large")
    reach = max(MAX_SLIDER_STRENGTH, abs(proposal.strength))
    strength = one.slider(
        "Strength",
        -1.0,
        reach,
        step=0.05,
        key=STRENGTH,
        help="How far each step is pushed away from refusal, in units of the direction: 1 is the "
        "mean difference between safe and unsafe examples. 0 leaves the model as it is.",
    )
    switch = two.slider(
        "Steer the first ... tokens",
        0,
        longest,
        key=SWITCH,
        help="After this many tokens (t_switch) the model goes on alone, so that the text stays "
        "the model's own and the weight stops changing.",
    )
    alpha = one.slider(
        "Mixed with the model itself",
        0.0,
        1.0,
        step=0.01,
        key=ALPHA,
        help="The model's own share in every steered token (alpha_mix). More of it keeps the "
        "weights small, less of it finds more harm. At 1 nothing is steered.",
    )
    defensive = two.slider(
        "Answers drawn from the model itself",
        0.0,
        1.0,
        step=0.01,
        key=DEFENSIVE,
        help="The defensive share: these whole answers come from the unsteered model. They bound "
        "every weight (at 0.1, by 10) and notice harm that the steering misses.",
    )
    changed = SteerSpec.build(
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


def _follow(proposal: SteerSpec) -> None:
    """Moves the sliders where the proposal is, unless they brought it there."""
    if STRENGTH in st.session_state and st.session_state.get(SHOWN) == proposal:
        return
    st.session_state[STRENGTH] = float(proposal.strength)
    st.session_state[ALPHA] = float(proposal.alpha_mix)
    st.session_state[SWITCH] = int(proposal.t_switch)
    st.session_state[DEFENSIVE] = float(settings().defensive_share)


def where_form(loaded: LoadedModel, proposal: SteerSpec, separation: Sequence[float]) -> None:
    """Draws the choice of layer and positions; it takes effect when applied."""
    with st.form("proposal_controls.where", border=False):
        layers = list(range(len(loaded.blocks)))
        layer = st.selectbox(
            "Steer after block",
            layers,
            index=min(proposal.layer, len(layers) - 1),
            format_func=lambda number: f"{number}  (separation {separation[number]:.1f})",
            help="Where in the model the push is added, counted from 0.",
        )
        directions = get_args(DirectionPosition)
        direction = st.selectbox(
            "Direction read from the",
            directions,
            index=directions.index(proposal.direction),
            format_func=DIRECTION_WORDS.__getitem__,
            help="Where the difference between safe and unsafe examples is measured.",
        )
        places = get_args(SteeredPositions)
        positions = st.selectbox(
            "Push the tokens of",
            places,
            index=places.index(proposal.positions),
            format_func=POSITION_WORDS.__getitem__,
        )
        if st.form_submit_button("Apply", width="stretch"):
            change(
                proposal=SteerSpec.build(
                    **{
                        **proposal.model_dump(),
                        "layer": layer,
                        "direction": direction,
                        "positions": positions,
                    }
                )
            )
            st.rerun()
