"""Finding the best settings: what to search, its progress in the background, and the result."""

import streamlit as st

from core.proposals import kind_of
from core.runs.request import EstimateRequest
from core.search.cross_entropy import SearchResult
from core.search.plan import (
    OWN_QUERY,
    PAPER,
    PILOT,
    SMALL,
    SearchPlan,
    search_steps,
)
from core.tasks import Task
from pages.proposal.surface import surface_view
from pages.shared import resources, words
from pages.shared.consent import cost_lines
from pages.shared.frame import plain, sentence
from pages.shared.paid_judges import is_paid

POLL_SECONDS = 0.7
QUESTIONS = "search_view.questions"
GRID = "search_view.grid"
ASKED = "search_view.asked"
REACH = "search_view.reach"
QUESTION_WORDS = {OWN_QUERY: "This question", PILOT: "Pilot questions"}
GRID_WORDS = {SMALL: "Small", PAPER: "The paper's"}


def search_view(asked: EstimateRequest) -> None:
    """Draws the choice of search, then its progress, then its result. Raises: as `SearchPlan`."""
    st.subheader("Find the best settings", anchor=False)
    st.markdown(
        "A few hundred pilot answers, drawn with all kinds of settings, tell which settings need the "
        "fewest draws for the same certainty."
    )
    plan = _plan(asked)
    task = resources.search_tasks().get(plan.name)
    running = task is not None and task.running
    result = None if task is None else task.snapshot().result
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        cancelled = task is not None and task.cancelling and result is None
        if st.button(
            "Go on" if cancelled else "Find the best settings",
            key="search_view.start",
            type="primary",
            icon=":material/search:",
            disabled=running,
        ):
            _begin(plan)
            st.rerun()
        if running:
            st.fragment(_progress, run_every=POLL_SECONDS)(plan)
        elif task is not None:
            st.markdown(_ended(task))
    if st.session_state.get(ASKED) == plan.name and not running:
        _consent(plan)
    if result is not None and not running:
        surface_view(asked, plan, result)


def _plan(asked: EstimateRequest) -> SearchPlan:
    assert asked.proposal is not None
    kind = kind_of(asked.proposal)
    limits = kind.search
    one, two, three = st.columns([8, 5, 5], vertical_alignment="bottom")
    with one:
        questions = st.segmented_control(
            "Measured on",
            list(QUESTION_WORDS),
            key=QUESTIONS,
            default=OWN_QUERY,
            required=True,
            format_func=QUESTION_WORDS.__getitem__,
            help="Pilot questions are in no question set: settings found on them suit the behaviour, "
            "and no estimate is told beforehand what to find.",
        )
    with two:
        grid = st.segmented_control(
            "Grid",
            list(GRID_WORDS),
            key=GRID,
            default=SMALL,
            required=True,
            format_func=GRID_WORDS.__getitem__,
            help="Small: 5 strengths at every layer, 5 mixings. The paper's: 10 strengths at the layer "
            "that is set, 25 mixings, every fifth token; it takes longer.",
        )
    with three:
        reach = st.number_input(
            limits.label,
            min_value=0.1,
            max_value=limits.high,
            value=limits.reach,
            step=0.1,
            key=f"{REACH}.{kind.name}",
            help=f"{limits.help} Raise it if the best one lies at the upper edge.",
        )
    return SearchPlan.of(asked, grid, questions, float(reach))


def _begin(plan: SearchPlan) -> None:
    """Starts a search; where its judge sends requests, the user is asked first."""
    if is_paid(resources.judge(plan.request)):
        st.session_state[ASKED] = plan.name
    else:
        _start(plan)


def _consent(plan: SearchPlan) -> None:
    judge = resources.judge(plan.request)
    if not is_paid(judge):
        return
    answers = plan.rows * len(plan.queries)
    with st.container(border=True):
        st.markdown(f"**This search asks the judge to grade up to {answers:,} pilot answers.**")
        cost_lines(judge, plan.request, answers)
        with st.container(horizontal=True):
            if st.button("Ask the judge and search", key="search_view.agree", type="primary"):
                del st.session_state[ASKED]
                _start(plan)
                st.rerun()
            if st.button("Not now", key="search_view.refuse"):
                del st.session_state[ASKED]
                st.rerun()


def _start(plan: SearchPlan) -> None:
    loaded = resources.model_of(plan.request)
    judge, store = resources.judge(plan.request), resources.store()
    resources.search_tasks().start(
        plan.name, lambda: Task(search_steps(plan, loaded, judge, store), what="the search")
    )


def _progress(plan: SearchPlan) -> None:
    task = resources.search_tasks().get(plan.name)
    if task is None or not task.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        share, text = _progress_words(task)
        st.progress(share, text=text, width=420)
        st.button(
            "Cancel",
            key="search_view.cancel",
            icon=":material/stop:",
            disabled=task.cancelling,
            on_click=task.cancel,
        )


def _progress_words(task: Task[None, SearchResult]) -> tuple[float, str]:
    """Returns the share that is done, and how far the search is in words."""
    at = task.snapshot().progress
    if at.total == 0:
        return 0.0, "Getting ready"
    if task.cancelling:
        return at.share, "Cancelling; finished questions are kept"
    if at.unit == "pairs":
        return at.share, f"Building the direction: {at.done:.0f} of {at.total:.0f} pairs"
    if at.total == 1:
        return at.share, "Drawing and weighing pilot answers"
    left = "" if at.seconds_left is None else f" · {words.duration(at.seconds_left)} left"
    return at.share, f"Question {min(int(at.done) + 1, int(at.total))} of {at.total:.0f}{left}"


def _ended(task: Task[None, SearchResult]) -> str:
    """Returns what to say beside the button about a search that has ended."""
    end = task.snapshot()
    if end.error:
        return f":material/error: {plain(sentence(end.error))}"
    if end.status == "cancelled":
        at = end.progress
        if at.unit != "queries":
            return "Cancelled before the first question."
        return f"Cancelled after {int(at.done)} of {at.total:.0f} questions; these are kept."
    return ""
