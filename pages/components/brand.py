"""The name and mark, drawn here: nothing is loaded from anywhere."""

from pathlib import Path

import streamlit as st

IMAGES = Path(__file__).parents[1] / "images"


def brand() -> None:
    """Puts the mark above the navigation."""
    st.logo(str(IMAGES / "logo.svg"), icon_image=str(IMAGES / "icon.svg"), size="large")
