"""The first page: what this is, in one line and three steps, and one button."""

import streamlit as st

from core.models.embedded import embedded_models
from core.models.fetched import FETCHABLE, fetched_folder
from core.models.listing import megabytes
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


def worlds() -> None:
    """Draws the two worlds to choose from: the invented one, and a real model that can be fetched."""
    invented, real = st.columns(2)
    toys = embedded_models()
    with invented.container(border=True, height="stretch"):
        st.markdown(f"**Invented world**: exact truth, instant  \n{' and '.join(toys)}")
        if settings().model not in toys:
            st.page_link("pages/model/page.py", label="Choose one on the Model page")
    for model in FETCHABLE.values():
        with real.container(border=True, height="stretch"):
            st.markdown(f"**Real chat model**: {megabytes(model)}, minutes  \n{model.title}")
            here = fetched_folder(model.name) is not None
            if settings().model != model.name:
                what = "Load it" if here else "Fetch it"
                st.page_link("pages/model/page.py", label=f"{what} on the Model page")


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
        # Of a larger model nothing is known before it has been asked.
        takes = "Takes a few seconds. " if settings().model in embedded_models() else ""
        st.caption(f"{takes}Another question or behaviour: at the left, on every page.")
    worlds()
    for column, (title, target, words) in zip(st.columns(3), STEPS, strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(target, label=f"**{title}**")
            st.markdown(words)
