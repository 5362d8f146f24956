"""Finds a model and its small files: config, tokenizer, index; never its weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import model_info, snapshot_download

from core.errors import ModelError
from core.models.checks import PICKLE_SUFFIXES, file_names, reason
from core.models.embedded import EMBEDDED_MODELS, embedded_models, resolve_model
from core.models.fetched import FETCHABLE
from core.models.findings import Finding, in_bytes
from core.models.gguf_header import SUFFIX, gguf_in, is_gguf
from core.models.hub import hub_refusal
from core.settings.operator import NOTHING, Permissions, as_path

SMALL_FILES = ["*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken"]
TIMEOUT = 5.0  # seconds


@dataclass(frozen=True)
class Source:
    """A model's small files in a folder.

    sizes: of all its files in bytes, including those not yet in the folder. gguf: the file in the folder that
    holds everything, if it is a GGUF model.
    """

    folder: Path
    sizes: Mapping[str, int]
    gguf: str | None = None

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.sizes)


def find_source(
    name: str, revision: str | None = None, allowed: Permissions = NOTHING
) -> tuple[Source | None, Finding]:
    """Returns a model's source, None if it is not available, and a finding about it.

    Downloads small files from the Hub; uses files downloaded before if the Hub cannot be reached.
    revision: branch, tag or commit of a Hub repository; a folder has none.
    """
    try:
        resolved = resolve_model(name)
        folder = as_path(resolved)
        gguf = gguf_in(folder)
    except ModelError as error:
        return None, _unusable(error)
    if gguf is not None:
        finding = Finding("source", "ok", f"{name!r} is the GGUF file {gguf.name}.")
        return Source(gguf.parent, {gguf.name: gguf.stat().st_size}, gguf.name), finding
    if folder.is_dir():
        kind = "is a folder"
        if folder.parent == EMBEDDED_MODELS:
            kind = "comes with Tailscope"
        elif name in FETCHABLE:
            kind = f"is {FETCHABLE[name].title}, fetched before"
        finding = Finding("source", "ok", f"{name!r} {kind}.")
        return Source(folder, _sizes(folder)), finding
    if folder.exists() or resolved.startswith((".", "/", "~")):
        return None, _unknown(name)
    return _on_hub(name, revision, allowed)


def _on_hub(name: str, revision: str | None, allowed: Permissions) -> tuple[Source | None, Finding]:
    # Code is downloaded with the small files, but only if it may run.
    wanted = [*SMALL_FILES, "*.py"] if allowed.remote_code else SMALL_FILES
    try:
        # First, because only this call takes a time limit.
        info = model_info(name, revision=revision, timeout=TIMEOUT, files_metadata=True)
        packed = [file.rfilename for file in info.siblings or []]
        if is_gguf(packed):
            return None, _packed(name, packed)
        # By the revision's name, so that it is known offline too.
        folder = Path(
            snapshot_download(name, revision=revision, allow_patterns=wanted, etag_timeout=TIMEOUT)
        )
        if (
            folder.name != info.sha
        ):  # the branch moved in between: names and files must be of one commit
            info = model_info(name, revision=folder.name, timeout=TIMEOUT, files_metadata=True)
    except Exception as error:
        # No connection, offline mode or a server's error: the client's errors have no common base.
        refused = hub_refusal(name, revision, error)
        return (None, refused) if refused else _fetched_before(name, revision, error)
    sizes = {
        file.rfilename: file.size or 0 for file in info.siblings or [] if "/" not in file.rfilename
    }
    weights = sum(size for file, size in sizes.items() if file.endswith(".safetensors"))
    message = f"{name!r} is on the Hugging Face Hub, {in_bytes(weights)} of weights."
    return Source(folder, sizes), Finding("source", "ok", message)


def _packed(name: str, files: Sequence[str]) -> Finding:
    found = sorted(file for file in files if file.lower().endswith(SUFFIX))
    shown = ", ".join(found[:3]) + (" ..." if len(found) > 3 else "")
    return Finding(
        "gguf",
        "refused",
        f"{name!r} holds its weights as GGUF only ({shown}).",
        "Download one of these files yourself, and give its path.",
    )


def _fetched_before(
    name: str, revision: str | None, error: Exception
) -> tuple[Source | None, Finding]:
    try:
        folder = Path(
            snapshot_download(
                name, revision=revision, allow_patterns=SMALL_FILES, local_files_only=True
            )
        )
        sizes = _sizes(folder)
    except Exception:  # as above
        sizes = {}
    if any(file.endswith((".safetensors", *PICKLE_SUFFIXES)) for file in sizes):
        finding = Finding(
            "source", "note", f"The Hub cannot be reached; {name!r} was fetched from it before."
        )
        return Source(folder, sizes), finding
    what = f"the weights of {name!r} are" if sizes else f"{name!r} is"
    return None, Finding(
        "offline",
        "refused",
        f"The Hugging Face Hub cannot be reached, and {what} not on this machine "
        f"({reason(error)[:160]}).",
        "Connect this machine (and unset HF_HUB_OFFLINE), or give the folder of a model.",
    )


def _sizes(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_size for name in file_names(folder)}


def _unusable(error: ModelError) -> Finding:
    message, _, what_to_do = str(error).partition("; ")
    what_to_do = what_to_do or "Use another model"
    return Finding(
        "not_found",
        "refused",
        message[:1].upper() + message[1:] + ".",
        what_to_do[:1].upper() + what_to_do[1:].rstrip(".") + ".",
    )


def _unknown(name: str) -> Finding:
    return Finding(
        "not_found",
        "refused",
        f"{name!r} is neither a folder nor a Hugging Face id.",
        f"Give an embedded model ({', '.join(embedded_models())}), a model folder, a GGUF file, or a Hugging "
        "Face id.",
    )
