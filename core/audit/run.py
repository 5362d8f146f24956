"""An audit from its spec to its folder and its report: what the command line and the Python API share."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cache import open_store
from core.audit.driver import Audit
from core.audit.leases import Leases
from core.audit.report import AuditReport
from core.audit.results import (
    check_resumes,
    in_table_order,
    manifest,
    read_manifest,
    write_manifest,
    write_results,
)
from core.audit.rows import AuditRow
from core.audit.spec import AuditSpec
from core.errors import SpecError, TailscopeError
from core.executors.base import Executor
from core.judges import served_judge
from core.judges.budget import check_cost
from core.queries.query import Query
from core.runs.catalogue import audit_entry, remember
from core.sampling.shards import SHARD_ROWS, AnyStore
from core.tasks import Pace, Steps, timed

NOTHING: Mapping[str, Any] = MappingProxyType({})


def run_audit(
    spec: AuditSpec,
    queries: Sequence[Query],
    out: Path,
    store: AnyStore,
    executor: Callable[[], Executor],
    *,
    resume: bool = False,
    max_cost: float | None = None,
    about: Mapping[str, Any] = NOTHING,
    notify: Callable[[str], object] = lambda note: None,
) -> Steps[None, AuditReport]:
    """Yields its progress and returns the report; the folder `out` holds the table and the manifest.

    Parameters
    ----------
    executor: makes what draws the answers; it is closed at the end.
    resume: whether `out` may hold this audit already.
    max_cost: of a judge behind a server, in the currency of its file; None for any.
    about: further entries of the manifest.
    notify: called with what judging may cost.

    Raises
    ------
    TailscopeError: bad input, in one sentence; or the audit had to stop, and can be resumed.
    """
    began = time.perf_counter()
    for query in queries:
        spec.request(spec.models[0], *query.asked)
    earlier = _earlier(spec, queries, out, resume)
    _check_cost(spec, queries, max_cost, notify)
    drawn = stored = 0
    written = ""
    workers = executor()
    try:
        with Leases(store) as leases:
            audit = Audit(spec, queries, workers, store, leases)
            folder = _Folder(audit, out, earlier, about)
            try:
                for progress in timed(audit.run(earlier), Pace(least=SHARD_ROWS)):
                    step = progress.partial
                    folder.add(step.rows)
                    drawn, stored = step.drawn, step.stored
                    # A message that says how far something is, is another every time.
                    stage = progress.message.partition(":")[0]
                    if stage not in ("", written):
                        folder.write("running")
                    written = stage
                    count = f"{step.finished:,} of {step.total:,} queries"
                    yield replace(progress.with_partial(None), message=progress.message or count)
            except BaseException:
                # Also on an interrupt: what was found so far can be read, and the rest resumed.
                folder.keep_what_there_is()
                raise
            finally:
                if done := len(folder.rows()):
                    whole = done == len(queries) * len(spec.models)
                    status = "finished" if whole else "stopped"
                    entry = audit_entry(spec, queries, out, rows=drawn + stored, status=status)
                    remember(store, entry, audit.sampling_keys)
            folder.write("finished")
    finally:
        workers.close()
    return AuditReport(
        out=out,
        rows=folder.rows(),
        spec=spec,
        drawn=drawn,
        stored=stored,
        seconds=time.perf_counter() - began,
        notes=folder.notes(),
    )


def open_disk_store(path: Path) -> AnyStore:
    """Returns the store at a path. Raises: TailscopeError if there is none but in memory."""
    store = open_store(path)
    if store.path is None:
        why = " ".join(event.message for event in store.drain_events())
        raise TailscopeError(f"an audit needs a store on disk, or it could not be resumed. {why}")
    return store


def _earlier(
    spec: AuditSpec, queries: Sequence[Query], out: Path, resume: bool
) -> dict[str, dict[str, Any]]:
    """Returns by model name what an earlier run of this audit has noted.

    Raises:
        SpecError: the folder holds an audit that is not to be resumed, or no folder can be made there.
    """
    if out.exists() and not out.is_dir():
        raise SpecError(f"out must be a folder, got the file {str(out)!r}")
    earlier = read_manifest(out)
    if earlier is None:
        return {}
    if not resume:
        raise SpecError(
            f"{str(out)!r} holds an audit already; add --resume to go on with it, or give another folder"
        )
    return check_resumes(earlier, spec, queries, out)


def _check_cost(
    spec: AuditSpec,
    queries: Sequence[Query],
    max_cost: float | None,
    notify: Callable[[str], object],
) -> None:
    """Raises SpecError if judging may cost too much."""
    served = served_judge(spec.judge, spec.behaviour)
    if served is None:
        return
    each = (spec.samples + spec.monte_carlo_samples + 1) * len(spec.models)
    texts = [query.text for query in queries]
    check_cost(served, texts, each, spec.generation.max_new_tokens, max_cost, notify)


class _Folder:
    """What an audit's folder is to hold. earlier: what a run before this one noted of the models."""

    def __init__(
        self, audit: Audit, out: Path, earlier: Mapping[str, Any], about: Mapping[str, Any]
    ) -> None:
        self._audit, self._out, self._earlier, self._about = audit, out, earlier, about
        self._rows: dict[tuple[str, str], AuditRow] = {}

    def add(self, rows: Sequence[AuditRow]) -> None:
        """Adds rows that are finished."""
        self._rows |= {(row.model, row.query.query_id): row for row in rows}

    def rows(self) -> list[AuditRow]:
        """Returns the finished rows in the table's order."""
        return in_table_order(list(self._rows.values()), self._audit.spec, self._audit.queries)

    def notes(self) -> tuple[str, ...]:
        """Returns what a reader must know about how each model is asked, now or in an earlier run."""
        told = {name: found.get("told", ()) for name, found in self._earlier.items()}
        told |= {name: one.told for name, one in self._audit.prepared.items()}
        return tuple(f"{name}: {one}" for name, every in told.items() for one in every)

    def write(self, status: str) -> None:
        """Writes the manifest, and unless the audit still runs its results. Raises: TailscopeError."""
        audit, rows = self._audit, self.rows()
        content = manifest(
            audit.spec,
            audit.queries,
            audit.prepared,
            self._earlier,
            status=status,
            rows=len(rows),
            **self._about,
        )
        if status != "running" and rows:
            write_results(self._out, rows)
        write_manifest(self._out, content)

    def keep_what_there_is(self) -> None:
        """Writes what there is after something went wrong, if it can be written."""
        with suppress(TailscopeError):
            if read_manifest(self._out) is not None:
                self.write("stopped")
