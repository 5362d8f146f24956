"""The behaviour that the session has chosen, a section at a time."""

import streamlit as st

from core.behaviours.load import load_behaviour
from core.errors import BehaviourError
from pages.behaviours.choice import behaviour_actions, behaviour_choice, delete_button
from pages.behaviours.direction import direction_view
from pages.behaviours.judge import judge_view
from pages.behaviours.parts import pairs_view, queries_view, summary
from pages.shared.frame import show_error

SECTION = "behaviours.section"
SECTIONS = {
    "Queries": queries_view,
    "Contrast pairs": pairs_view,
    "Judge": judge_view,
    "Direction": direction_view,
}


def behaviour_view() -> None:
    """Draws which behaviour is shown, what can be done with it, and one of its sections."""
    name = behaviour_choice()
    try:
        behaviour = load_behaviour(name)
    except BehaviourError as error:
        show_error(error)
        delete_button(name)
        return
    with st.container(border=True):
        summary(behaviour)
        behaviour_actions(behaviour)
    section = st.segmented_control(
        "Section",
        list(SECTIONS),
        key=SECTION,
        default="Queries",
        required=True,
        label_visibility="collapsed",
    )
    SECTIONS[section](behaviour)
