"""One entry of the catalogue: what it was in words, opened again, exported, deleted."""

import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from core.audit.results import MANIFEST, RESULTS
from core.charts.convergence import arm_names
from core.cli.command_line import EstimateCommand, command_line
from core.errors import TailscopeError
from core.proposals.words import component_names
from core.reports.audit import audit_document
from core.reports.run import run_document
from core.reports.wordings import stored_wordings, wordings_document
from core.runs.catalogue import Entry, audits_folder, delete, keys_of
from core.runs.run import RunSpec
from core.runs.stored import RunFindings, stored_findings
from core.sensitivity.comparison import Comparison, load
from core.spec import UNWEIGHTED
from pages.runs.listing import forget_choice
from pages.shared import query_picker, resources
from pages.shared.audit_words import asked
from pages.shared.audits import (
    audit_tasks,
    current_audit_id,
    is_running,
    known_folder,
    look_at_audit,
)
from pages.shared.comparisons import (
    adopt_comparison,
    comparison_tasks,
    current_comparison,
    is_comparison_running,
    look_at_comparison,
)
from pages.shared.frame import plain, sentence
from pages.shared.reports import MakeDocument, report_buttons
from pages.shared.state import adopt, current_run_id, look_at_run
from pages.shared.words import drawn_with

REFUSED = "runs_entry.refused"


def entry_view(entry: Entry) -> None:
    """Draws an entry, and what can be done with it."""
    refused = st.session_state.pop(REFUSED, None)
    if refused:
        st.error(plain(refused), icon=":material/error:")
    with st.container(border=True):
        st.markdown(f"#### {plain(entry.title)}")
        run, comparison = _run(entry), _comparison(entry)
        if entry.kind == "audit":
            _audit_words(entry)
        elif comparison is not None:
            _comparison_words(entry, comparison)
        elif run is None:
            st.markdown(
                "Another version of Tailscope made this entry: it can only be deleted here."
            )
        else:
            _run_words(run)
        with st.container(horizontal=True):
            audit = known_folder(entry.id if entry.kind == "audit" else None)
            can_open = run or comparison or audit
            if st.button(
                "Open",
                key="runs_entry.open",
                type="primary",
                icon=":material/open_in_new:",
                disabled=not can_open,
            ):
                _open(entry, run, comparison)
            st.download_button(
                "Export (zip)",
                data=lambda: _zip(entry),
                file_name=f"tailscope-{entry.kind}-{entry.id}.zip",
                on_click="ignore",
                key="runs_entry.export",
                icon=":material/folder_zip:",
            )
            if st.button(
                "Delete ...",
                key="runs_entry.delete",
                icon=":material/delete:",
                disabled=_is_running(entry),
                help="What is running cannot be deleted." if _is_running(entry) else None,
            ):
                _confirm(entry)
        make = _report(entry, run, comparison)
        if make is not None:
            report_buttons(
                f"tailscope-{entry.kind}-{entry.id}",
                make,
                "runs_entry.report",
                answers=comparison is None,
            )


def _report(
    entry: Entry, run: RunSpec | None, comparison: Comparison | None
) -> MakeDocument | None:
    """Returns what makes the entry's report; None where there is none to make."""
    folder = known_folder(entry.id if entry.kind == "audit" else None)
    if folder is not None:
        return lambda shown: audit_document(folder, answers_shown=shown)
    if comparison is not None:
        return lambda shown: wordings_document(
            comparison, stored_wordings(comparison, resources.store())
        )
    if run is None:
        return None
    return lambda shown: run_document(_stored(run), answers_shown=shown)


def _stored(run: RunSpec) -> RunFindings:
    request = run.request
    loaded, judge = resources.model_of(request), resources.judge(request)
    return stored_findings(run, loaded, resources.store(), judge)


def _run(entry: Entry) -> RunSpec | None:
    if entry.kind != "run":
        return None
    try:
        return RunSpec(**entry.spec)
    except (ValidationError, TypeError):
        return None


def _comparison(entry: Entry) -> Comparison | None:
    return load(resources.store(), entry.id) if entry.kind == "wordings" else None


def _comparison_words(entry: Entry, comparison: Comparison) -> None:
    spec = comparison.spec
    st.markdown(
        f"Asked of **{plain(spec.models[0].name)}**, {plain(spec.behaviour)}, threshold "
        f"{spec.threshold:g}, seed {spec.seed}.  \n{len(comparison.variants):,} wordings and settings, "
        f"{spec.samples:,} answers to each; {entry.status}."
    )


