"""The theme that the browser shows, and the colour of words on charts under it."""

import streamlit as st

from core.charts.style import INK


def theme() -> str:
    """Returns "light" or "dark"."""
    return st.context.theme.type or "light"


def ink() -> str:
    """Returns the colour of words on charts: as dark as other text."""
    return INK[theme()]
