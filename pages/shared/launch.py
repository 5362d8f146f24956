"""Starting a run from the settings of this session."""

import streamlit as st

from core.glossary import meaning
from core.runs.forecast import WORTH_TELLING
from core.spec import MAX_SAMPLES
from pages.shared import resources, words
from pages.shared.consent import waits_for_consent
from pages.shared.pace import run_pace
from pages.shared.state import change, look_at_run, settings


def launch() -> None:
    """Starts the run that the settings stand for, and makes it the session's.

    One whose judge sends requests is not started: where it is shown, the user is asked first.

    Raises: TailscopeError if the settings make no run.
    """
    run = resources.run_spec(settings())
    if waits_for_consent(run):
        resources.keep(run)
    else:
        resources.start(run)
    look_at_run(run.run_id)


def launch_form() -> None:
    """Draws the sample sizes and the button that starts a run."""
    chosen = settings()
    ahead = resources.method(chosen) == "ahead"
    explained = meaning("look-ahead") if ahead else meaning("importance sampling")
    with st.form("launch.form", border=False):
        one, two, three = st.columns(3, vertical_alignment="bottom")
        weighted = one.number_input(
            "Look-ahead: beginnings of answers" if ahead else "Importance sampling: answers",
            min_value=1,
            max_value=MAX_SAMPLES,
            value=chosen.importance_samples,
            step=500,
            help=f"{explained} 1,000 are enough for most risks.",
        )
        plain_draws = two.number_input(
            "Monte Carlo: answers",
            min_value=0,
            max_value=MAX_SAMPLES,
            value=resources.monte_carlo_samples(chosen),
            step=5_000,
            help=f"{meaning('Monte Carlo')} It is here for comparison; 0 leaves it out.",
        )
        pressed = three.form_submit_button(
            "Estimate the risk", type="primary", icon=":material/play_arrow:", width="stretch"
        )
    if pressed:
        change(importance_samples=int(weighted), monte_carlo_samples=int(plain_draws))
        launch()
        st.rerun()
    _time_needed()


def _time_needed() -> None:
    """Says how long the run will take here, if long, and offers a shorter one."""
    run = resources.run_spec(settings())
    pace = run_pace(run)
    if pace is None:
        return
    takes = pace.seconds(run.importance_samples, run.monte_carlo_samples)
    if takes < WORTH_TELLING:
        return
    offer = pace.fewer(run.importance_samples)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown(
            f":material/schedule: About **{words.duration(takes)}** here, measured on a few tokens."
        )
        if offer is None and run.monte_carlo_samples > 0:
            offer = run.importance_samples
        if offer is not None:
            less = words.duration(pace.seconds(offer, 0))
            pressed = st.button(
                f"{offer:,} answers, no Monte Carlo: about {less}",
                key="launch.less",
                icon=":material/bolt:",
            )
            if pressed:
                change(importance_samples=offer, monte_carlo_samples=0)
                launch()
                st.rerun()
