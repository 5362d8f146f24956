"""Which behaviour the page is about, and what can be done with it as a whole: hand on, edit, delete, add."""

from typing import Any

import streamlit as st

from core.behaviours.exchange import behaviour_json, parse_upload, self_contained
from core.behaviours.load import (
    DEFAULT_BEHAVIOUR,
    Behaviour,
    behaviour_names,
    delete_behaviour,
    is_own,
    load_behaviour,
    save_behaviour,
)
from core.errors import BehaviourError, TailscopeError
from core.judges.trial import behaviour_trial
from pages.behaviours.form import open_form
from pages.shared import query_picker, resources
from pages.shared.frame import plain, sentence, show_error
from pages.shared.state import change, settings

UPLOAD = "behaviour_choice.upload"
ERROR = "behaviour_choice.error"
TOLD = "behaviour_choice.told"
TRIED = "behaviour_choice.tried"


def behaviour_choice() -> str:
    """Draws which behaviour it is and the ways to have another; returns its name.

    The one that is looked at is the session's, which the sidebar lets one choose: two widgets for one
    setting would undo each other's changes when clicks come fast.
    """
    now = settings().behaviour
    with st.container(horizontal=True, vertical_alignment="center"):
        own = "  :gray[your own]" if is_own(now) or now not in behaviour_names() else ""
        name = now if own else now.capitalize()
        st.subheader(plain(name) + own, anchor=False)
        st.button(
            "Add a behaviour",
            icon=":material/add:",
            key="behaviour_choice.add",
            on_click=open_form,
        )
        with st.popover("From a file", icon=":material/upload:", key="behaviour_choice.from_file"):
            _upload()
    if st.session_state.get(ERROR):
        st.error(plain(st.session_state[ERROR]), icon=":material/error:")
    told = st.session_state.pop(TOLD, None)
    if told:
        st.success(plain(told), icon=":material/check:")
    _trial(st.session_state.pop(TRIED, None))
    return now


def behaviour_actions(behaviour: Behaviour) -> None:
    """Draws what can be done with a behaviour: a file to hand on, and edit and delete of the user's own."""
    with st.container(horizontal=True):
        st.download_button(
            "Download",
            behaviour_json(self_contained(behaviour)),
            file_name=f"{behaviour.name}.json",
            mime="application/json",
            icon=":material/download:",
            key="behaviour_choice.download",
            on_click="ignore",
            help="One file with queries, pairs and judge, to keep or to hand on.",
        )
        if is_own(behaviour.name):
            st.button(
                "Edit",
                icon=":material/edit:",
                key="behaviour_choice.edit",
                on_click=open_form,
                args=(behaviour,),
            )
            delete_button(behaviour.name)


def delete_button(name: str) -> None:
    """Draws the button that deletes a behaviour of the user's own, once that is confirmed."""
    if is_own(name) and st.button(
        "Delete", icon=":material/delete:", key="behaviour_choice.delete"
    ):
        _confirm(name)


def use(name: str) -> None:
    """Makes a behaviour the session's, with nothing left that was another's."""
    change(behaviour=name, query=None, proposal=None, threshold=None)
    query_picker.forget()
    # It is kept by name, and a behaviour of this name may have had other queries.
    resources.demonstration_query.clear()
    st.session_state.pop(ERROR, None)


def saved(name: str) -> None:
    """Makes a behaviour that was just saved the session's, and has its judge tried on its own pairs."""
    use(name)
    st.session_state[TRIED] = name


def _trial(name: str | None) -> None:
    """Draws what the judge of a behaviour that was just saved says of the behaviour's own pairs."""
    if name is None:
        return
    try:
        trial = behaviour_trial(load_behaviour(name))
    except TailscopeError as error:
        show_error(error)
        return
    if trial is None:
        return
    if trial.doubtful:
        st.warning(
            f"{plain(sentence(trial.to_line()))} Risks would count what this judge flags: look at its "
            "rules, or at which side of the pairs is which.",
            icon=":material/gavel:",
        )
    else:
        st.success(plain(sentence(trial.to_line())), icon=":material/gavel:")


@st.dialog("Delete this behaviour?")
def _confirm(name: str) -> None:
    st.markdown(
        f"**{plain(name)}** will be deleted for good, with its queries, pairs and judge. Answers drawn for "
        "it stay stored."
    )
    with st.container(horizontal=True):
        if st.button("Delete it", type="primary", key="behaviour_choice.confirm"):
            try:
                delete_behaviour(name)
            except TailscopeError as error:
                show_error(error)
                return
            use(DEFAULT_BEHAVIOUR)
            st.session_state[TOLD] = f"{name} is deleted."
            st.rerun()
        if st.button("Keep it", key="behaviour_choice.keep"):
            st.rerun()


def _upload() -> None:
    st.file_uploader(
        "A behaviour's file",
        type=["json"],
        key=UPLOAD,
        on_change=_taken,
        help="A file as Download writes it, with its queries, pairs and rules in it: no other file of this "
        "machine is read for it, and no server is asked.",
    )


def _taken() -> None:
    given: Any = st.session_state.get(UPLOAD)
    st.session_state.pop(ERROR, None)
    if given is None:
        return
    try:
        spec = parse_upload(given.getvalue(), given.name)
        if spec.name in behaviour_names():
            raise BehaviourError(
                f"there is a behaviour called {spec.name!r} already; change the name in the file"
            )
        save_behaviour(spec)
    except TailscopeError as error:
        st.session_state[ERROR] = sentence(str(error))
        return
    saved(spec.name)
    st.session_state[TOLD] = f"{spec.name} is one of your behaviours now."
