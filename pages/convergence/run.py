"""A run on screen: the headline, the verdict, the live chart, its controls. Polls only while it runs."""

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.charts.convergence import AXES, arm_names, convergence
from core.estimation import Estimate
from core.estimation.certain_bounds import CertainBounds
from core.glossary import meaning
from core.runs.run import RunSpec
from core.runs.saving import saving
from core.runs.task import ArmProgress, RunSnapshot, RunTask
from pages.convergence.threshold import threshold_note
from pages.shared import resources, words
from pages.shared.chances import big
from pages.shared.frame import plain, tell
from pages.shared.run_arms import ArmEstimate, arm_estimates, at_session_threshold, certain
from pages.shared.theme import ink

AXIS = "run_view.axis"
ANYTIME = "run_view.anytime"
POLL_SECONDS = 0.7
CHART = "run_view.chart"
# Pause and Resume take the same room: what is beside them must not jump away from the pointer.
BUTTON_WIDTH = 115
# Of the headline, in rem.
RISK_SIZE = 3.1
# The line below a metric is a remark here, not a change.
PLAIN_DELTA: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}


def run_view(run: RunSpec) -> None:
    """Draws the run, and draws it anew until it ends. Raises: as `resources.run_task`."""
    polling = not resources.run_task(run).snapshot().finished
    live = st.fragment(_live, run_every=POLL_SECONDS if polling else None)
    live(run, polling)


def _live(run: RunSpec, polling: bool) -> None:
    task = resources.run_task(run)
    snapshot = task.snapshot()
    if polling == snapshot.finished:
        # Polling begins and ends with a run of the whole page; not at a pause, for a click that
        # comes while the whole page runs is lost.
        st.rerun()
    tell(snapshot.progress.partial.notices)
    seen = at_session_threshold(run)
    arms = arm_estimates(seen, snapshot)
    _headline(arms.get("weighted"), snapshot)
    threshold_note(run, seen)
    _controls(run, task, snapshot)
    picture, figures = st.columns([5, 2], gap="medium")
    with picture:
        _chart(seen, arms)
    with figures:
        _figures(arms)
    _certainty(certain(seen, snapshot))


def _headline(arm: ArmEstimate | None, snapshot: RunSnapshot) -> None:
    with st.container(key="run_view_headline", gap="small"):
        if snapshot.status == "failed":
            st.error(plain(snapshot.error), icon=":material/error:")
        if arm is None:
            ended = snapshot.status in ("cancelled", "failed")
            small = "no answer was finished" if ended else "the first answers are being drawn"
            st.html(big(snapshot.status.capitalize() if ended else "…", small, RISK_SIZE))
            return
        found = arm.estimate
        going = not snapshot.finished and not _done(arm)
        if found.verdict == "do not use":
            title = "No reliable number yet" if going else "No reliable number"
            small = f"{found.samples:,} draws cannot carry one"
        else:
            title, small = words.headline(found)
            small += " · so far" if going else ""
        st.html(big(title, small, RISK_SIZE))
        badge = words.LEVELS[found.verdict]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(badge.label, icon=badge.icon, color=badge.color)
            st.markdown(_verdict_words(found), width="content")


def _done(arm: ArmEstimate) -> bool:
    return arm.progress.done >= arm.progress.total


def _verdict_words(found: Estimate) -> str:
    if not found.reasons and found.method == "ahead":
        return "Every check passed: beginnings enough, and none that holds the number alone."
    if not found.reasons and found.method == "mis":
        return "Every check passed, and the proposals agree with each other."
    if not found.reasons:
        return "Every check passed, and a second proposal has no objection."
    return " ".join(words.reason_text(reason.message) for reason in found.reasons[:4])


def _controls(run: RunSpec, task: RunTask, snapshot: RunSnapshot) -> None:
    names = arm_names(run.request.method)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        for method in ("weighted", "mc"):
            arm = snapshot.progress.partial.arms.get(method)
            if arm is not None:
                text = _progress_words(names[method], arm, task, snapshot)
                st.progress(arm.share, text=text, width=280)
        if not snapshot.finished:
            going = snapshot.status == "running"
            # One button under one key: two that took turns would stand there together for a moment.
            st.button(
                "Pause" if going else "Resume",
                key="run_view.pause",
                icon=":material/pause:" if going else ":material/play_arrow:",
                type="secondary" if going else "primary",
                width=BUTTON_WIDTH,
                disabled=task.cancelling,
                on_click=task.pause if going else task.resume,
            )
        if snapshot.status in ("cancelled", "failed"):
            st.button(
                "Go on",
                key="run_view.again",
                icon=":material/play_arrow:",
                help="The answers drawn so far are kept; the run continues from there.",
                on_click=_continue,
                args=(run,),
            )
        if snapshot.status == "cancelled":
            st.markdown(f":material/block: {_kept(snapshot)}", width="content")
        if not snapshot.finished:
            st.button(
                "Cancel",
                key="run_view.cancel",
                icon=":material/stop:",
                width=BUTTON_WIDTH,
                disabled=task.cancelling,
                on_click=task.cancel,
            )


