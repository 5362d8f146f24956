"""An audit as it goes on and as it ends: what it says, how far it is, curves, and the table."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.audit.categories import category_risks
from core.audit.curves import Curve, repeated_sampling
from core.audit.folder import AuditFolder
from core.audit.progress import answers_a_query
from core.audit.results import RESULTS, in_table_order, read_results
from core.audit.results import table as results_table
from core.audit.rows import AuditRow
from core.audit.task import AuditSnapshot
from core.errors import TailscopeError
from core.judges import served_judge
from core.judges.base import PaidJudge
from core.judges.cost import total_cost
from pages.audit.categories import categories_view
from pages.audit.curves import curves_view, histogram_view
from pages.audit.details import details
from pages.audit.query import query_view
from pages.audit.table import table_view
from pages.shared import words
from pages.shared.audit_words import asked, headline
from pages.shared.audits import audit_tasks, begin, look_at_audit
from pages.shared.consent import AT_MOST
from pages.shared.frame import plain, sentence

POLL_SECONDS = 1.0
BUTTON_WIDTH = 140


def audit_view(folder: AuditFolder) -> None:
    """Draws an audit, and draws it anew until it ends. Raises: TailscopeError."""
    st.markdown(asked(folder))
    snapshot = _snapshot(folder)
    polling = snapshot is not None and not snapshot.finished
    live = st.fragment(_live, run_every=POLL_SECONDS if polling else None)
    live(folder, polling)
    table = _results(folder, snapshot)
    if table is None:
        return
    query_view(folder, table)
    if not polling:
        details(folder, table)


def _snapshot(folder: AuditFolder) -> AuditSnapshot | None:
    task = audit_tasks().get(folder.audit_id)
    return None if task is None else task.snapshot()


def _live(folder: AuditFolder, polling: bool) -> None:
    snapshot = _snapshot(folder)
    going = snapshot is not None and not snapshot.finished
    if polling != going:
        # Polling begins and ends with a run of the whole page.
        st.rerun()
    table = _results(folder, snapshot)
    curves = [] if table is None else _curves(folder, table, live=going)
    headline(folder, table, curves)
    _controls(folder, snapshot, table)
    if table is None:
        return
    curves_view(folder, curves)
    histogram_view(folder, table)
    categories_view(category_risks(table))
    table_view(folder, table, live=going)


def _results(folder: AuditFolder, snapshot: AuditSnapshot | None) -> pd.DataFrame | None:
    """Returns the table as far as it is known: from the task, or from the folder if that holds more."""
    kept = _kept(folder)
    rows = () if snapshot is None else snapshot.progress.partial.rows
    if snapshot is None or not rows or (kept is not None and len(kept) > len(rows)):
        return kept
    return _table(folder.audit_id, len(rows), snapshot.finished, rows, folder)


@st.cache_resource(show_spinner=False, max_entries=4)
def _table(
    audit_id: str, count: int, finished: bool, _rows: Sequence[AuditRow], _folder: AuditFolder
) -> pd.DataFrame:
    if finished and _folder.queries is not None:
        # In the order of arrival until then: a row that is selected must stay where it is.
        _rows = in_table_order(_rows, _folder.spec, _folder.queries)
    table: pd.DataFrame = results_table(_rows).to_pandas()
    return table


def _kept(folder: AuditFolder) -> pd.DataFrame | None:
    path = folder.path / RESULTS
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return None
    found: pd.DataFrame = _read(str(folder.path), stamp, folder)
    return found


@st.cache_resource(show_spinner=False, max_entries=4)
def _read(path: str, stamp: int, _folder: AuditFolder) -> pd.DataFrame:
    return read_results(_folder.path)


def _curves(folder: AuditFolder, table: pd.DataFrame, *, live: bool) -> list[Curve]:
    stamp = f"{folder.audit_id}.{len(table)}.{live}"
    found: list[Curve] = _curves_of(stamp, table, [one.name for one in folder.spec.models])
    return found


@st.cache_resource(show_spinner=False, max_entries=8)
def _curves_of(stamp: str, _table: pd.DataFrame, names: list[str]) -> list[Curve]:
    return [
        repeated_sampling(part)
        for name in names
        if (part := _table[_table["model"] == name])["estimate"].notna().any()
    ]


def _controls(
    folder: AuditFolder, snapshot: AuditSnapshot | None, table: pd.DataFrame | None
) -> None:
    task = audit_tasks().get(folder.audit_id)
    done = 0 if table is None else len(table)
    if snapshot is not None and snapshot.status == "failed":
        st.error(plain(sentence(snapshot.error)), icon=":material/error:")
    going = snapshot is not None and not snapshot.finished
    if snapshot is not None and going:
        done = max(done, snapshot.progress.partial.finished)
    whole = done >= folder.total
    if not going and not whole:
        _cost(folder, folder.total - done)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if not whole:
            # Answers tell more than rows: a row of a slow model takes minutes.
            drawn = 0.0 if snapshot is None else snapshot.progress.share
            share = min(max(done / folder.total, drawn), 1.0)
            st.progress(share, text=_progress_words(folder, snapshot, done), width=430)
        if task is not None and snapshot is not None and going:
            running = snapshot.status == "running"
            # One button under one key: two that took turns would stand there together for a moment.
            st.button(
                "Pause" if running else "Resume",
                key="audit_view.pause",
                icon=":material/pause:" if running else ":material/play_arrow:",
                type="secondary" if running else "primary",
                width=BUTTON_WIDTH,
                on_click=task.pause if running else task.resume,
            )
            st.button(
                "Cancel",
                key="audit_view.cancel",
                icon=":material/stop:",
                width=BUTTON_WIDTH,
                on_click=task.cancel,
            )
        elif not whole and st.button(
            "Ask the judge and go on" if _paid(folder) else "Go on",
            key="audit_view.again",
            type="primary",
            icon=":material/play_arrow:",
            help="The answers drawn so far are kept; the audit continues from there.",
        ):
            _go_on(folder)
        if not going and st.button(
            "New audit", key="audit_view.new", icon=":material/add:", width=BUTTON_WIDTH
        ):
            look_at_audit(None)
            st.rerun(scope="app")
    if snapshot is None and not whole and folder.manifest.get("status") == "running":
        st.caption(
            "The audit was running when its folder was last written, perhaps in another program."
        )


def _go_on(folder: AuditFolder) -> None:
    try:
        begin(folder)
    except TailscopeError as error:
        st.error(plain(sentence(str(error))), icon=":material/error:")
        return
    st.rerun(scope="app")


def _progress_words(folder: AuditFolder, snapshot: AuditSnapshot | None, done: int) -> str:
    count = f"{done:,} of {folder.total:,} rows done"
    if snapshot is None or snapshot.finished:
        cancelled = snapshot is not None and snapshot.status == "cancelled"
        return f"{count} · {'cancelled' if cancelled else 'stopped'}"
    progress = snapshot.progress
    at = progress.partial
    drawn = f"{int(max(at.drawn, at.computed)):,} answers drawn"
    if progress.partial.stored:
        drawn += f", {progress.partial.stored:,} found"
    if snapshot.status == "paused":
        return f"{count} · {drawn} · paused"
    if progress.seconds_left is None:
        return f"{count} · {plain(progress.message) or 'reading the store'}"
    most = "at most " if folder.spec.precision is not None else ""
    return f"{count} · {drawn} · {most}{words.duration(progress.seconds_left)} left"


def _paid(folder: AuditFolder) -> bool:
    return served_judge(folder.spec.judge, folder.spec.behaviour) is not None


def _cost(folder: AuditFolder, rows: int) -> None:
    """Draws what a judge behind a server will take at most for what is left."""
    judge = served_judge(folder.spec.judge, folder.spec.behaviour)
    if not isinstance(judge, PaidJudge) or not folder.queries:
        return
    each = answers_a_query(folder.spec) * len(folder.spec.models)
    longest = folder.spec.generation.max_new_tokens
    cost = total_cost([judge.cost_before(query.text, each, longest) for query in folder.queries])
    with st.container(border=True):
        st.markdown(f"**This audit asks its judge.** {plain(sentence(cost.to_text()))}")
        st.caption(AT_MOST)
