"""Whose estimates the Tails page forecasts from: an audit's, running or not, a file's, or the example's."""

from collections import Counter
from collections.abc import Callable

import pandas as pd
import streamlit as st

from core.audit.folder import AuditFolder
from core.audit.results import RESULTS, read_manifest, read_results
from core.audit.results import table as results_table
from core.audit.task import AuditTask
from core.audit.words import short_name
from core.errors import SpecError, TailscopeError
from core.models.embedded import embedded_models
from core.runs.catalogue import Entry, audits_folder, entries
from core.settings.operator import as_path
from core.tails.reading import shipped_table
from core.tails.sample import FEWEST
from pages.shared import resources
from pages.shared.audits import (
    OPENED,
    audit_tasks,
    current_audit_id,
    known_folder,
)
from pages.shared.frame import plain
from pages.shared.words import to_the_minute
from pages.tails.file import ERROR, file_source
from pages.tails.source_choice import (
    AN_EXAMPLE,
    AUDIT,
    EXAMPLE,
    FILE,
    LIVE,
    LIVE_LINK,
    SOURCE,
    EstimateSource,
    csv_of,
    model_choice,
    model_link,
    model_option,
)
from pages.tails.state import keep, kept, remembered

SOURCES = (AUDIT, FILE, LIVE, EXAMPLE)
EXAMPLE_FILE = "tailscope-example-{}.csv"


def tails_source() -> EstimateSource | None:
    """Draws the choice of estimates; returns it, None where there are none yet. Raises: TailscopeError."""
    audits, gone = _audits()
    chosen: str = st.segmented_control(
        "Estimates from",
        SOURCES,
        required=True,
        **remembered("source", _first(audits)),
        help="A forecast needs the estimated risks of 20 queries or more.",
    )
    if chosen == AUDIT:
        return _an_audit(audits, gone)
    if chosen == FILE:
        opened = file_source()
        if opened is None and not audits and not st.session_state.get(ERROR):
            _nothing()
        return opened
    return _live() if chosen == LIVE else _the_example()


def _first(audits: list[Entry]) -> str:
    """Returns the source that is chosen before the user chooses."""
    current = current_audit_id()
    task = audit_tasks().get(current) if current else None
    if task is not None and task.running:
        return LIVE
    if current is not None or any(_rows(entry) >= FEWEST for entry in audits):
        return AUDIT
    return FILE


def _audits() -> tuple[list[Entry], list[Entry]]:
    """Returns the catalogue's audits that have results, the newest first, and those whose folder is gone."""
    known = [entry for entry in entries(resources.store()) if entry.kind == "audit"]
    there, gone = [], []
    for entry in known:
        places = [
            st.session_state.get(OPENED, {}).get(entry.id),
            audits_folder() / entry.id,
            as_path(entry.folder) if entry.folder else None,
        ]
        if any(path is not None and (path / RESULTS).is_file() for path in places):
            there.append(entry)
        elif not any(path is not None and path.is_dir() for path in places):
            gone.append(entry)
    return there, gone


def _rows(entry: Entry) -> int:
    """Returns how many rows a model has in an audit's results; 0 if that is not known."""
    for folder in (audits_folder() / entry.id, as_path(entry.folder) if entry.folder else None):
        try:
            found = None if folder is None else read_manifest(folder)
        except TailscopeError:
            continue
        if found is not None and found.get("audit") == entry.id:
            return int(found.get("rows", 0)) // max(len(found["spec"].get("models", ())), 1)
    return 0


def _an_audit(audits: list[Entry], gone: list[Entry]) -> EstimateSource | None:
    if gone:
        names = "; ".join(plain(f"{one.title}, {one.saved[:10]}") for one in gone[:3])
        more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
        st.caption(f":material/folder_off: The folder of an audit was removed: {names}{more}.")
    current = current_audit_id()
    titles = {one.id: _title(one) for one in audits}
    if current is not None and current not in titles:
        if known_folder(current) is None:
            st.warning(
                "The audit this session looks at is not kept here any more; choose another.",
                icon=":material/link_off:",
            )
        else:
            st.info(
                "The audit this session looks at has no results yet; “Live” shows them as they come.",
                icon=":material/hourglass_empty:",
            )
    if not titles:
        _nothing()
        return None
    usual = current if current in titles else next(iter(titles))
    # Another audit looked at since is what is meant now.
    name = f"audit.{current}"
    if kept(name, usual) not in titles:
        keep(name, usual)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        chosen = st.selectbox(
            "Audit", list(titles), format_func=titles.__getitem__, **remembered(name, usual)
        )
    folder = known_folder(chosen)
    if folder is None:
        raise SpecError("the folder of this audit cannot be read; choose another audit")
    with right:
        models = [one.name for one in folder.spec.models]
        model = model_choice(models, chosen)
    path = folder.path
    return EstimateSource(
        kind=AUDIT,
        identity=f"audit {chosen} {model}",
        name=titles[chosen],
        model=model,
        table=lambda: read_results(path),
        stamp=lambda: str((path / RESULTS).stat().st_mtime_ns),
        options=(f"audit={path}", *model_option(model)),
        # The session's own is in the address already.
        link={**({} if chosen == current else {SOURCE: chosen}), **model_link(model, models)},
    )


