"""What the stored answers take on disk, and how much they may."""

import streamlit as st

from core.errors import TailscopeError
from core.settings.user import UserSettings, apply_limit, save_user_settings
from pages.shared import resources
from pages.shared.frame import plain, sentence, show_error

GIGABYTE = 1_000_000_000


def disk_view() -> None:
    """Draws disk use, and the limit that the user can set."""
    store = resources.store()
    st.markdown("#### On disk")
    if store.path is None:
        st.warning(
            "Results are kept in memory only, as long as the app runs.", icon=":material/memory:"
        )
        return
    limit = _limit()
    used = store.volume()
    said = f"Stored answers take **{in_words(used)}** in {plain(str(store.path))}."
    if limit is not None:
        st.progress(min(used / limit, 1.0), text=f"{said} The limit is {in_words(limit)}.")
        if used >= limit:
            st.warning(
                "The limit is reached: nothing more is stored. Delete old runs, or raise the limit.",
                icon=":material/warning:",
            )
    else:
        st.markdown(said)
    with (
        st.expander("Set a limit", icon=":material/hard_drive:"),
        st.form("runs_disk.form", border=False),
    ):
        given = st.number_input(
            "Limit in GB, 0 for none",
            min_value=0.0,
            value=0.0 if limit is None else limit / GIGABYTE,
            step=1.0,
            help="Nothing is deleted automatically: at the limit, new answers are no longer stored.",
        )
        if st.form_submit_button("Set"):
            _save(float(given))


def in_words(size: int) -> str:
    """Returns a number of bytes as people say it."""
    if size < GIGABYTE:
        return f"{size / 1e6:,.0f} MB"
    return f"{size / GIGABYTE:,.1f} GB"


def _limit() -> int | None:
    """Returns the limit that is set, once the store keeps to it."""
    try:
        return apply_limit(resources.store())
    except TailscopeError as error:
        show_error(error)
        return None


def _save(gigabytes: float) -> None:
    limit = round(gigabytes * GIGABYTE) or None
    try:
        save_user_settings(UserSettings.build(store_limit=limit))
    except TailscopeError as error:
        st.error(plain(sentence(str(error))), icon=":material/error:")
        return
    st.rerun()
