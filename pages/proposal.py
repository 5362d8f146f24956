"""The proposal: steer the model until harm is common, and see what that does to its answers."""

import streamlit as st

from core.errors import TailscopeError
from pages.components import charts, resources
from pages.components.frame import page, plain, show_error
from pages.components.pilot_view import pilot_view
from pages.components.preview_view import preview_view
from pages.components.proposal_controls import sliders, where_form
from pages.components.state import settings


@st.fragment
def tune() -> None:
    """Draws sliders and preview: moving a slider draws these anew, and nothing else."""
    try:
        asked = resources.request(settings())
        assert asked.proposal is not None
        proposal = sliders(asked.proposal, asked.generation.max_new_tokens)
        preview_view(asked.model_copy(update={"proposal": proposal}))
    except TailscopeError as error:
        show_error(error)


with page(
    "Proposal",
    "A steered copy of the model gives the harmful answer often. Each of its answers is weighed "
    "by how likely the model itself would give it.",
):
    st.markdown(f"Asked: **“{plain(resources.query(settings()))}”**")
    tune()
    asked = resources.request(settings())
    assert asked.proposal is not None
    with st.expander("Where the push is added, and how to choose it", icon=":material/layers:"):
        direction = resources.direction(asked.model, asked.behaviour, asked.proposal.direction)
        left, right = st.columns(2, gap="large")
        with left:
            where_form(resources.model(asked.model), asked.proposal, direction.separation.tolist())
        with right:
            st.vega_lite_chart(
                charts.separation(direction.separation.tolist(), asked.proposal.layer),
                key="proposal.separation",
            )
            pilot_view(settings())