def _title(entry: Entry) -> str:
    return f"{entry.title} · {to_the_minute(entry.saved)} · {entry.status}"


def _nothing() -> None:
    with st.container(border=True):
        st.markdown(
            "**There are no estimates yet.** A forecast of the worst query needs the estimated risks of 20 "
            "queries or more: audit some, or take a file of estimates. To see what comes of it, take the "
            "example."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link("pages/audit/page.py", label="Audit queries", icon=":material/checklist:")
            st.button(
                "Show the example",
                key="tails.show_example",
                icon=":material/science:",
                on_click=lambda: keep("source", EXAMPLE),
            )


def _live() -> EstimateSource | None:
    audit_id = _running_audit()
    task = audit_tasks().get(audit_id) if audit_id else None
    folder = known_folder(audit_id)
    if task is None or folder is None:
        st.info(
            "No audit is running in this app. Start one, and watch its forecast here as rows come in.",
            icon=":material/hourglass_empty:",
        )
        st.page_link("pages/audit/page.py", label="Audit queries", icon=":material/checklist:")
        return None
    names = [one.name for one in folder.spec.models]
    done = Counter(row.model for row in task.snapshot().progress.partial.rows)
    # Of the others there may be nothing to see for long.
    model = model_choice(sorted(names, key=lambda name: -done[name]), folder.audit_id)

    def rows() -> pd.DataFrame:
        found: pd.DataFrame = results_table(task.snapshot().progress.partial.rows).to_pandas()
        if model not in set(found["model"]):
            raise SpecError(f"no row of {short_name(str(model))} is done yet; wait for the first")
        return found

    return EstimateSource(
        kind=LIVE,
        identity=f"live {folder.audit_id} {model}",
        name=_live_name(folder),
        model=model,
        table=rows,
        stamp=lambda: str(len(task.snapshot().progress.partial.rows)),
        options=(f"audit={folder.path}", *model_option(model)),
        note="It reads the audit's folder, which is brought up to date every 20 seconds.",
        link={SOURCE: LIVE_LINK},
        progress=lambda: _status_words(task),
        running=lambda: not task.snapshot().finished,
        waiting=lambda: _waiting(task, model),
    )


def _waiting(task: AuditTask, model: str | None) -> str:
    now = task.snapshot()
    rows = now.progress.partial.rows
    count = sum(row.model == model and row.estimate is not None for row in rows)
    if now.finished or count >= FEWEST:
        return ""
    return f"Waiting for {FEWEST} estimates: {count} so far."


def _running_audit() -> str | None:
    """Returns the id of the session's audit if this process has a task of it, else of one that runs."""
    current = current_audit_id()
    if current is not None and audit_tasks().get(current) is not None:
        return current
    return next(iter(audit_tasks().running()), None)


def _live_name(folder: AuditFolder) -> str:
    return f"{folder.total // len(folder.spec.models):,} {folder.spec.behaviour} queries"


def _status_words(task: AuditTask) -> str:
    now = task.snapshot()
    at = now.progress.partial
    count = f"{len(at.rows):,} of {at.total:,} rows"
    if now.status == "paused":
        return f":material/pause: The audit is paused, and not finished: {count} so far."
    if not now.finished:
        return (
            f":material/progress_activity: The audit is running, and not finished: {count} so far."
        )
    if len(at.rows) < at.total:
        return f":material/stop: The audit has stopped before its end: {count}."
    return f":material/check: The audit has finished: all {at.total:,} rows."


def _the_example() -> EstimateSource:
    # The riskiest of the first is so risky already that nothing is left to forecast.
    names = list(reversed(embedded_models()))
    with st.container(width=260):
        model = model_choice(names, "example") or names[0]
    st.caption(
        f"The risks of {plain(model)}, one of the two small models that come with Tailscope, for its 320 "
        "misuse queries: known from millions of answers each, with hardly any noise."
    )
    name = EXAMPLE_FILE.format(model)
    return EstimateSource(
        kind=EXAMPLE,
        identity=f"example {model}",
        name=f"The example: {model}",
        model=None,
        table=lambda: shipped_table(model),
        stamp=str,
        options=(f"input={name}",),
        note=f"It reads the file {name}: download it first.",
        link={SOURCE: f"{AN_EXAMPLE}{model}"},
    )


def example_csv(opened: EstimateSource) -> tuple[str, Callable[[], bytes]] | None:
    """Returns name and content of the example's file, None for another source."""
    if opened.kind != EXAMPLE:
        return None
    file_name = opened.options[0].removeprefix("input=")
    return file_name, lambda: csv_of(opened.table())
