"""A report by what names it: a run's id, the id of a comparison of wordings, or an audit's folder."""

from collections.abc import Callable
from pathlib import Path

from core.audit.folder import open_folder
from core.errors import SpecError, TailscopeError
from core.models.checked import load_checked
from core.reports.audit import audit_document
from core.reports.document import Document
from core.reports.pictures import png, svg
from core.reports.run import run_document
from core.reports.wordings import stored_wordings, wordings_document
from core.runs.catalogue import audits_folder, find
from core.runs.run import is_run_id, load_run
from core.runs.stored import stored_findings
from core.sampling.shards import SHARD_ROWS, AnyStore
from core.sensitivity.comparison import load
from core.settings.atomic import replacing


def document_of(
    target: str,
    store: AnyStore,
    *,
    answers_shown: bool = False,
    notify: Callable[[str], object] = lambda note: None,
) -> Document:
    """Returns the report on a target. Nothing is drawn and no judge is asked; a run's model is loaded.

    Parameters
    ----------
    target
        The folder of an audit, or the id of a run, of wordings or of an audit, 16 hex digits.
    store
        Where runs and their answers are kept.
    answers_shown
        Whether answers stand in the report, or only their lengths.
    notify
        Called with each warning on the model.

    Raises
    ------
    TailscopeError
        There is no such target, or it has no result.
    """
    if Path(target).is_dir():
        return audit_document(open_folder(Path(target)), answers_shown=answers_shown)
    if is_run_id(target):
        run = load_run(store, target)
        if run is not None:
            request = run.request
            longest = request.generation.max_new_tokens
            loaded, _ = load_checked(request.model, request.loading, SHARD_ROWS, longest, notify)
            return run_document(stored_findings(run, loaded, store), answers_shown=answers_shown)
        plan = load(store, target)
        if plan is not None:
            return wordings_document(plan, stored_wordings(plan, store))
        entry = find(store, "audit", target)
        folder = audits_folder() / target if entry is None else Path(entry.folder or "")
        if folder.is_dir():
            return audit_document(open_folder(folder), answers_shown=answers_shown)
    raise SpecError(
        "report takes the folder of an audit, or the id of a run, of wordings or of an audit in the store "
        f"(16 hex digits, in the app's links), got {target!r}"
    )


def write_pictures(report: Document, folder: Path) -> list[Path]:
    """Writes each of a report's pictures as SVG and as PNG; returns the files.

    Raises:
        TailscopeError: the folder cannot be written.
    """
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for picture in report.pictures():
            made = {"svg": svg(picture.chart).encode("utf-8"), "png": png(picture.chart)}
            for kind, content in made.items():
                path = folder / f"{picture.name}.{kind}"
                with replacing(path) as temporary:
                    temporary.write_bytes(content)
                files.append(path)
    except OSError as error:
        raise TailscopeError(
            f"pictures could not be written to {str(folder)!r}: {error.strerror or error}"
        ) from error
    return files
