"""Fetches a Hub model's weights before it is loaded, with progress."""

import shutil
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.constants import HF_HUB_CACHE

from core.errors import ModelError
from core.models.checks import (
    PICKLED_INDEX,
    PICKLED_WEIGHTS,
    SAFE_WEIGHTS,
    check_files,
    read_index,
    reason,
)
from core.models.embedded import resolve_model
from core.models.findings import in_bytes
from core.models.hub import hub_refusal, in_a_sentence
from core.models.sources import Source, find_source
from core.models.spec import LoadingSpec
from core.settings.operator import Permissions, as_path, operator
from core.tasks import Progress, Steps, steps_of_call

# Is called with the bytes that are there. It may raise to stop the download, which continues next time.
ShowBytes = Callable[[Progress[None]], object]
BYTES = "bytes"


def to_download(
    name: str, loading: LoadingSpec | None = None, allowed: Permissions | None = None
) -> int:
    """Returns how many bytes of a model's weights are not on this machine; 0 for a folder.

    Downloads small files (config, tokenizer). allowed: by default, what the operator's configuration says.

    Raises:
        ModelError: there is no such model, or it has no weights that may be read.
    """
    return sum(_missing(name, loading or LoadingSpec(), allowed)[1].values())


def download(
    name: str,
    loading: LoadingSpec | None = None,
    show: ShowBytes | None = None,
    allowed: Permissions | None = None,
) -> Path:
    """Returns a model's folder in the Hub client's cache, after downloading what `to_download` counts.

    Raises:
        ModelError: as `to_download`; or the disk is too small, or the connection breaks.
    """
    loading = loading or LoadingSpec()
    source, missing = _missing(name, loading, allowed)
    total = sum(missing.values())
    if not missing:
        return source.folder
    free = shutil.disk_usage(_existing(Path(HF_HUB_CACHE))).free
    if total > free:
        raise ModelError(
            f"{name!r} needs {in_bytes(total)} on disk, and {in_bytes(free)} are free in {HF_HUB_CACHE!r}"
        )
    counter = _ByteCounter(total, show or (lambda progress: None))
    for file in sorted(missing):
        try:
            # By the commit that was checked: a branch may move meanwhile.
            hf_hub_download(name, file, revision=source.folder.name, tqdm_class=counter.bar())
        except Exception as error:
            if error is counter.stopped:
                raise
            # No connection, a full disk, a server's error: the client's errors have no common base.
            refused = hub_refusal(name, loading.revision, error)
            raise ModelError(
                in_a_sentence(refused)
                if refused
                else f"{name!r} could not be downloaded; try again, what is there is kept "
                f"({reason(error)[:160]})"
            ) from error
    # A file that another revision has too is there at once, without progress.
    if counter.done < total:
        counter.add(total - counter.done, stored=True)
    return source.folder


def download_steps(name: str, loading: LoadingSpec | None = None) -> Steps[None, Path]:
    """Yields the progress of `download` in bytes, and returns its folder. Raises: as it does."""

    def call(show: ShowBytes) -> Path:
        return download(name, loading, show)

    return steps_of_call(call)


class _ByteCounter:
    """Adds up the bytes of the Hub client's progress bars, one a file."""

    def __init__(self, total: int, show: ShowBytes) -> None:
        self.done, self.total, self._stored, self._show = 0, total, 0, show
        self.stopped: Exception | None = None

    def add(self, count: int, *, stored: bool = False) -> None:
        """Counts bytes. stored: they were on this machine already."""
        self.done = min(self.done + count, self.total)
        self._stored += count if stored else 0
        try:
            self._show(Progress(self.done, self.total, BYTES, self._stored))
        except Exception as error:
            self.stopped = error
            raise

    def bar(self) -> type:
        """Returns a class that stands in for a progress bar and draws nothing."""
        counter = self

        class Bar:
            def __init__(self, *args: object, initial: int = 0, **options: object) -> None:
                if initial:
                    counter.add(int(initial), stored=True)

            def __enter__(self) -> "Bar":
                return self

            def __exit__(self, *error: object) -> None: ...

            def close(self) -> None: ...

            def update(self, count: float | None = 1) -> None:
                counter.add(int(count or 0))

            def update_transfer(self, count: float | None = 1) -> None: ...

            def set_postfix_str(self, text: str, refresh: bool = False) -> None: ...

            def set_transfer_postfix_str(self, text: str, refresh: bool = False) -> None: ...

        return Bar


def _missing(
    name: str, loading: LoadingSpec, allowed: Permissions | None
) -> tuple[Source, dict[str, int]]:
    """Returns a model's source, and the sizes of its weights' files that are not on this machine."""
    allowed = operator().permissions(name) if allowed is None else allowed
    folder = as_path(resolve_model(name))
    if folder.is_dir() or folder.is_file():
        return Source(folder, {}), {}
    source, finding = find_source(name, loading.revision, allowed)
    if source is None:
        raise ModelError(in_a_sentence(finding))
    check_files(name, source.folder, source.names, allowed)
    files = _weights(name, source)
    return source, {
        file: source.sizes.get(file, 0) for file in files if not (source.folder / file).exists()
    }


def _weights(name: str, source: Source) -> set[str]:
    """Returns the weights' files that loading reads, without copies in other formats."""
    index = read_index(name, source.folder)
    if SAFE_WEIGHTS in source.names:
        return {SAFE_WEIGHTS}
    if index is not None:
        return set(index["weight_map"].values())
    if PICKLED_WEIGHTS in source.names:
        return {PICKLED_WEIGHTS}
    shards = read_index(name, source.folder, PICKLED_INDEX)
    if shards is not None:
        return set(shards["weight_map"].values())
    raise ModelError(
        f"{name!r} has its weights under other names than {SAFE_WEIGHTS} and the like; a model saved by "
        "transformers is needed"
    )


def _existing(folder: Path) -> Path:
    """Returns the folder, or its nearest parent that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
