"""The Deployment page's settings: kept for the session, and written to its address as numbers alone."""

import math

import streamlit as st

from pages.shared.address import DEPLOYMENT, parameters, write_parameters

KEPT = "deployment.kept"
WRITTEN = "deployment.written"
# Queries a day, percent of them like this one, days; a risk typed by hand and its ends, per million.
DEFAULTS = {"a_day": 100_000.0, "like": 0.1, "days": 30.0}
TYPED = ("risk", "low", "high")


def kept() -> dict[str, float]:
    """Returns the settings by their name in the address; those of a new address come first."""
    values: dict[str, float] = st.session_state.setdefault(KEPT, dict(DEFAULTS))
    given = parameters(DEPLOYMENT)
    if given and given != st.session_state.get(WRITTEN):
        found = {
            name: number for name, text in given.items() if (number := _number(text)) is not None
        }
        values.update(found)
        st.session_state[WRITTEN] = given
    return values


def write(values: dict[str, float]) -> None:
    """Puts the settings into the address, beside the run's id."""
    wanted = {name: f"{values[name]:.12g}" for name in DEPLOYMENT if name in values}
    st.session_state[WRITTEN] = wanted
    write_parameters(DEPLOYMENT, wanted)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
