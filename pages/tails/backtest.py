"""Has it worked on these queries? The forecast is made from some of them, and held against the others."""

from dataclasses import dataclass

import streamlit as st

from core.errors import SpecError
from core.tails.backtest import SHARE, SPLITS, check_size
from core.tails.backtest_task import REFITS, Trial, TrialSpec, trial
from core.tails.bootstrap import is_grouped
from core.tails.sample import TailSample
from core.tails.spec import FIT_NAMES, TailSpec
from core.tasks import Registry, Task
from pages.shared import words
from pages.shared.frame import plain, sentence, show_error
from pages.tails.backtest_result import main_fit, no_fit, result_view
from pages.tails.fits import short
from pages.tails.state import remembered

PLAN = "tails.trial.plan"
POLL_SECONDS = 1.0
SPLIT_CHOICES = (100, 300, 1_000)


@dataclass(frozen=True)
class Plan:
    """What is tested, on which sample. key: of the sample's content; title: its name for a person."""

    key: str
    title: str
    spec: TrialSpec

    @property
    def name(self) -> str:
        """The same for the same work."""
        return f"{self.key} {self.spec.model_dump_json()}"


@st.cache_resource(show_spinner=False)
def trials() -> Registry[Task[Trial]]:
    """Returns the tests of this process; they outlive a change of page."""
    return Registry()


def backtest_view(key: str, title: str, sample: TailSample, spec: TailSpec) -> None:
    """Draws the test's settings, and its result as it comes. key: of the sample's content."""
    st.markdown("#### Has it worked on these queries?")
    grouped = is_grouped(sample)
    st.caption(
        f"The paper's own test: from {SHARE:.0%} of the queries, picked by chance, the worst of the other "
        f"{1 - SHARE:.0%} is forecast, and then looked up. Again and again, each time with other queries."
        + (
            " Wordings of one question stay together, so that nothing forecast has been seen."
            if grouped
            else ""
        )
    )
    try:
        check_size(sample)
    except SpecError as error:
        st.caption(plain(sentence(str(error))))
        return
    wanted = _settings(key, title, spec)
    plan = _shown(key, wanted)
    task = None if plan is None else trials().get(plan.name)
    polling = task is not None and task.running
    _begin(wanted, plan, sample, running=polling)
    if plan is None or task is None:
        return
    if wanted is not None and plan.name != wanted.name:
        st.caption("You have chosen otherwise since; below is the test as it was asked for.")
    st.fragment(_live, run_every=POLL_SECONDS if polling else None)(plan, polling)


def _settings(key: str, title: str, spec: TailSpec) -> Plan | None:
    """Draws the settings; returns what they ask for, None if that cannot be."""
    default = [spec.fit, *(name for name in ("lognormal", "empirical") if name != spec.fit)]
    left, right = st.columns([3, 1], gap="medium")
    with left:
        fits = st.pills(
            "Which forecasts",
            FIT_NAMES,
            selection_mode="multi",
            format_func=short,
            **remembered("trial_fits", default),
        )
    with right:
        splits = st.segmented_control(
            "How often",
            SPLIT_CHOICES,
            format_func=lambda count: f"{count:,}",
            **remembered("trial_splits", SPLITS),
        )
    if not fits:
        st.caption("Choose at least one kind of forecast to test.")
        return None
    ordered = [name for name in FIT_NAMES if name in fits]
    # Neither changes what is tested, and another test for it would be the same one.
    tail = TailSpec.build(
        fit=spec.fit,
        estimator=spec.estimator,
        largest=spec.largest,
        threshold=spec.threshold,
    )
    if spec.fit not in ordered:
        tail = TailSpec.build(fit=spec.fit)
    try:
        asked = TrialSpec.build(fits=ordered, splits=splits or SPLITS, tail=tail, seed=spec.seed)
    except SpecError as error:
        show_error(error)
        return None
    return Plan(key, title, asked)


def _shown(key: str, wanted: Plan | None) -> Plan | None:
    """Returns the test to show: the one asked for if it was ever begun, else the last one of this sample."""
    last: Plan | None = st.session_state.get(PLAN)
    if last is not None and last.key != key:
        last = None
    if last is not None and _running(last):
        return last
    if wanted is not None and trials().get(wanted.name) is not None:
        return wanted
    return last if last is not None and trials().get(last.name) is not None else None


def _running(plan: Plan) -> bool:
    task = trials().get(plan.name)
    return task is not None and task.running


def _begin(wanted: Plan | None, plan: Plan | None, sample: TailSample, *, running: bool) -> None:
    task = None if wanted is None else trials().get(wanted.name)
    known = task is not None and task.last is not None and task.last.whole
    if running or known:
        return
    if st.button(
        "Test the forecast on these queries",
        key="tails.trial.begin",
        icon=":material/fact_check:",
        disabled=wanted is None,
    ):
        assert wanted is not None
        asked = wanted.spec
        trials().start(wanted.name, lambda: Task(trial(sample, asked)))
        st.session_state[PLAN] = wanted
        st.rerun(scope="app")


def _live(plan: Plan, polling: bool) -> None:
    task = trials().get(plan.name)
    if task is None or task.running != polling:
        st.rerun(scope="app")
    at = task.last
    if task.error:
        st.error(plain(sentence(task.error)), icon=":material/error:")
    _controls(plan, task, at)
    if at is None or (task.error and not at.by_group):
        return
    result_view(at)
    st.caption(
        f"Each trial fits anew, with {REFITS} refits (a forecast has more) and the estimates' noise left in."
    )
    others = [short(name) for name in at.without_fit if name != main_fit(at)]
    if others:
        st.caption(f"{', '.join(others)}: {no_fit(at)}.")


def _controls(plan: Plan, task: Task[Trial], at: Trial | None) -> None:
    done, total = (0 if at is None else at.done), plan.spec.splits
    if done == total or (task.error and not task.running):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(done / total, text=_progress(task, at, total), width=430)
        if task.running:
            st.button(
                "Cancel",
                key="tails.trial.cancel",
                icon=":material/stop:",
                disabled=task.cancelled,
                on_click=task.cancel,
            )


def _progress(task: Task[Trial], at: Trial | None, total: int) -> str:
    if at is None:
        return "getting ready" if task.running else "stopped"
    told = f"{at.done:,} of {total:,} trials"
    if not task.running:
        return f"{told} · stopped"
    left = at.seconds / at.done * (total - at.done)
    return f"{told} · {words.duration(left)} left"
