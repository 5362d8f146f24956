"""Fetching and loading a model in the background."""

from core.models.download import BYTES, download_steps
from core.models.fetch import fetch_steps
from core.models.fetched import FETCHABLE, fetched_folder
from core.models.loading import LoadedModel, load_model
from core.models.spec import LoadingSpec
from core.tasks import Progress, Steps, Task

LOADING = "loading"


class LoadedOnce:
    """A loaded model that is handed over once: whoever takes it keeps it alive, and nobody else."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded: list[LoadedModel] = [loaded]

    def take(self) -> LoadedModel | None:
        """Returns the model the first time, then None."""
        try:
            return self._loaded.pop()
        except IndexError:
            return None


ModelTask = Task[None, LoadedOnce]


def model_task(name: str, loading: LoadingSpec, size: int = 0) -> ModelTask:
    """Returns the task that fetches and loads a model, not yet started.

    Its progress is in BYTES while it fetches, and has no unit while it loads. size: bytes to be fetched
    first, 0 for a model that is here.
    """
    first = Progress[None](0, size, BYTES) if size > 0 else None
    return Task(_steps(name, loading, size), what="loading the model", first=first)


def task_name(name: str, loading: LoadingSpec) -> str:
    """Returns the name of a model's task in a registry."""
    return f"{name}\n{loading.model_dump_json()}"


def taken_model(task: ModelTask | None) -> LoadedModel | None:
    """Returns the model that a task has loaded, if nobody has taken it yet."""
    result = None if task is None else task.snapshot().result
    return None if result is None else result.take()


def _steps(name: str, loading: LoadingSpec, size: int) -> Steps[None, LoadedOnce]:
    if name in FETCHABLE and fetched_folder(name) is None:
        yield from fetch_steps(name)
    elif size > 0:
        yield from download_steps(name, loading)
    yield Progress(message=LOADING)
    return LoadedOnce(load_model(name, loading))
