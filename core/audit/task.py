"""An audit in the background. Its thread writes to its own record, and to the audit's folder."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from core.audit.driver import Audit, Progress
from core.audit.folder import AuditFolder
from core.audit.leases import Leases
from core.audit.results import in_table_order, manifest, write_manifest, write_results
from core.audit.rows import AuditRow
from core.errors import SpecError
from core.executors.base import Executor
from core.runs.catalogue import audit_entry, remember
from core.sampling.shards import SHARD_ROWS, AnyStore
from core.tasks import Work, WorkStatus

# The folder is brought up to date so often, so that others can read how far it has come.
WRITTEN_EVERY = 20.0  # seconds


@dataclass(frozen=True)
class WorkSnapshot:
    """An audit at one moment. rows: finished, in any order. seconds: of work, pauses left out.

    version grows with every change, so that a watcher may skip what it has seen.
    """

    status: WorkStatus
    message: str
    rows: tuple[AuditRow, ...]
    finished: int
    total: int
    drawn: int
    stored: int
    seconds: float
    version: int

    @property
    def seconds_per_answer(self) -> float | None:
        """Wall-clock time an answer, all workers together; None before there is a pace.

        The first, the likeliest answer alone, takes as long as the workers take to begin.
        """
        return self.seconds / self.drawn if self.drawn >= SHARD_ROWS else None


class AuditWork(Work):
    """Runs one audit. executor: makes what does the work; it is closed at the end."""

    what = "the audit"

    def __init__(
        self, folder: AuditFolder, executor: Callable[[], Executor], store: AnyStore
    ) -> None:
        super().__init__("starting")
        if folder.queries is None:
            raise SpecError(
                "this audit's queries are not kept here; go on with it from the command line, with its "
                "query file"
            )
        self.folder = folder
        self._queries = folder.queries
        self._make_executor, self._store = executor, store
        self._rows: list[AuditRow] = []
        self._last = Progress((), 0, folder.total, 0, 0)
        self._seconds, self._since = 0.0, 0.0

    def start(self) -> Self:
        """Begins the work; returns itself."""
        self._since = time.perf_counter()
        return super().start()

    def wait(self, timeout: float | None = None) -> WorkSnapshot:
        """Returns the last snapshot once the work has ended, or after `timeout` seconds."""
        self.join(timeout)
        return self.snapshot()

    def snapshot(self) -> WorkSnapshot:
        """Returns where the work stands; later changes do not show in it."""
        with self._lock:
            last = self._last
            return WorkSnapshot(
                status=self._status,
                message=self._message,
                rows=tuple(self._rows),
                finished=last.finished,
                total=last.total,
                drawn=last.drawn,
                stored=last.stored,
                seconds=self._seconds,
                version=self._version,
            )

    def _work(self) -> WorkStatus:
        executor = self._make_executor()
        try:
            with Leases(self._store) as leases:
                spec = self.folder.spec
                audit = Audit(spec, self._queries, executor, self._store, leases)
                try:
                    self._follow(audit)
                finally:
                    self._write(audit, "finished" if self._is_whole() else "stopped")
        finally:
            executor.close()
        return "done" if self._is_whole() else "cancelled"

    def _follow(self, audit: Audit) -> None:
        written = time.monotonic()
        for event in audit.run(self.folder.noted()):
            self._take(event)
            if time.monotonic() - written > WRITTEN_EVERY:
                self._write(audit, "running")
                written = time.monotonic()
            if not self._going.is_set():
                self._write(audit, "stopped")
                self._going.wait()
                self._since = time.perf_counter()
            if self._cancelled.is_set():
                return

    def _take(self, event: Progress) -> None:
        now = time.perf_counter()
        with self._lock:
            # Loading models and reading the store tell nothing of the pace.
            if event.drawn > 0:
                self._seconds += now - self._since
            self._since = now
            self._rows += event.rows
            self._last = event
            if self._status == "running":
                self._message = event.message
            self._version += 1

    def _is_whole(self) -> bool:
        return len(self._rows) == self.folder.total

    def _write(self, audit: Audit, status: str) -> None:
        """Brings folder and catalogue up to date."""
        spec, queries, path = self.folder.spec, self._queries, self.folder.path
        rows = in_table_order(self._rows, spec, queries)
        more = {"queries_file": self.folder.manifest.get("queries_file"), "executor": "local"}
        earlier = self.folder.noted()
        content = manifest(
            spec, queries, audit.prepared, earlier, status=status, rows=len(rows), **more
        )
        write_manifest(path, content)
        if rows:
            write_results(path, rows)
        now = self.snapshot()
        remember(
            self._store,
            audit_entry(
                spec,
                queries,
                path,
                rows=now.drawn + now.stored,
                status=status,
                seconds_per_answer=now.seconds_per_answer,
            ),
            audit.sampling_keys,
        )
