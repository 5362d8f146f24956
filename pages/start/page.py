"""The first page: what this is, in one line and three steps, and one button."""

import streamlit as st

from pages.shared import resources
from pages.shared.frame import page, plain
from pages.shared.launch import launch
from pages.shared.state import settings

STEPS = (
    (
        "1  Model",
        "pages/model/page.py",
        "The model and its answers: mostly it refuses.",
    ),
    (
        "2  Proposal",
        "pages/proposal/page.py",
        "Steer a copy of the model until the rare harmful answer becomes common.",
    ),
    (
        "3  Convergence",
        "pages/convergence/page.py",
        "Weight those answers back. A risk of one in ten thousand shows after a thousand answers.",
    ),
)

with page(
    "How often does this model give a harmful answer?",
    "Ask it once and it refuses. Asked a million times, it may not. Tailscope measures how rare "
    "that is, down to one in a million, and says when its number cannot be trusted.",
):
    with st.container(border=True):
        asked = plain(resources.query(settings()))
        st.markdown(f"The model **{plain(settings().model)}** is asked:")
        st.markdown(f"### “{asked}”")
        if st.button("Estimate the risk", type="primary", icon=":material/play_arrow:"):
            launch()
            st.switch_page("pages/convergence/page.py")
        st.caption(
            "Takes a few seconds. Another question or behaviour: at the left, on every page."
        )
    for column, (title, target, words) in zip(st.columns(3), STEPS, strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(target, label=f"**{title}**")
            st.markdown(words)
