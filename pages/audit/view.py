"""An audit as it goes on and as it ends: what it says, how far it is, curves, and the table."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.audit.curves import Curve, repeated_sampling
from core.audit.folder import AuditFolder
from core.audit.results import RESULTS, in_table_order, read_results
from core.audit.results import table as results_table
from core.audit.rows import AuditRow
from core.audit.table import answers_a_query, seconds_left
from core.audit.task import WorkSnapshot
from core.errors import TailscopeError
from core.judges import served_judge
from core.judges.base import PaidJudge
from core.judges.cost import total_cost
from core.tasks import FINISHED
from pages.audit.curves import curves_view, histogram_view
from pages.audit.details import details
from pages.audit.query import query_view
from pages.audit.table import table_view
from pages.shared import words
from pages.shared.audit_words import headline, subtitle
from pages.shared.audits import begin, look_at_audit, works
from pages.shared.consent import AT_MOST
from pages.shared.frame import plain, sentence

POLL_SECONDS = 1.0
# While rows still come in, a band's ends may move by a line's width.
LIVE_DRAWS, FINAL_DRAWS = 300, 2_000
BUTTON_WIDTH = 140


def audit_view(folder: AuditFolder) -> None:
    """Draws an audit, and draws it anew until it ends. Raises: TailscopeError."""
    st.markdown(subtitle(folder))
    snapshot = _snapshot(folder)
    polling = snapshot is not None and snapshot.status not in FINISHED
    live = st.fragment(_live, run_every=POLL_SECONDS if polling else None)
    live(folder, polling)
    table = _results(folder, snapshot)
    if table is None:
        return
    query_view(folder, table)
    if not polling:
        details(folder, table)


def _snapshot(folder: AuditFolder) -> WorkSnapshot | None:
    work = works().get(folder.audit_id)
    return None if work is None else work.snapshot()


def _live(folder: AuditFolder, polling: bool) -> None:
    snapshot = _snapshot(folder)
    going = snapshot is not None and snapshot.status not in FINISHED
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
    table_view(folder, table, live=going)


def _results(folder: AuditFolder, snapshot: WorkSnapshot | None) -> pd.DataFrame | None:
    """Returns the table as far as it is known: from the work, or from the folder if that holds more."""
    kept = _kept(folder)
    if snapshot is None or not snapshot.rows:
        return kept
    if kept is not None and len(kept) > len(snapshot.rows):
        return kept
    return _worked(folder.audit_id, len(snapshot.rows), snapshot.status, snapshot, folder)


@st.cache_resource(show_spinner=False, max_entries=4)
def _worked(
    audit_id: str, count: int, status: str, _snapshot: WorkSnapshot, _folder: AuditFolder
) -> pd.DataFrame:
    rows: Sequence[AuditRow] = _snapshot.rows
    if status in FINISHED and _folder.queries is not None:
        # In the order of arrival until then: a row that is selected must stay where it is.
        rows = in_table_order(rows, _folder.spec, _folder.queries)
    found: pd.DataFrame = results_table(rows).to_pandas()
    return found


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
    found: list[Curve] = _curves_of(stamp, table, [one.name for one in folder.spec.models], live)
    return found


@st.cache_resource(show_spinner=False, max_entries=8)
def _curves_of(stamp: str, _table: pd.DataFrame, names: list[str], live: bool) -> list[Curve]:
    draws = LIVE_DRAWS if live else FINAL_DRAWS
    return [
        repeated_sampling(part, draws=draws)
        for name in names
        if (part := _table[_table["model"] == name])["estimate"].notna().any()
    ]


def _controls(
    folder: AuditFolder, snapshot: WorkSnapshot | None, table: pd.DataFrame | None
) -> None:
    work = works().get(folder.audit_id)
    done = 0 if table is None else len(table)
    if snapshot is not None and snapshot.status == "failed":
        st.error(plain(sentence(snapshot.message)), icon=":material/error:")
    going = snapshot is not None and snapshot.status not in FINISHED
    if snapshot is not None and going:
        done = max(done, snapshot.finished)
    whole = done >= folder.total
    if not going and not whole:
        _cost(folder, folder.total - done)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if not whole:
            share = min(done / folder.total, 1.0)
            st.progress(share, text=_progress_words(folder, snapshot, done), width=430)
        if work is not None and snapshot is not None and going:
            running = snapshot.status == "running"
            # One button under one key: two that took turns would stand there together for a moment.
            st.button(
                "Pause" if running else "Resume",
                key="audit_view.pause",
                icon=":material/pause:" if running else ":material/play_arrow:",
                type="secondary" if running else "primary",
                width=BUTTON_WIDTH,
                on_click=work.pause if running else work.resume,
            )
            st.button(
                "Cancel",
                key="audit_view.cancel",
                icon=":material/stop:",
                width=BUTTON_WIDTH,
                on_click=work.cancel,
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


def _progress_words(folder: AuditFolder, snapshot: WorkSnapshot | None, done: int) -> str:
    count = f"{done:,} of {folder.total:,} rows done"
    if snapshot is None or snapshot.status in FINISHED:
        return f"{count} · stopped"
    drawn = f"{snapshot.drawn:,} answers drawn"
    if snapshot.stored:
        drawn += f", {snapshot.stored:,} found"
    if snapshot.status == "paused":
        return f"{count} · {drawn} · paused"
    answers = snapshot.drawn + snapshot.stored
    left = seconds_left(
        folder.spec, snapshot.rows, folder.total, answers, snapshot.seconds_per_answer
    )
    if left is None:
        return f"{count} · {plain(snapshot.message) or 'reading the store'}"
    most = "at most " if folder.spec.precision is not None else ""
    return f"{count} · {drawn} · {most}{words.duration(left)} left"


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
