"""An audit in the background: run by a thread, watched by many, paused, resumed and cancelled.

The thread writes only to its own record under a lock, and to the audit's folder. Nothing here knows pages.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from core.audit.catalogue import audit_entry, remember
from core.audit.claims import Claims
from core.audit.folder import AuditFolder
from core.audit.results import in_table_order, manifest, write_manifest, write_results
from core.audit.rows import AuditRow
from core.audit.run import Audit, Progress
from core.engine import SHARD_ROWS, AnyStore
from core.errors import SpecError, TailscopeError
from core.executors.base import Executor
from core.jobs import FINISHED, JobStatus

# The folder is brought up to date so often, so that others can read how far it has come.
WRITTEN_EVERY = 20.0  # seconds


@dataclass(frozen=True)
class WorkSnapshot:
    """An audit at one moment. rows: finished, in any order. seconds: of work, pauses left out.

    version grows with every change, so that a watcher may skip what it has seen.
    """

    status: JobStatus
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


class AuditWork:
    """Runs one audit in a thread of its own. executor: makes what does the work; it is closed at the end."""

    def __init__(
        self, folder: AuditFolder, executor: Callable[[], Executor], store: AnyStore
    ) -> None:
        if folder.queries is None:
            raise SpecError(
                "this audit's queries are not kept here; go on with it from the command line, with its "
                "query file"
            )
        self.folder = folder
        self._queries = folder.queries
        self._make_executor, self._store = executor, store
        self._lock = threading.Lock()
        self._going, self._cancelled = threading.Event(), threading.Event()
        self._going.set()
        self._status: JobStatus = "running"
        self._message = "starting"
        self._rows: list[AuditRow] = []
        self._last = Progress((), 0, folder.total, 0, 0)
        self._seconds, self._since = 0.0, 0.0
        self._version = 0
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> "AuditWork":
        """Begins the work; returns itself."""
        self._since = time.perf_counter()
        self._thread.start()
        return self

    def pause(self) -> None:
        """Hands out no more work until `resume`; what is in hand is finished."""
        self._change("paused", only_from="running")
        self._going.clear()

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._change("running", only_from="paused")
        self._going.set()

    def cancel(self) -> None:
        """Ends the work; what is drawn stays."""
        self._cancelled.set()
        self._going.set()

    @property
    def running(self) -> bool:
        """Whether the thread is still at work, or paused."""
        return self._thread.is_alive()

    def wait(self, timeout: float | None = None) -> WorkSnapshot:
        """Returns the last snapshot once the work has ended, or after `timeout` seconds."""
        self._thread.join(timeout)
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

    def _change(
        self, status: JobStatus, message: str = "", *, only_from: JobStatus | None = None
    ) -> None:
        with self._lock:
            if self._status in FINISHED or (only_from and self._status != only_from):
                return
            self._status, self._message = status, message
            self._version += 1

    def _run(self) -> None:
        try:
            self._work()
        except TailscopeError as error:
            self._change("failed", str(error))
        except Exception as error:
            # A thread has nobody to raise to: whoever watches must learn why it stopped.
            self._change("failed", f"the audit stopped on an unexpected error: {error!r}")
            raise

    def _work(self) -> None:
        executor = self._make_executor()
        try:
            with Claims(self._store) as claims:
                spec = self.folder.spec
                audit = Audit(spec, self._queries, executor, self._store, claims)
                try:
                    self._follow(audit)
                finally:
                    self._write(audit, "finished" if self._is_whole() else "stopped")
        finally:
            executor.close()
        self._change("done" if self._is_whole() else "cancelled")

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


class AuditWorks:
    """All audits of this process by id. Starting one that is at work returns it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[str, AuditWork] = {}

    def get(self, audit_id: str) -> AuditWork | None:
        """Returns the audit's work, at work or ended, or None."""
        with self._lock:
            return self._works.get(audit_id)

    def start(self, audit_id: str, make: Callable[[], AuditWork]) -> AuditWork:
        """Returns the work under this id, made and started now unless it is at work."""
        with self._lock:
            work = self._works.get(audit_id)
            if work is None or not work.running:
                work = self._works[audit_id] = make().start()
            return work

    def at_work(self) -> list[AuditWork]:
        """Returns the works that are at work or paused, the last begun first."""
        with self._lock:
            return [work for work in reversed(self._works.values()) if work.running]

    def forget(self, audit_id: str) -> None:
        """Lets go of a work that has ended, for what it found has been deleted."""
        with self._lock:
            work = self._works.get(audit_id)
            if work is not None and not work.running:
                del self._works[audit_id]
