"""Directions as safetensors files, which hold all that is known of one."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from core.errors import BehaviourError
from core.files.json_text import parse_json
from core.steering.direction import Direction, DirectionMeta, checked_position

FORMAT = "tailscope-direction"
FORMAT_VERSION = 1


def safetensors_bytes(direction: Direction, meta: DirectionMeta) -> bytes:
    """Returns the content of a direction's safetensors file."""
    blocks, hidden = direction.vectors.shape
    header = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "position": direction.position,
        "blocks": str(blocks),
        "hidden_size": str(hidden),
        **{name: json.dumps(value) for name, value in asdict(meta).items()},
    }
    tensors: dict[str, NDArray[Any]] = {
        "vectors": np.ascontiguousarray(direction.vectors, dtype=np.float32),
        "activation_norm": np.asarray(direction.activation_norm, dtype=np.float64),
        "separation": np.asarray(direction.separation, dtype=np.float64),
    }
    return bytes(save_tensors(tensors, metadata=header))


def parse_safetensors(content: bytes) -> tuple[Direction, DirectionMeta]:
    """Returns the direction in a file that `safetensors_bytes` made.

    Raises:
        BehaviourError: the content is no such file, of another version, or damaged.
    """
    header = _header(content)
    if header.get("format") != FORMAT:
        raise BehaviourError("this is no direction that Tailscope has written")
    if header.get("format_version") != str(FORMAT_VERSION):
        raise BehaviourError(
            f"format version must be {FORMAT_VERSION}, got {header.get('format_version')!r:.40}"
        )
    try:
        tensors = load_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BehaviourError(f"the file is damaged ({error})") from error
    direction = Direction(
        position=checked_position(header.get("position")),
        vectors=_numbers(tensors, "vectors", np.float32),
        activation_norm=_numbers(tensors, "activation_norm", np.float64),
        separation=_numbers(tensors, "separation", np.float64),
    )
    fields = {name: _value(text) for name, text in header.items()}
    return direction, DirectionMeta.from_fields(fields)


def _header(content: bytes) -> dict[str, str]:
    """Returns the strings of a safetensors header, which lie after its length in eight bytes."""
    length = int.from_bytes(content[:8], "little")
    try:
        if len(content) < 8 + length:
            raise ValueError("it is cut short")
        header = parse_json(content[8 : 8 + length])
        return {str(name): str(text) for name, text in header.get("__metadata__", {}).items()}
    except (ValueError, AttributeError) as error:
        raise BehaviourError(f"the file is not safetensors ({error})") from error


def _value(text: str) -> object:
    """Returns the JSON value that a string spells, or the string itself."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def _numbers(
    tensors: dict[str, NDArray[Any]], name: str, dtype: type[np.floating[Any]]
) -> NDArray[Any]:
    if name not in tensors:
        raise BehaviourError(f"the file lacks {name}")
    if tensors[name].dtype.kind != "f":
        raise BehaviourError(f"{name} must be floating-point numbers, got {tensors[name].dtype}")
    return tensors[name].astype(dtype)