def _audit_words(entry: Entry) -> None:
    folder = known_folder(entry.id)
    if folder is None:
        st.warning(
            f"Its folder {plain(str(entry.folder))} cannot be read.", icon=":material/folder_off:"
        )
        return
    st.markdown(f"{asked(folder)} {entry.rows:,} answers; {entry.status}.")
    st.caption(f"Folder: {plain(str(folder.path))}")


def _run_words(run: RunSpec) -> None:
    request = run.request
    made = request.generation
    lines = [
        f"Asked of **{plain(request.model)}**, {plain(request.behaviour)}, threshold "
        f"{request.threshold:g}, seed {request.seed}.",
        f"{run.importance_samples:,} answers by {arm_names(request.method)['weighted'].lower()}, "
        f"{run.monte_carlo_samples:,} by Monte Carlo.",
        sentence(drawn_with(made)).removesuffix(".")
        + (
            "." if made.system_prompt is None else f", system prompt “{plain(made.system_prompt)}”."
        ),
    ]
    if request.method not in UNWEIGHTED:
        names = component_names(request.proposals)
        lines.append("Drawn from: " + ", ".join(plain(name) for name in names) + ".")
    st.markdown("  \n".join(lines))
    with st.expander("The same from the command line", icon=":material/terminal:"):
        command = EstimateCommand(run.request, run.importance_samples)
        st.code(command_line(command), language="bash", wrap_lines=True)


def _open(entry: Entry, run: RunSpec | None, comparison: Comparison | None) -> None:
    if comparison is not None:
        adopt_comparison(comparison)
        query_picker.forget()
        look_at_comparison(comparison)
        st.switch_page("pages/paraphrases/page.py")
    elif run is None:
        look_at_audit(entry.id)
        st.switch_page("pages/audit/page.py")
    else:
        adopt(run)
        query_picker.forget()
        resources.keep(run)
        look_at_run(run.run_id)
        st.switch_page("pages/convergence/page.py")


def _is_running(entry: Entry) -> bool:
    if entry.kind == "audit":
        return is_running(entry.id)
    if entry.kind == "wordings":
        return is_comparison_running(entry.id)
    task = resources.run_tasks().get(entry.id)
    return task is not None and task.running


@st.dialog("Delete for good?")
def _confirm(entry: Entry) -> None:
    st.markdown(f"**{plain(entry.title)}**")
    samples = len(keys_of(resources.store(), entry.kind, entry.id))
    st.markdown(
        f"Its answers are deleted too, except those that another run uses ({samples:,} samples). To get "
        "them back, draw them again."
    )
    if entry.folder is not None and Path(entry.folder) != (audits_folder() / entry.id).absolute():
        st.markdown(f"The folder {plain(entry.folder)} stays: it is not the app's own.")
    with st.container(horizontal=True):
        if st.button(
            "Delete it",
            key="runs_entry.really",
            type="primary",
            icon=":material/delete:",
            on_click=_delete,
            args=(entry,),
        ):
            st.rerun()
        if st.button("Keep it", key="runs_entry.keep"):
            st.rerun()


def _delete(entry: Entry) -> None:
    if _is_running(entry):
        return  # begun again in another window meanwhile
    try:
        delete(resources.store(), entry.kind, entry.id)
    except TailscopeError as error:
        st.session_state[REFUSED] = sentence(str(error))
        return
    if entry.kind == "wordings":
        comparison_tasks().forget(entry.id)
        seen = current_comparison()
        if seen is not None and seen.name == entry.id:
            look_at_comparison(None)
    if entry.kind == "audit":
        audit_tasks().forget(entry.id)
    if entry.kind == "run" and current_run_id() == entry.id:
        look_at_run(None)
    if entry.kind == "audit" and current_audit_id() == entry.id:
        look_at_audit(None)
    forget_choice()


def _zip(entry: Entry) -> bytes:
    """Returns the entry's files: its spec, and of an audit results and manifest. Plain formats only."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        said = entry.model_dump(mode="json", exclude={"folder"})
        file.writestr("entry.json", json.dumps(said, indent=1, ensure_ascii=False))
        folder = known_folder(entry.id if entry.kind == "audit" else None)
        if folder is not None:
            for name in (RESULTS, MANIFEST):
                if (folder.path / name).exists():
                    file.write(folder.path / name, name)
            if (folder.path / RESULTS).exists():
                table = pd.read_parquet(folder.path / RESULTS)
                file.writestr("results.csv", table.to_csv(index=False))
    return content.getvalue()
