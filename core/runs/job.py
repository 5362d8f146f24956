"""Runs in the background: shards of several arms, in turn."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cache import StoreEvent
from core.sampling.scored import JudgedShard
from core.tasks import Work, WorkStatus


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
    status: WorkStatus
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


class Job(Work):
    """Runs several arms side by side, a shard of each in turn.

    arms: name -> (samples wanted, shards in row order). notices: called after every shard for what the
    store has to tell.
    """

    what = "the run"

    def __init__(
        self,
        job_id: str,
        arms: Mapping[str, tuple[int, Iterator[JudgedShard]]],
        notices: Callable[[], Sequence[StoreEvent]] = tuple,
    ) -> None:
        super().__init__()
        self.job_id = job_id
        self._notices: list[str] = []
        self._read_notices = notices
        self._arms = {name: _ArmState(samples, source) for name, (samples, source) in arms.items()}

    @property
    def settled(self) -> bool:
        """A job that is done stays: a page that is opened again shows what it has drawn."""
        return self.snapshot().status not in ("cancelled", "failed")

    def wait(self, timeout: float | None = None) -> Snapshot:
        """Returns the last snapshot once the job has ended, or after `timeout` seconds."""
        self.join(timeout)
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

    def _work(self) -> WorkStatus:
        while not self._cancelled.is_set():
            open_arms = [arm for arm in self._arms.values() if not arm.finished]
            if not open_arms:
                return "done"
            for arm in open_arms:
                self._going.wait()
                if self._cancelled.is_set():
                    break
                self._advance(arm)
        return "cancelled"

    def _advance(self, arm: _ArmState) -> None:
        began = time.perf_counter()
        shard = next(arm.source)
        with self._lock:
            arm.shards.append(shard)
            arm.seconds += time.perf_counter() - began
            self._notices += [event.message for event in self._read_notices()]
            self._version += 1
