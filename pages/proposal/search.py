"""Finding the best settings: what to search, its progress in the background, and the result."""

import streamlit as st

from core.proposals import kind_of
from core.runs.request import EstimateRequest
from core.search.cross_entropy import SearchResult
from core.search.plan import (
    HERE,
    PAPER,
    PILOT,
    SMALL,
    Progress,
    SearchPlan,
    events,
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
QUESTION_WORDS = {HERE: "This question", PILOT: "Pilot questions"}
GRID_WORDS = {SMALL: "Small", PAPER: "The paper's"}


def search_view(asked: EstimateRequest) -> None:
    """Draws the choice of search, then its progress, then its result. Raises: as `SearchPlan`."""
    st.subheader("Find the best settings", anchor=False)
    st.markdown(
        "A few hundred pilot answers, drawn with all kinds of settings, tell which settings need the "
        "fewest draws for the same certainty."
    )
    plan = _plan(asked)
    task = resources.searches().get(plan.name)
    running = task is not None and task.running
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        going_on = task is not None and task.cancelled and not isinstance(task.last, SearchResult)
        if st.button(
            "Go on" if going_on else "Find the best settings",
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
    if task is not None and not running and isinstance(task.last, SearchResult):
        surface_view(asked, plan, task.last)


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
            default=HERE,
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
    if is_paid(resources.judge(plan.asked)):
        st.session_state[ASKED] = plan.name
    else:
        _start(plan)


def _consent(plan: SearchPlan) -> None:
    judge = resources.judge(plan.asked)
    if not is_paid(judge):
        return
    answers = plan.rows * len(plan.queries)
    with st.container(border=True):
        st.markdown(f"**This search asks the judge to grade up to {answers:,} pilot answers.**")
        cost_lines(judge, plan.asked, answers)
        with st.container(horizontal=True):
            if st.button("Ask the judge and search", key="search_view.agree", type="primary"):
                del st.session_state[ASKED]
                _start(plan)
                st.rerun()
            if st.button("Not now", key="search_view.refuse"):
                del st.session_state[ASKED]
                st.rerun()


def _start(plan: SearchPlan) -> None:
    loaded = resources.model_of(plan.asked)
    judge, store = resources.judge(plan.asked), resources.store()
    resources.searches().start(plan.name, lambda: Task(events(plan, loaded, judge, store)))


def _progress(plan: SearchPlan) -> None:
    task = resources.searches().get(plan.name)
    if task is None or not task.running:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        share, said = _standing(task)
        st.progress(share, text=said, width=420)
        st.button(
            "Cancel",
            key="search_view.cancel",
            icon=":material/stop:",
            disabled=task.cancelled,
            on_click=task.cancel,
        )


def _standing(task: Task[Progress | SearchResult]) -> tuple[float, str]:
    at = task.last
    if not isinstance(at, Progress):
        return 0.0, "Getting ready"
    share = at.done / at.total
    if task.cancelled:
        return share, "Stops at the next step; finished questions are kept"
    if at.total == 1:
        return share, "Drawing and weighing pilot answers"
    left = "" if at.seconds_left is None else f" · {words.duration(at.seconds_left)} left"
    return share, f"Question {min(int(at.done) + 1, at.total)} of {at.total}{left}"


def _ended(task: Task[Progress | SearchResult]) -> str:
    """Returns what there is to say beside the button about work that is over."""
    if task.error:
        return f":material/error: {plain(sentence(task.error))}"
    if isinstance(task.last, Progress):
        return (
            f"Cancelled after {int(task.last.done)} of {task.last.total} questions; these are kept."
        )
    return ""
