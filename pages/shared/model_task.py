"""Fetching and loading a model in the background. Runs in a thread: no widgets."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.errors import TailscopeError
from core.models.download import download
from core.models.loading import LoadedModel, load_model
from core.models.spec import LoadingSpec
from core.tasks import Task


class CancelledError(TailscopeError):
    """The user wants no more of it."""


@dataclass
class Standing:
    """What is being done, since when (time.monotonic), and how much of it is done; total 0: not known.

    The thread writes `at`, whoever watches reads it; `cancel` is heard at the next step of a download.
    """

    fetching: bool
    began: float = field(default_factory=time.monotonic)
    at: tuple[int, int] = (0, 0)
    cancelled: bool = False

    def tell(self, done: int, total: int) -> None:
        """Notes how many bytes are there."""
        self.at = (done, total)
        if self.cancelled:
            raise CancelledError("cancelled")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float | None:
        """Time left at the pace so far; None before there is one."""
        done, total = self.at
        return self.seconds / done * (total - done) if done > 0 else None


class Arrival:
    """A model that has been loaded, to be taken once: whoever takes it keeps it alive."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded: list[LoadedModel] = [loaded]

    def take(self) -> LoadedModel | None:
        """Returns the model the first time, then None."""
        try:
            return self._loaded.pop()
        except IndexError:
            return None


def task_name(name: str, loading: LoadingSpec) -> str:
    """Returns what the loading of a model is known by."""
    return f"{name}\n{loading.model_dump_json()}"


def arrived(task: Task[Standing | Arrival] | None) -> LoadedModel | None:
    """Returns the model that a task has loaded, if nobody has taken it yet."""
    last = None if task is None else task.last
    return last.take() if isinstance(last, Arrival) else None


def arrival(name: str, loading: LoadingSpec, size: int) -> Iterator[Standing | Arrival]:
    """Yields where the fetching and loading of a model stands, and at last the model.

    size: bytes to be fetched first, 0 for a model that is here.
    """
    if size > 0:
        standing = Standing(fetching=True, at=(0, size))
        yield standing
        try:
            download(name, loading, standing.tell)
        except CancelledError:
            return
    yield Standing(fetching=False)
    yield Arrival(load_model(name, loading))
