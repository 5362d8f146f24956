"""An audit in the background. Its thread writes to its own record, and to the audit's folder."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.audit.driver import Audit
from core.audit.folder import AuditFolder
from core.audit.leases import Leases
from core.audit.progress import AuditStep
from core.audit.results import in_table_order, manifest, write_manifest, write_results
from core.audit.rows import AuditRow
from core.errors import SpecError
from core.executors.base import Executor
from core.runs.catalogue import audit_entry, remember
from core.sampling.shards import SHARD_ROWS, AnyStore
from core.tasks import Pace, Progress, Snapshot, Steps, Task, timed

# The folder is brought up to date so often, so that others can read how far it has come.
WRITTEN_EVERY = 20.0  # seconds

# Partial result: all rows so far, in the order in which they finished. The result is the same.
AuditTask = Task[AuditStep, AuditStep]
AuditSnapshot = Snapshot[AuditStep, AuditStep]


def audit_task(folder: AuditFolder, executor: Callable[[], Executor], store: AnyStore) -> AuditTask:
    """Returns an audit's task, not yet started. executor: makes what draws; it is closed at the end.

    Raises:
        SpecError: the audit's queries are not kept in its folder.
    """
    if folder.queries is None:
        raise SpecError(
            "this audit's queries are not kept here; go on with it from the command line, with its "
            "query file"
        )
    record = _Record(folder, store)
    first = AuditStep((), 0, folder.total, 0, 0)
    return Task(
        _steps(record, executor, store),
        what="the audit",
        first=Progress(message="starting", partial=first),
        on_pause=lambda: record.write("stopped"),
    )


def _steps(
    record: "_Record", make_executor: Callable[[], Executor], store: AnyStore
) -> Steps[AuditStep, AuditStep]:
    folder = record.folder
    executor = make_executor()
    try:
        with Leases(store) as leases:
            audit = Audit(folder.spec, folder.queries or (), executor, store, leases)
            record.audit = audit
            try:
                for progress in timed(audit.run(folder.noted()), record.pace):
                    yield record.add(progress)
            finally:
                record.write("finished" if record.whole else "stopped")
    finally:
        executor.close()
    return record.step


@dataclass
class _Record:
    """What an audit has found, and its folder and entry in the catalogue, which are kept up to date."""

    folder: AuditFolder
    store: AnyStore
    audit: Audit | None = None

    def __post_init__(self) -> None:
        # The first answer, the likeliest alone, takes as long as the workers take to begin.
        self.pace = Pace(least=SHARD_ROWS)
        self.step = AuditStep((), 0, self.folder.total, 0, 0)
        self._rows: list[AuditRow] = []
        self._written = time.monotonic()

    @property
    def whole(self) -> bool:
        """Whether every row is finished."""
        return len(self._rows) == self.folder.total

    def add(self, progress: Progress[AuditStep]) -> Progress[AuditStep]:
        """Returns the progress with all rows so far, and writes the folder when it is time to."""
        self._rows += progress.partial.rows
        self.step = replace(progress.partial, rows=tuple(self._rows))
        if time.monotonic() - self._written > WRITTEN_EVERY:
            self.write("running")
        return progress.with_partial(self.step)

    def write(self, status: str) -> None:
        """Brings folder and catalogue up to date."""
        audit = self.audit
        if audit is None:
            return
        spec, queries, path = self.folder.spec, audit.queries, self.folder.path
        rows = in_table_order(self._rows, spec, queries)
        more = {"queries_file": self.folder.manifest.get("queries_file"), "executor": "local"}
        earlier = self.folder.noted()
        content = manifest(
            spec, queries, audit.prepared, earlier, status=status, rows=len(rows), **more
        )
        write_manifest(path, content)
        if rows:
            write_results(path, rows)
        entry = audit_entry(
            spec,
            queries,
            path,
            rows=self.step.drawn + self.step.stored,
            status=status,
            seconds_per_answer=self.pace.seconds_per_unit,
        )
        remember(self.store, entry, audit.sampling_keys)
        self._written = time.monotonic()
