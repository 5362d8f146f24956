"""The backtest on these queries: the forecast is made from some of them, and compared with the others."""

from collections.abc import Iterator
from dataclasses import dataclass

import streamlit as st

from core.errors import SpecError
from core.tails.backtest import SHARE, SPLITS, check_size
from core.tails.backtest_task import REFITS, BacktestSpec, BacktestState, run_backtest
from core.tails.bootstrap import is_grouped
from core.tails.remarks import Vocabulary, in_words
from core.tails.sample import TailSample
from core.tails.spec import FIT_NAMES, TailSpec
from core.tasks import Registry, Task
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
def backtests() -> Registry[Task[BacktestState]]:
    """Returns the tests of this process; they outlive a change of page."""
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
    task = None if plan is None else backtests().get(plan.name)
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
    if wanted is not None and backtests().get(wanted.name) is not None:
        return wanted
    return last if last is not None and backtests().get(last.name) is not None else None


def _running(plan: Plan) -> bool:
    task = backtests().get(plan.name)
    return task is not None and task.running


def _begin(
    wanted: Plan | None, sample: TailSample, vocabulary: Vocabulary, *, running: bool
) -> None:
    task = None if wanted is None else backtests().get(wanted.name)
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
        spec = wanted.spec
        backtests().start(wanted.name, lambda: Task(_steps(sample, spec, vocabulary)))
        st.session_state[PLAN] = wanted
        st.rerun(scope="app")


def _steps(
    sample: TailSample, spec: BacktestSpec, vocabulary: Vocabulary
) -> Iterator[BacktestState]:
    """Yields the states of a backtest, whose error has the words of the page."""
    with in_words(vocabulary):
        yield from run_backtest(sample, spec)


def _live(plan: Plan, polling: bool) -> None:
    task = backtests().get(plan.name)
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
    others = [SHORT_FITS[name] for name in at.without_fit if name != main_fit(at)]
    if others:
        st.caption(f"{', '.join(others)}: {no_fit(at)}.")


def _controls(plan: Plan, task: Task[BacktestState], at: BacktestState | None) -> None:
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


def _progress(task: Task[BacktestState], at: BacktestState | None, total: int) -> str:
    if at is None:
        return "getting ready" if task.running else "stopped"
    count = f"{at.done:,} of {total:,} trials"
    if not task.running:
        return f"{count} · stopped"
    left = at.seconds / at.done * (total - at.done)
    return f"{count} · {words.duration(left)} left"
