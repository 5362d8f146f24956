"""A run in the background: shards of several arms, in turn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from cache import StoreEvent
from core.sampling.scored import JudgedShard
from core.tasks import Pace, Progress, Snapshot, Steps, Task

# In answers; the partial result is the arm's shards so far, in row order.
ArmProgress = Progress[tuple[JudgedShard, ...]]


@dataclass(frozen=True)
class RunSoFar:
    """What a run has drawn. arms: by name. notices: what the store has noted meanwhile."""

    arms: Mapping[str, ArmProgress]
    notices: tuple[str, ...] = ()


RunTask = Task[RunSoFar, RunSoFar]
RunSnapshot = Snapshot[RunSoFar, RunSoFar]


def run_task(
    arms: Mapping[str, tuple[int, Iterator[JudgedShard]]],
    notices: Callable[[], Sequence[StoreEvent]] = tuple,
) -> RunTask:
    """Returns the task of a run, not yet started.

    arms: name -> (samples wanted, shards in row order). notices: called after every shard for what the store
    has noted.
    """
    states = {name: _Arm(samples, source) for name, (samples, source) in arms.items()}
    return Task(
        _steps(states, notices),
        what="the run",
        first=_progress(RunSoFar({name: arm.progress for name, arm in states.items()})),
    )


def _steps(
    arms: Mapping[str, "_Arm"], read_notices: Callable[[], Sequence[StoreEvent]]
) -> Steps[RunSoFar, RunSoFar]:
    """Draws a shard of each unfinished arm in turn."""
    notices: tuple[str, ...] = ()
    while unfinished := [arm for arm in arms.values() if arm.progress.done < arm.samples]:
        for arm in unfinished:
            arm.draw()
            notices += tuple(event.message for event in read_notices())
            yield _progress(
                RunSoFar({name: other.progress for name, other in arms.items()}, notices)
            )
    return RunSoFar({name: arm.progress for name, arm in arms.items()}, notices)


def _progress(now: RunSoFar) -> Progress[RunSoFar]:
    """Returns the progress of all arms together; it has no pace while an unfinished arm has none."""
    arms = list(now.arms.values())
    left = [arm.seconds_left for arm in arms if arm.done < arm.total]
    return Progress(
        done=sum(arm.done for arm in arms),
        total=sum(arm.total for arm in arms),
        unit="answers",
        stored=sum(arm.stored for arm in arms),
        partial=now,
        seconds=sum(arm.seconds or 0.0 for arm in arms),
        seconds_left=None if None in left else sum(seconds or 0.0 for seconds in left),
    )


@dataclass
class _Arm:
    """One arm that is being drawn, at its own pace."""

    samples: int
    source: Iterator[JudgedShard]
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.progress: ArmProgress = Progress(0, self.samples, "answers", partial=())

    def draw(self) -> None:
        """Adds the next shard."""
        began = perf_counter()
        shard = next(self.source)
        before = self.progress
        progress = Progress(
            done=before.done + len(shard.drawn),
            total=before.total,
            unit=before.unit,
            stored=before.stored + (len(shard.drawn) if shard.drawn.stored else 0),
            partial=(*before.partial, shard),
        )
        self.progress = self.pace.timed(progress, perf_counter() - began)
