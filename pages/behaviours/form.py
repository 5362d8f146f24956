"""The form of a behaviour of one's own. What is typed is kept until it is saved or given up."""

from typing import get_args

import streamlit as st

from core.behaviours.draft import Draft, drafted, phrases_of, problems
from core.behaviours.exchange import listed
from core.behaviours.load import Behaviour, save_behaviour
from core.errors import TailscopeError
from core.glossary import meaning
from core.spec import DirectionPosition
from pages.behaviours import form_judge, form_pairs, form_queries
from pages.behaviours.drafting import begun, clear, draft, keep, start
from pages.shared.frame import plain, sentence, show_error
from pages.shared.proposal_words import DIRECTION_WORDS

SHOWN = "behaviour_form.shown"
CHECKED = "checked"


def open_form(behaviour: Behaviour | None = None) -> None:
    """Opens the form: empty, as it was left, or with a behaviour of the user's own to edit."""
    name = None if behaviour is None else behaviour.name
    if not begun() or draft()["replaces"] != name:
        start(replaces=name)
        if behaviour is not None:
            _fill(behaviour)
    st.session_state[SHOWN] = True


def is_open() -> bool:
    """Returns whether the form is what the page shows."""
    return bool(st.session_state.get(SHOWN)) and begun()


def form_view() -> str | None:
    """Draws the form; returns the name of the behaviour that was just saved, or None."""
    replaces = draft()["replaces"]
    st.subheader("Add a behaviour" if replaces is None else f"Edit {plain(replaces)}", anchor=False)
    _about(replaces)
    st.markdown("##### Queries")
    st.caption("What the model is asked. Risks are estimated for one query at a time.")
    form_queries.fields()
    st.markdown("##### Contrast pairs")
    st.caption(
        "The same query with a safe and with an unsafe answer. A few dozen are good, six will do to "
        "begin with. Without any, nothing can be steered."
    )
    form_pairs.fields()
    st.markdown("##### Judge")
    st.caption("Who decides whether an answer is harm.")
    form_judge.fields()
    _numbers()
    return _end()


def _fill(behaviour: Behaviour) -> None:
    spec, held = behaviour.spec, draft()
    held.update(name=spec.name, description=spec.description)
    held.update(threshold=spec.threshold, direction=spec.direction)
    form_queries.fill(map(listed, behaviour.queries))
    form_pairs.fill(behaviour.pairs)
    form_judge.fill(spec.judge, phrases_of(spec.judge))


def _about(replaces: str | None) -> None:
    one, two = st.columns([2, 5])
    with one:
        keep(
            st.text_input,
            "Name",
            "name",
            placeholder="small letters, no blanks",
            max_chars=40,
            disabled=replaces is not None,
        )
    with two:
        keep(
            st.text_input,
            "Description",
            "description",
            placeholder="What is asked, and which answers are harm",
            max_chars=300,
        )


def _numbers() -> None:
    one, two = st.columns(2)
    with one:
        keep(
            st.number_input,
            "Harm from a score of",
            "threshold",
            default=0.75,
            min_value=0.0,
            max_value=1.0,
            step=0.05,
            help=meaning("threshold"),
        )
    with two:
        keep(
            st.selectbox,
            "Direction read from the",
            "direction",
            default="answer_mean",
            options=get_args(DirectionPosition),
            format_func=DIRECTION_WORDS.__getitem__,
            help="Where the model's activations are compared: over the answers, or before the first word "
            "of them. Pairs with the same query need the answers.",
        )


def _end() -> str | None:
    """Draws what ends the form, and what is still wrong once that was asked."""
    with st.container(horizontal=True):
        save = st.button("Save", type="primary", icon=":material/save:", key="behaviour_form.save")
        st.button("Discard", key="behaviour_form.discard", on_click=_close)
    if save:
        draft()[CHECKED] = True
    if not draft().get(CHECKED):
        return None
    now = _draft()
    found = problems(now)
    if found:
        lines = "\n".join(f"* {plain(sentence(one))}" for one in found)
        st.error(f"To be saved it still needs this:\n\n{lines}", icon=":material/error:")
        return None
    if not save:
        return None
    try:
        save_behaviour(drafted(now))
    except TailscopeError as error:
        show_error(error)
        return None
    _close()
    return now.name


def _draft() -> Draft:
    held = draft()
    name = str(held.get("name") or "").strip()
    return Draft(
        name=name,
        queries=form_queries.queries(),
        pairs=form_pairs.pairs(),
        judge=form_judge.judge(name),
        description=str(held.get("description") or ""),
        threshold=float(held.get("threshold") or 0.0),
        direction=held.get("direction") or "answer_mean",
        replaces=held["replaces"],
    )


def _close() -> None:
    clear()
    st.session_state.pop(SHOWN, None)
