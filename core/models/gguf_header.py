"""GGUF files: which one is meant, and what its header says. Reads no weights."""

import re
import struct
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.integrations.gguf.dequant import GGML_NAME
from transformers.integrations.gguf.gguf_config_mapping import GGUF_CONFIG_ARCHS
from transformers.integrations.gguf.reader import GgufHeader, read_gguf_metadata
from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

from core.errors import ModelError

SUFFIX = ".gguf"
_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$", re.IGNORECASE)
_FLOATS = {0: "F32", 1: "F16", 30: "BF16"}
# How llama.cpp and transformers spell one architecture.
_SPELLED = {
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
    "gpt-oss": "gpt_oss",
    "minimax-m2": "minimax_m2",
}
# What a header may ask for beyond its architecture, which reading would leave out without a word.
_UNREAD_SCALING = "rope.scaling.type"
_READS_SCALING = ("gpt-oss",)


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file's header.

    metadata: its fields; of a list of texts only how many. tensors: names, as the file spells them.
    types: how many tensors are stored in which type. parameters: numbers in all tensors.
    """

    path: Path
    architecture: str
    metadata: Mapping[str, Any]
    tensors: tuple[str, ...]
    types: Mapping[str, int]
    parameters: int
    stored: torch.dtype | None

    @property
    def quantised(self) -> bool:
        """Whether some weights are stored in blocks of a few bits."""
        return self.stored is None

    @property
    def dtype(self) -> torch.dtype:
        """The number type of its weights once read: as stored, bfloat16 for quantised ones."""
        return self.stored or torch.bfloat16

    @property
    def kind(self) -> str:
        """The type in which most of its tensors are stored, weighed by their number."""
        matrices = {name: count for name, count in self.types.items() if name != "F32"}
        return max(matrices or self.types, key=lambda name: self.types[name])


def is_gguf(names: Collection[str]) -> bool:
    """Returns whether the files of a folder are a GGUF model: safetensors weights go first."""
    return not any(name.endswith(".safetensors") for name in names) and any(
        name.lower().endswith(SUFFIX) for name in names
    )


def gguf_in(place: Path) -> Path | None:
    """Returns the GGUF file that a file or folder stands for, None if it stands for none.

    Raises:
        ModelError: a folder holds several.
    """
    if place.is_file():
        return place if place.name.lower().endswith(SUFFIX) else None
    if not place.is_dir():
        return None
    names = sorted(path.name for path in place.iterdir() if path.is_file())
    if not is_gguf(names):
        return None
    found = [name for name in names if name.lower().endswith(SUFFIX)]
    if len(found) > 1:
        if _PART.search(found[0]):
            _refuse_part(found[0])
        shown = ", ".join(found[:6]) + (" ..." if len(found) > 6 else "")
        raise ModelError(
            f"{str(place)!r} holds {len(found)} GGUF files ({shown}); name one of them"
        )
    return place / found[0]


def read_header(path: Path) -> GgufFile:
    """Returns a GGUF file's header, checked as far as it shows.

    Raises:
        ModelError: the file is split, cut off or damaged, no language model, or of an architecture or number
            type that cannot be read.
    """
    _refuse_part(path.name)
    try:
        metadata, tensors = read_gguf_metadata(str(path))
    except (ValueError, OSError, struct.error, OverflowError, MemoryError) as error:
        raise ModelError(
            f"{path.name} is damaged or no GGUF file ({error}); fetch it again"
        ) from error
    if int(metadata.get("split.count", 1) or 1) > 1:
        raise ModelError(_split(path.name, int(metadata["split.count"])))
    kind = metadata.get("general.type", "model")
    if kind != "model":
        raise ModelError(f"{path.name} holds a GGUF of type {kind!r}; a language model is needed")
    architecture = str(metadata["general.architecture"])
    _check_architecture(path.name, architecture, metadata)
    try:
        header = GgufHeader.from_file(str(path))
    except (ValueError, OSError, struct.error) as error:
        raise ModelError(f"{path.name} cannot be read ({error})") from error
    needed = max((header.data_start + one.offset + one.nbytes for one in header.tensors), default=0)
    size = path.stat().st_size
    if size < needed:
        raise ModelError(
            f"{path.name} was cut off: it has {size:,} bytes of {needed:,}; fetch it again"
        )
    types = Counter(_type_name(one.ggml_type) for one in header.tensors)
    return GgufFile(
        path=path,
        architecture=architecture,
        metadata=metadata,
        tensors=tensors,
        types=dict(types),
        parameters=sum(int(np.prod(one.shape)) for one in header.tensors),
        stored=header.dtype,
    )


def supported_architectures() -> tuple[str, ...]:
    """Returns the architectures of GGUF files that can be read, as transformers spells them."""
    return tuple(
        sorted({*GGUF_SUPPORTED_ARCHITECTURES, *GGUF_CONFIG_ARCHS} - {"general", "tokenizer"})
    )


def _check_architecture(name: str, architecture: str, metadata: Mapping[str, Any]) -> None:
    known = supported_architectures()
    if _SPELLED.get(architecture, architecture) not in known:
        raise ModelError(
            f"{name} is of architecture {architecture!r}, which cannot be read from GGUF here; it can be of "
            f"{', '.join(known)}"
        )
    scaling = metadata.get(f"{architecture}.{_UNREAD_SCALING}", "none")
    if scaling != "none" and architecture not in _READS_SCALING:
        raise ModelError(
            f"{name} stretches its positions ({_UNREAD_SCALING} {scaling!r}), which is not read from GGUF "
            "here and would change its probabilities; use the model's safetensors weights"
        )


def _refuse_part(name: str) -> None:
    part = _PART.search(name)
    if part:
        raise ModelError(_split(name, int(part[1])))


def _split(name: str, parts: int) -> str:
    return (
        f"{name} is one of {parts} parts of a split model; merge them into one file (llama-gguf-split "
        "--merge)"
    )


def _type_name(ggml_type: int) -> str:
    return _FLOATS.get(ggml_type) or str(GGML_NAME.get(ggml_type, f"type {ggml_type}"))
