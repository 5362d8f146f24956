"""Shared parts of judges that are local models: fingerprint, device, text without special tokens."""

import hashlib
from pathlib import Path
from typing import Annotated

import torch
from pydantic import field_validator
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError
from core.judges.templates import check_template
from core.spec import Spec, Whole, in_range

# Answers computed at once.
BatchRows = Annotated[Whole, in_range(1, 4096)]
# Files that decide a model's outputs; README files and the like do not.
DECIDING_SUFFIXES = {".json", ".safetensors", ".txt", ".model", ".jinja"}


def folder_fingerprint(folder: Path) -> str:
    """Returns a hash of a model folder's weights, configuration and tokenizer, whatever its path.

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


class LocalJudgeSpec(Spec):
    """Settings shared by local judges.

    template: holds {query} and {answer}. batch_rows: answers computed at once.
    """

    template: str
    batch_rows: BatchRows
    device: str = "cpu"

    @field_validator("template")
    @classmethod
    def _template(cls, value: str) -> str:
        return check_template(value)

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        try:
            torch.empty(0, device=value)
        except (RuntimeError, AssertionError):
            raise ValueError(f"device must be one that is here, as 'cpu', got {value!r}") from None
        return value


def without_special(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Returns text with every special token in it replaced by a space. Such a token would end a turn, and the
    text after it would be read as part of the judge's own prompt.
    """
    # The unknown token ends nothing, and may look like a word.
    special = set(tokenizer.all_special_tokens) - {tokenizer.unk_token}
    for token in sorted(special, key=len, reverse=True):
        text = text.replace(token, " ")
    return text
