"""Long work in the background: started once, watched by many, paused, resumed and cancelled.

A job's thread writes only to its own record under a lock; whoever watches takes snapshots. Nothing here
knows about pages.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cache import StoreEvent
from core.errors import TailscopeError
from core.judging import JudgedShard

JobStatus = Literal["running", "paused", "cancelled", "done", "failed"]
FINISHED: frozenset[JobStatus] = frozenset({"cancelled", "done", "failed"})


@dataclass(frozen=True)
class ArmProgress:
    """One arm at one moment: its shards so far, in row order.

    drawing_seconds: time this job spent on the arm, reading included.
    """

    samples: int
    shards: tuple[JudgedShard, ...]
    drawing_seconds: float

    @property
    def done(self) -> int:
        return sum(len(shard.drawn) for shard in self.shards)

    @property
    def seconds_left(self) -> float | None:
        """Time the arm still needs at its pace so far; None before there is a pace."""
        if self.done == 0:
            return None
        return self.drawing_seconds / self.done * (self.samples - self.done)


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment. version grows with every change, so that a watcher may skip what it has seen."""

    job_id: str
    status: JobStatus
    message: str
    arms: Mapping[str, ArmProgress]
    notices: tuple[str, ...]
    version: int

    @property
    def seconds_left(self) -> float | None:
        """Time until every arm is done; None while an arm has no pace yet."""
        left = [arm.seconds_left for arm in self.arms.values() if arm.done < arm.samples]
        return None if any(one is None for one in left) else float(sum(one or 0.0 for one in left))


@dataclass
class _ArmState:
    samples: int
    source: Iterator[JudgedShard]
    shards: list[JudgedShard] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def finished(self) -> bool:
        return sum(len(shard.drawn) for shard in self.shards) >= self.samples


class Job:
    """Runs several arms side by side, a shard of each in turn, in a thread of its own.

    arms: name -> (samples wanted, shards in row order). notices: called after every shard for what the
    store has to tell.
    """

    def __init__(
        self,
        job_id: str,
        arms: Mapping[str, tuple[int, Iterator[JudgedShard]]],
        notices: Callable[[], Sequence[StoreEvent]] = tuple,
    ) -> None:
        self.job_id = job_id
        self._lock = threading.Lock()
        self._going = threading.Event()
        self._going.set()
        self._cancelled = threading.Event()
        self._status: JobStatus = "running"
        self._message = ""
        self._version = 0
        self._notices: list[str] = []
        self._read_notices = notices
        self._arms = {name: _ArmState(samples, source) for name, (samples, source) in arms.items()}
        self._thread = threading.Thread(target=self._run, name=f"job-{job_id}", daemon=True)

    def start(self) -> None:
        """Begins the work."""
        self._thread.start()

    def pause(self) -> None:
        """Stops after the shard in flight until `resume`."""
        self._set_status("paused", only_from="running")
        self._going.clear()

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._set_status("running", only_from="paused")
        self._going.set()

    def cancel(self) -> None:
        """Ends the job after the shard in flight; what is drawn stays."""
        self._cancelled.set()
        self._going.set()

    def wait(self, timeout: float | None = None) -> Snapshot:
        """Returns the last snapshot once the job has ended, or after `timeout` seconds."""
        self._thread.join(timeout)
        return self.snapshot()

    def snapshot(self) -> Snapshot:
        """Returns where the job stands; later changes do not show in it."""
        with self._lock:
            return Snapshot(
                job_id=self.job_id,
                status=self._status,
                message=self._message,
                arms={
                    name: ArmProgress(arm.samples, tuple(arm.shards), arm.seconds)
                    for name, arm in self._arms.items()
                },
                notices=tuple(self._notices),
                version=self._version,
            )

    def _set_status(
        self, status: JobStatus, message: str = "", *, only_from: JobStatus | None = None
    ) -> None:
        with self._lock:
            if self._status in FINISHED or (only_from and self._status != only_from):
                return
            self._status, self._message = status, message
            self._version += 1

    def _run(self) -> None:
        try:
            while not self._cancelled.is_set():
                open_arms = [arm for arm in self._arms.values() if not arm.finished]
                if not open_arms:
                    self._set_status("done")
                    return
                for arm in open_arms:
                    self._going.wait()
                    if self._cancelled.is_set():
                        break
                    self._advance(arm)
            self._set_status("cancelled")
        except TailscopeError as error:
            self._set_status("failed", str(error))
        except Exception as error:
            # A thread has nobody to raise to: the watcher must learn that the run is over, and why.
            self._set_status("failed", f"the run stopped on an unexpected error: {error!r}")
            raise

    def _advance(self, arm: _ArmState) -> None:
        began = time.perf_counter()
        shard = next(arm.source)
        with self._lock:
            arm.shards.append(shard)
            arm.seconds += time.perf_counter() - began
            self._notices += [event.message for event in self._read_notices()]
            self._version += 1


class JobRegistry:
    """All jobs of this process by id. Starting one that is there already returns it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def get(self, job_id: str) -> Job | None:
        """Returns the job, or None."""
        with self._lock:
            return self._jobs.get(job_id)

    def start(self, job_id: str, make: Callable[[], Job]) -> Job:
        """Returns the job under this id, made and started now unless it is there and not cancelled."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None or job.snapshot().status in ("cancelled", "failed"):
                job = make()
                self._jobs[job_id] = job
                job.start()
            return job
