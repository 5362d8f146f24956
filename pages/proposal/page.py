"""The proposal: an unsafe version of the model, what it does to the answers, and the best settings."""

import streamlit as st

from core.charts import layers
from core.errors import TailscopeError
from core.proposals import DirectedSpec
from pages.proposal.controls import sliders
from pages.proposal.kind import kind_form, kind_picker, layer_form
from pages.proposal.preview import preview_view
from pages.proposal.search import search_view
from pages.proposal.surface import surface_is_behind
from pages.shared import resources
from pages.shared.frame import page, plain, show_error
from pages.shared.state import settings


@st.fragment
def tune() -> None:
    """Draws sliders and preview: moving a slider draws these anew, and nothing else."""
    try:
        asked = resources.request(settings())
        assert asked.proposal is not None
        proposal = sliders(asked.proposal, asked.generation.max_new_tokens)
        preview_view(asked.model_copy(update={"proposal": proposal}))
        if surface_is_behind(proposal):
            st.rerun()
    except TailscopeError as error:
        show_error(error)


with page(
    "Proposal",
    "An unsafe version of the model gives the harmful answer often. Each of its answers is weighed "
    "by how likely the model itself would give it.",
):
    st.markdown(f"Asked: **“{plain(resources.query(settings()))}”**")
    asked = resources.request(settings())
    if kind_form(kind_picker(asked), asked):
        tune()
        asked = resources.request(settings())
        proposal = asked.proposal
        if isinstance(proposal, DirectedSpec):
            with st.expander("Where in the model, and on which tokens", icon=":material/layers:"):
                found = resources.direction(asked, proposal.direction)
                separation = found.separation.tolist()
                left, right = st.columns(2, gap="large")
                with left:
                    layer_form(resources.model_of(asked), proposal, separation)
                with right:
                    st.vega_lite_chart(
                        layers.separation(separation, proposal.layer), key="proposal.separation"
                    )
        search_view(asked)
