"""A comparison of wordings as it goes on and as it ends."""

import streamlit as st

from core.sensitivity.comparison import Comparison
from core.sensitivity.task import ComparisonSnapshot, ComparisonTask
from core.sensitivity.words import headline, others
from pages.paraphrases.consent import ask_or_begin, consent
from pages.paraphrases.results import plots, summary, take_away, texts
from pages.paraphrases.wording import worst_words
from pages.paraphrases.work import report, task_of
from pages.shared import resources, words
from pages.shared.chances import big
from pages.shared.comparisons import look_at_comparison
from pages.shared.frame import plain, sentence
from pages.shared.state import settings

POLL_SECONDS = 1.0


def paraphrase_view(plan: Comparison) -> None:
    """Draws a comparison, and draws it anew until it ends."""
    st.markdown(f"Asked: **“{plain(plan.query)}”**, and {' and '.join(others(plan.variants))}")
    _changed(plan)
    task = task_of(plan)
    polling = task.running
    st.fragment(_live, run_every=POLL_SECONDS if polling else None)(plan, polling)
    progress = task.snapshot().progress
    if not polling and progress.partial.rows:
        summary_report = report(plan, progress)
        texts(plan, summary_report)
        take_away(plan, summary_report)


def _changed(plan: Comparison) -> None:
    chosen = settings()
    now = (resources.query(chosen), chosen.model, chosen.behaviour)
    if now == (plan.query, plan.spec.models[0].name, plan.spec.behaviour):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown("You have chosen another question, model or behaviour since.")
        if st.button("Compare wordings of the new one", key="paraphrases.new_one", type="primary"):
            look_at_comparison(None)
            st.rerun()


def _live(plan: Comparison, polling: bool) -> None:
    task = task_of(plan)
    if task.running != polling:
        st.rerun()
    snapshot = task.snapshot()
    at = snapshot.progress.partial
    if snapshot.version == 0:
        st.html(big("…", "getting ready"))
        return
    found = report(plan, snapshot.progress)
    if at.rows or task.running:
        st.html(big(*headline(found, partial=not at.whole)))
        if worst := worst_words(found):
            st.markdown(worst)
    else:
        st.html(big("Nothing to compare yet", "no wording has all of its answers in the store"))
    _controls(plan, task, snapshot)
    plots(plan, found)
    if at.whole:
        summary(found)
    for note in found.notes:
        st.caption(plain(sentence(note)))


def _controls(plan: Comparison, task: ComparisonTask, snapshot: ComparisonSnapshot) -> None:
    at = snapshot.progress.partial
    if snapshot.error:
        st.error(plain(sentence(snapshot.error)), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if not at.whole:
            share = min((at.drawn + at.stored) / plan.answers, 1.0)
            st.progress(share, text=_progress_words(task, snapshot), width=430)
        if task.running and not at.whole:
            st.button(
                "Cancel",
                key="paraphrases.cancel",
                icon=":material/stop:",
                disabled=task.cancelling,
                on_click=task.cancel,
            )
        elif not task.running:
            if not at.whole and st.button(
                "Go on",
                key="paraphrases.again",
                type="primary",
                icon=":material/play_arrow:",
                help="The answers drawn so far are kept; the comparison continues from there.",
            ):
                ask_or_begin(plan)
            if st.button("Other wordings", key="paraphrases.new", icon=":material/edit:"):
                look_at_comparison(None)
                st.rerun(scope="app")
    if not task.running:
        consent(plan)


def _progress_words(task: ComparisonTask, snapshot: ComparisonSnapshot) -> str:
    progress = snapshot.progress
    at = progress.partial
    done = f"{max(at.finished, len(at.last_known))} of {at.total} done"
    if not task.running:
        return f"{done} · {'cancelled' if snapshot.status == 'cancelled' else 'stopped'}"
    if task.cancelling:
        return f"{done} · cancelling"
    left = progress.seconds_left
    status = progress.message or "starting" if left is None else f"{words.duration(left)} left"
    return f"{done} · {status}"
