"""Behaviours: what counts as harm, who decides it, and the direction that tells safe from unsafe."""

import streamlit as st

from core.behaviours.load import load_behaviour
from core.errors import BehaviourError
from core.glossary import meaning
from pages.behaviours import form as behaviour_form
from pages.behaviours.choice import (
    behaviour_actions,
    behaviour_choice,
    delete_button,
    use,
)
from pages.behaviours.direction import direction_view
from pages.behaviours.judge import judge_view
from pages.behaviours.parts import pairs_view, queries_view, summary
from pages.shared.frame import page, show_error

SECTION = "behaviours.section"
SECTIONS = {
    "Queries": queries_view,
    "Contrast pairs": pairs_view,
    "Judge": judge_view,
    "Direction": direction_view,
}


def one_behaviour() -> None:
    """Draws the behaviour that is chosen, a section at a time."""
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


with page(
    "Behaviours",
    f"{meaning('behaviour')} The sidebar chooses which one is shown.",
):
    if behaviour_form.is_open():
        saved = behaviour_form.behaviour_form()
        if saved is not None:
            use(saved)
            st.rerun()
    else:
        one_behaviour()
