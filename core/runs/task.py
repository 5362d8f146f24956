"""A run in the background: shards of several arms, in turn."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from cache import StoreEvent
from core.runs.estimate import JudgedInHand
from core.sampling.scored import JudgedShard
from core.tasks import Pace, Progress, Snapshot, Steps, Task

# In answers; the partial result is the arm's shards so far, in row order, the last one perhaps unfinished.
ArmProgress = Progress[tuple[JudgedShard, ...]]


@dataclass(frozen=True)
class RunSoFar:
    """What a run has drawn. arms: by name. notices: what the store has noted meanwhile."""

    arms: Mapping[str, ArmProgress]
    notices: tuple[str, ...] = ()


RunTask = Task[RunSoFar, RunSoFar]
RunSnapshot = Snapshot[RunSoFar, RunSoFar]


def run_task(
    arms: Mapping[str, tuple[int, Iterator[JudgedShard | JudgedInHand]]],
    notices: Callable[[], Sequence[StoreEvent]] = tuple,
) -> RunTask:
    """Returns the task of a run, not yet started.

    arms: name -> (samples wanted, shards in row order and how far the next is). notices: called after every
    shard for what the store has noted.
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
    while unfinished := [arm for arm in arms.values() if arm.drawn < arm.samples]:
        for arm in unfinished:
            # To the shard's end: two in hand at once would need the memory of two.
            while not arm.draw():
                yield _progress(
                    RunSoFar({name: other.progress for name, other in arms.items()}, notices)
                )
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
    """One arm that is being drawn, at its own pace. drawn, stored: answers of whole shards."""

    samples: int
    source: Iterator[JudgedShard | JudgedInHand]
    pace: Pace = field(default_factory=Pace)
    shards: tuple[JudgedShard, ...] = ()
    drawn: int = 0
    stored: int = 0

    def __post_init__(self) -> None:
        self.progress: ArmProgress = Progress(0, self.samples, "answers", partial=())

    def draw(self) -> bool:
        """Goes on to whatever comes next; returns whether a shard is whole."""
        began = perf_counter()
        found = next(self.source)
        done, shards = 0.0, self.shards
        whole = not isinstance(found, Progress)
        if isinstance(found, Progress):
            done = found.done
            if found.partial is not None:
                shards = (*shards, found.partial)
        else:
            self.shards = shards = (*shards, found)
            self.drawn += len(found.drawn)
            self.stored += len(found.drawn) if found.drawn.stored else 0
        progress = Progress(self.drawn + done, self.samples, "answers", self.stored, partial=shards)
        self.progress = self.pace.timed(progress, perf_counter() - began)
        return whole
