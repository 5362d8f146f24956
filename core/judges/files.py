"""Reads what judges are made of: a judge's JSON file, a folder's weights."""

import hashlib
import json
from pathlib import Path

from core.errors import BehaviourError, ModelError

# What decides a model's outputs; read-me files and the like do not.
DECIDING_SUFFIXES = {".json", ".safetensors", ".txt", ".model", ".jinja"}


def read_json(path: Path) -> object:
    """Returns the content of a judge file.

    Raises:
        BehaviourError: there is none that can be read; one sentence names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BehaviourError(f"There is no judge file {path}.") from None
    except OSError as error:
        raise BehaviourError(f"{path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BehaviourError(f"{path} is not JSON: {error.msg} ({where}).") from error
    except UnicodeDecodeError as error:
        raise BehaviourError(f"{path} is not UTF-8 text.") from error


def folder_fingerprint(folder: Path) -> str:
    """Returns a hash of a model folder's weights, configuration and tokenizer; not of its place.

    Raises:
        ModelError: the folder holds no safetensors weights, or no config.
    """
    if not any(folder.glob("*.safetensors")) or not any(folder.glob("*config.json")):
        raise ModelError(
            f"{str(folder)!r} is no model folder; give one with a config and safetensors weights"
        )
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in DECIDING_SUFFIXES and file.is_file():
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").hexdigest()
            digest.update(f"{file.name} {content}\n".encode())
    return digest.hexdigest()[:32]
