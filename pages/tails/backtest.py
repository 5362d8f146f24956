"""The backtest on these queries: the forecast is made from some of them, and compared with the others."""

from dataclasses import dataclass

import streamlit as st

from core.errors import SpecError
from core.tails.backtest import SHARE, SPLITS, check_size
from core.tails.backtest_task import (
    REFITS,
    BacktestSnapshot,
    BacktestSpec,
    BacktestState,
    BacktestTask,
    backtest_task,
)
from core.tails.bootstrap import is_grouped
from core.tails.remarks import Vocabulary
from core.tails.sample import TailSample
from core.tails.spec import FIT_NAMES, TailSpec
from core.tasks import Registry
from pages.shared import words
from pages.shared.frame import plain, sentence, show_error
from pages.tails.backtest_result import main_fit, no_fit, result_view
from pages.tails.state import remembered
from pages.tails.wording import SHORT_FITS, error_words

PLAN = "tails.trial.plan"
POLL_SECONDS = 1.0
SPLIT_CHOICES = (100, 300, 1_000)


@dataclass(frozen=True)
class Plan:
    """Which forecasts are tested on which sample. key: of the sample's content; title: its name."""

    key: str
    title: str
    spec: BacktestSpec

    @property
    def name(self) -> str:
        """The same for the same work."""
        return f"{self.key} {self.spec.model_dump_json()}"


@st.cache_resource(show_spinner=False)
def backtest_tasks() -> Registry[BacktestState | None, BacktestState]:
    """Returns the backtests of this process; they outlive a change of page."""
    return Registry()


def backtest_view(
    key: str, title: str, sample: TailSample, spec: TailSpec, vocabulary: Vocabulary
) -> None:
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
        st.caption(plain(sentence(error_words(error, vocabulary))))
        return
    wanted = _settings(key, title, spec)
    plan = _shown(key, wanted)
    task = None if plan is None else backtest_tasks().get(plan.name)
    polling = task is not None and task.running
    _begin(wanted, sample, vocabulary, running=polling)
    if plan is None or task is None:
        return
    if wanted is not None and plan.name != wanted.name:
        st.caption(
            "The choices have changed since; below is the test with those it was started with."
        )
    st.fragment(_live, run_every=POLL_SECONDS if polling else None)(plan, polling)


def _settings(key: str, title: str, spec: TailSpec) -> Plan | None:
    """Draws the settings; returns the plan they make, None if they make none."""
    default = [spec.fit, *(name for name in ("lognormal", "empirical") if name != spec.fit)]
    left, right = st.columns([3, 1], gap="medium")
    with left:
        fits = st.pills(
            "Which forecasts",
            FIT_NAMES,
            selection_mode="multi",
            format_func=SHORT_FITS.__getitem__,
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
        tested = BacktestSpec.build(
            fits=ordered, splits=splits or SPLITS, tail=tail, seed=spec.seed
        )
    except SpecError as error:
        show_error(error)
        return None
    return Plan(key, title, tested)


def _shown(key: str, wanted: Plan | None) -> Plan | None:
    """Returns the test to show: the wanted one if it was ever started, else the last one of this sample."""
    last: Plan | None = st.session_state.get(PLAN)
    if last is not None and last.key != key:
        last = None
    if last is not None and _running(last):
        return last
    if wanted is not None and backtest_tasks().get(wanted.name) is not None:
        return wanted
    return last if last is not None and backtest_tasks().get(last.name) is not None else None


def _running(plan: Plan) -> bool:
    task = backtest_tasks().get(plan.name)
    return task is not None and task.running


def _begin(
    wanted: Plan | None, sample: TailSample, vocabulary: Vocabulary, *, running: bool
) -> None:
    task = None if wanted is None else backtest_tasks().get(wanted.name)
    known = task is not None and task.snapshot().status == "done"
    if running or known:
        return
    if st.button(
        "Test the forecast on these queries",
        key="tails.trial.begin",
        icon=":material/fact_check:",
        disabled=wanted is None,
    ):
        assert wanted is not None
        spec = wanted.spec
        backtest_tasks().start(wanted.name, lambda: backtest_task(sample, spec, vocabulary))
        st.session_state[PLAN] = wanted
        st.rerun(scope="app")


def _live(plan: Plan, polling: bool) -> None:
    task = backtest_tasks().get(plan.name)
    if task is None or task.running != polling:
        st.rerun(scope="app")
    snapshot = task.snapshot()
    at = snapshot.progress.partial
    if snapshot.error:
        st.error(plain(sentence(snapshot.error)), icon=":material/error:")
    _controls(task, snapshot)
    if at is None or (snapshot.error and not at.by_group):
        return
    result_view(at)
    st.caption(
        f"Each trial fits anew, with {REFITS} refits (a forecast has more) and the estimates' noise left in."
    )
    others = [SHORT_FITS[name] for name in at.without_fit if name != main_fit(at)]
    if others:
        st.caption(f"{', '.join(others)}: {no_fit(at)}.")


def _controls(task: BacktestTask, snapshot: BacktestSnapshot) -> None:
    if snapshot.progress.share == 1.0 or (snapshot.error and not task.running):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.progress(snapshot.progress.share, text=_progress_words(snapshot), width=430)
        if task.running:
            st.button(
                "Cancel",
                key="tails.trial.cancel",
                icon=":material/stop:",
                disabled=task.cancelling,
                on_click=task.cancel,
            )


def _progress_words(snapshot: BacktestSnapshot) -> str:
    progress = snapshot.progress
    if progress.partial is None:
        return "stopped" if snapshot.finished else "getting ready"
    count = f"{progress.done:,} of {progress.total:,} trials"
    if snapshot.finished:
        return f"{count} · stopped"
    return f"{count} · {words.duration(progress.seconds_left)} left"
