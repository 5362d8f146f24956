"""Behaviours: what counts as harm, who decides it, and the direction that tells safe from unsafe."""

import streamlit as st

from core.glossary import meaning
from pages.behaviours import form
from pages.behaviours.choice import saved
from pages.behaviours.view import behaviour_view
from pages.shared.frame import page

with page("Behaviours", f"{meaning('behaviour')} The sidebar chooses which one is shown."):
    if form.is_open():
        name = form.form_view()
        if name is not None:
            saved(name)
            st.rerun()
    else:
        behaviour_view()
