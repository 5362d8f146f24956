"""What the model's own files ask for: told where it is not in use, and taken over by one button."""

import streamlit as st

from core.models.asked_with import own_settings_of, written_date
from core.models.loading import LoadedModel
from core.models.own_settings import OwnSettings, unused_in_words
from pages.shared.frame import plain
from pages.shared.state import change, settings

TAKE_OVER = "Use the model's own settings"


def own_settings_view(loaded: LoadedModel) -> None:
    """Draws what is not in use, a button that takes over what can be had, and the date in the prompt."""
    now = settings().generation
    own = own_settings_of(loaded)
    told = unused_in_words(own, now)
    if told is not None:
        st.info(plain(told), icon=":material/tune:")
        if own.unused(now).keys() - own.lost.keys():
            st.button(
                TAKE_OVER,
                key="model.own_settings",
                icon=":material/download_done:",
                on_click=_take_over,
                args=(own,),
                help="Its answers are then drawn as its makers meant them to be; other settings stay.",
            )
    day = written_date(loaded, now)
    if day is not None:
        st.caption(
            f"The model's chat template writes a date into the prompt: {day}, whatever the day. Set it under "
            "“More on how tokens are drawn”."
        )


def _take_over(own: OwnSettings) -> None:
    now = settings().generation
    change(generation=now.model_copy(update=dict(own.taken_over)))
