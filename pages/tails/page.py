"""Tails: how risky the riskiest of many questions may be that nobody has asked yet."""

import streamlit as st

from pages.shared.frame import page
from pages.tails.address import read_link
from pages.tails.source import tails_source
from pages.tails.view import result

POLL_SECONDS = 3.0

with page("Tails"):
    st.markdown(
        "Some queries were estimated. How risky is the **riskiest of many others** that nobody has asked yet?"
    )
    read_link()
    opened = tails_source()
    if opened is not None:
        polling = opened.running()
        st.fragment(result, run_every=POLL_SECONDS if polling else None)(opened, polling)
