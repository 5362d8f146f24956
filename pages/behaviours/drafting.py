"""What has been typed of a behaviour, held apart from the widgets: it outlives a change of page."""

from collections.abc import Callable
from typing import Any

import streamlit as st

DRAFT = "behaviour_form.draft"


def begun() -> bool:
    """Returns whether there is a draft."""
    return DRAFT in st.session_state


def draft() -> dict[str, Any]:
    """Returns what has been typed."""
    found: dict[str, Any] = st.session_state[DRAFT]
    return found


def start(**fields: Any) -> None:
    """Begins a new draft."""
    clear()
    st.session_state[DRAFT] = dict(fields)


def clear() -> None:
    """Forgets the draft and its widgets."""
    st.session_state.pop(DRAFT, None)
    for key in [key for key in st.session_state if str(key).startswith("behaviour_form.field.")]:
        del st.session_state[key]


def field_key(name: str) -> str:
    """Returns the key of a field's widget."""
    return f"behaviour_form.field.{name}"


def keep(
    widget: Callable[..., Any], label: str, name: str, default: Any = "", **options: Any
) -> Any:
    """Draws a widget that begins with what the draft holds, and whose value goes there."""
    key = field_key(name)
    if key not in st.session_state:
        st.session_state[key] = draft().get(name, default)
    draft()[name] = widget(label, key=key, **_given_again(widget, key, options))
    return draft()[name]


def _given_again(widget: Callable[..., Any], key: str, options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options with the widget's value among them.

    A browser that is busy may see only the second of two first drawings, and that one has the value from
    nowhere else: a threshold came back as 0.
    """
    value = st.session_state[key]
    if widget in (st.number_input, st.text_input, st.text_area):
        return options | {"value": value}
    if widget is st.selectbox:
        choices = list(options["options"])
        return options | {"index": choices.index(value) if value in choices else 0}
    return options