def _kept(snapshot: RunSnapshot) -> str:
    """Returns what a cancelled run has left."""
    arms = snapshot.progress.partial.arms.values()
    answers = sum(len(shard.drawn) for arm in arms for shard in arm.partial)
    return f"Cancelled. {words.counted(answers, 'answer')} {'is' if answers == 1 else 'are'} kept."


def _continue(run: RunSpec) -> None:
    resources.start(run)


def _progress_words(name: str, arm: ArmProgress, task: RunTask, snapshot: RunSnapshot) -> str:
    if arm.done >= arm.total:
        return f"{name}: all {arm.total:,} answers"
    count = f"{name}: {int(arm.done):,} of {arm.total:,}"
    if task.cancelling and not snapshot.finished:
        return f"{count} · cancelling"
    if snapshot.status == "running":
        return f"{count} · {words.duration(arm.seconds_left)} left"
    return f"{count} · {snapshot.status}"


def _figures(arms: Mapping[str, ArmEstimate]) -> None:
    weighted = arms.get("weighted")
    _monte_carlo(arms.get("mc"))
    _samples_saved(weighted, arms.get("mc"))
    bound = "not known yet" if weighted is None else _below(weighted.estimate)
    st.metric(
        "Assumption-free bound",
        bound,
        delta="whatever no answer has shown",
        border=True,
        help=f"Harmful answers per million. {meaning('assumption-free upper bound')}",
        **PLAIN_DELTA,
    )


def _certainty(known: CertainBounds) -> None:
    """Draws the bounds that trust nobody, once there are any."""
    if said := words.certainly(known.low, known.high):
        st.markdown(
            f"Certainly **{said}**: the {words.counted(known.harmful, 'different harmful answer')} seen add "
            f"up to the lower end, the {words.counted(known.harmless, 'harmless one')} leave the upper.",
            help=meaning("certain bounds"),
        )


def _below(found: Estimate) -> str:
    return f"below {words.in_million(found.upper_bound_free)}"


def _monte_carlo(arm: ArmEstimate | None) -> None:
    """Draws what plain counting says by now: at no hit, the count and not a number."""
    explanation = meaning("Monte Carlo")
    if arm is None:
        st.metric("Monte Carlo", "no draws", border=True, help=explanation, **PLAIN_DELTA)
        return
    found = arm.estimate
    interval = words.between(found.ci_low, found.ci_high)
    st.metric(
        "Monte Carlo, per million" if found.hits else "Monte Carlo: harmful",
        words.in_million(found.estimate) if found.hits else f"{found.hits} of {found.samples:,}",
        delta=f"95% interval {interval}" if found.hits else f"95% {interval} per million",
        border=True,
        help=explanation,
        **PLAIN_DELTA,
    )


def _samples_saved(arm: ArmEstimate | None, counted: ArmEstimate | None) -> None:
    found = None if arm is None else arm.estimate
    explanation = (
        "Monte Carlo answers for the same standard error, over the answers drawn here, those of every "
        "proposal. An answer here costs more than one of Monte Carlo's, hence also the ratio of computing "
        "times, from what the answers of this run took."
    )
    if found is None or found.verdict == "do not use" or not found.monte_carlo_equivalent > 0:
        st.metric(
            "Samples saved",
            "not known yet",
            delta="once the number can be used",
            border=True,
            help=explanation,
            **PLAIN_DELTA,
        )
        return
    cheaper = saving(found, None if counted is None else counted.estimate)
    st.metric(
        "Samples saved",
        _times(cheaper.draws),
        delta=(
            f"computing time: {_times(cheaper.seconds)}"
            if math.isfinite(cheaper.seconds)
            else f"Monte Carlo: {words.whole(found.monte_carlo_equivalent)}"
        ),
        border=True,
        help=explanation,
        **PLAIN_DELTA,
    )


def _times(ratio: float) -> str:
    """Returns how many times as much Monte Carlo would cost; none where it would cost no more."""
    return (
        f"{float(f'{ratio:.2g}'):,.3g} times"
        if 1 < ratio < 100
        else (f"{float(f'{ratio:.2g}'):,.0f} times" if ratio > 1 else "none")
    )


def _chart(run: RunSpec, arms: Mapping[str, ArmEstimate]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        axis = st.segmented_control(
            "Horizontal axis",
            list(AXES),
            key=AXIS,
            default="samples",
            required=True,
            format_func=str.capitalize,
            label_visibility="collapsed",
        )
        anytime = st.toggle(
            "Anytime band",
            key=ANYTIME,
            help=meaning("anytime-valid band"),
        )
    if not arms:
        st.container(height=440, border=False)
        return
    st.vega_lite_chart(
        convergence(
            {method: arm.path for method, arm in arms.items()},
            axis=axis,
            method=run.request.method,
            reference=resources.reference(run.request.model_dump_json()),
            anytime=anytime,
            ink=ink(),
        ),
        key=CHART,
        width="stretch",
        alt="Running estimates of both methods with their 95% bands, in harmful answers per million",
    )
    st.caption("Ctrl or Cmd + scroll zooms, drag moves, double click shows all again.")
