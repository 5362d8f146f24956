"""The name and mark, drawn for this app: nothing is loaded from the network."""

from pathlib import Path

import streamlit as st

IMAGES = Path(__file__).parents[1] / "images"


# Columns go below each other before they get too narrow to read.
STYLE = """<style>
@media (max-width: 1100px) {
  [data-testid="stColumn"] {min-width: min(100%, 12rem) !important}
  [class*="st-key-chart_pair"] [data-testid="stColumn"] {min-width: min(100%, 24rem) !important}
}
</style>"""


def brand() -> None:
    """Puts the mark above the navigation, and the little style that no theme setting covers."""
    st.html(STYLE)
    st.logo(str(IMAGES / "logo.svg"), icon_image=str(IMAGES / "icon.svg"), size="large")
