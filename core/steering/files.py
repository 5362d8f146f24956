"""Directions as files: safetensors for all that is known of one, GGUF to share with other programs."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from core.errors import BehaviourError
from core.models.loading import LoadedModel
from core.spec import DirectionPosition
from core.steering.build import Direction

FORMAT = "tailscope-direction"
FORMAT_VERSION = 1
ENDINGS = (".safetensors", ".gguf")
MAX_FILE_BYTES = 256_000_000


@dataclass(frozen=True)
class DirectionMeta:
    """Where a direction comes from; empty where a file does not tell.

    missing: blocks, counted from 0, of which the file holds no direction; their vectors are zero.
    open_ended: whether blocks may follow that the file does not name.
    """

    behaviour: str = ""
    model: str = ""
    model_fingerprint: str = ""
    missing: tuple[int, ...] = ()
    open_ended: bool = False

    @classmethod
    def of(cls, loaded: LoadedModel, behaviour: str) -> "DirectionMeta":
        """Returns what is told of a direction that was read in this model."""
        return cls(behaviour, loaded.name, loaded.fingerprint)


def save_direction(path: Path, direction: Direction, meta: DirectionMeta) -> None:
    """Writes a direction in the format that the path's ending names, in place of a file that is there.

    Raises:
        BehaviourError: the ending is neither, the file cannot be written, or gguf is not installed.
    """
    content = direction_bytes(direction, meta, path.suffix)
    try:
        # Beside it and then renamed: half a file must never take a whole one's place.
        beside = path.with_name(f"{path.name}.{os.getpid()}.part")
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        raise BehaviourError(f"{str(path)!r} cannot be written: {error.strerror}") from error


def direction_bytes(direction: Direction, meta: DirectionMeta, ending: str) -> bytes:
    """Returns a direction's file. ending: one of ENDINGS. Raises: as `save_direction`."""
    if ending.lower() == ".gguf":
        from core.steering.gguf_files import gguf_bytes

        return gguf_bytes(direction, meta)
    if ending.lower() != ".safetensors":
        raise BehaviourError(
            f"a direction's file must end in {' or '.join(ENDINGS)}, got {ending!r}"
        )
    blocks, hidden = direction.vectors.shape
    told = {
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
    return bytes(save_tensors(tensors, metadata=told))


def load_direction(path: Path) -> tuple[Direction, DirectionMeta]:
    """Returns the direction in a file, and where it comes from.

    Raises:
        BehaviourError: there is none that can be used; one sentence names the file and what is wrong.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise BehaviourError(
                f"direction {str(path)!r} must be at most {MAX_FILE_BYTES:,} bytes, got {size:,}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise BehaviourError(f"direction {str(path)!r} cannot be read: {error.strerror}") from error
    return parse_direction(content, str(path))


def parse_direction(content: bytes, name: str) -> tuple[Direction, DirectionMeta]:
    """Returns the direction in a file's content, of an upload say. name: its ending tells the format.

    Raises: as `load_direction`.
    """
    ending = Path(name).suffix.lower()
    try:
        if ending not in ENDINGS:
            raise BehaviourError(f"the name must end in {' or '.join(ENDINGS)}, got {ending!r}")
        if ending == ".gguf":
            from core.steering.gguf_files import parse_gguf

            found = parse_gguf(content)
        else:
            found = _parse_safetensors(content)
        check_direction(found[0])
    except BehaviourError as error:
        raise BehaviourError(f"direction {name!r}: {error}") from error
    return found


def check_direction(direction: Direction) -> None:
    """Raises BehaviourError if shapes do not fit together, a number is not finite, or all are zero."""
    vectors = direction.vectors
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise BehaviourError(
            f"vectors must have the shape (blocks, hidden), got {tuple(vectors.shape)}"
        )
    for name, values in (
        ("activation_norm", direction.activation_norm),
        ("separation", direction.separation),
    ):
        if values.shape != vectors.shape[:1]:
            raise BehaviourError(
                f"{name} must have one number for each of {len(vectors)} blocks, "
                f"got the shape {tuple(values.shape)}"
            )
        if np.isinf(values).any():
            raise BehaviourError(f"{name} must hold finite numbers, got an infinite one")
    if not np.isfinite(vectors).all():
        block = int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
        raise BehaviourError(
            f"vectors must hold finite numbers, and that of block {block} does not"
        )
    if not vectors.any():
        raise BehaviourError("all vectors are zero, so there is nothing to steer along")


def fitted(direction: Direction, meta: DirectionMeta, loaded: LoadedModel) -> Direction:
    """Returns a file's direction for a model; blocks that an open-ended file does not name get zeros.

    Raises:
        BehaviourError: hidden size or number of blocks do not fit the model; the sentence names both.
    """
    blocks, hidden = direction.vectors.shape
    wanted = len(loaded.blocks)
    if hidden != loaded.hidden_size or blocks > wanted or (blocks < wanted and not meta.open_ended):
        raise BehaviourError(
            f"a direction of {blocks} blocks and hidden size {hidden} does not fit {loaded.name}, "
            f"which has {wanted} blocks and hidden size {loaded.hidden_size}"
        )
    if blocks == wanted:
        return direction
    unknown = np.full(wanted - blocks, np.nan)
    rest = np.zeros((wanted - blocks, hidden), dtype=np.float32)
    return Direction(
        position=direction.position,
        vectors=np.concatenate([direction.vectors, rest]),
        activation_norm=np.concatenate([direction.activation_norm, unknown]),
        separation=np.concatenate([direction.separation, unknown]),
    )


def direction_note(meta: DirectionMeta, loaded: LoadedModel) -> str | None:
    """Returns what a person should know before using a file's direction in a model, or None."""
    if not meta.model_fingerprint:
        return (
            f"The file does not tell which model its direction was read in; it fits {loaded.name}."
        )
    if meta.model_fingerprint != loaded.fingerprint:
        return (
            f"This direction was read in other weights ({meta.model or 'a model without a name'}), "
            f"not in those of {loaded.name}: it can be used, and may do less."
        )
    return None


def checked_position(value: object) -> DirectionPosition:
    """Returns where a direction was read. Raises: BehaviourError if that is no such place."""
    for position in get_args(DirectionPosition):
        if value == position:
            known: DirectionPosition = position
            return known
    raise BehaviourError(
        f"position must be one of {', '.join(get_args(DirectionPosition))}, got {value!r:.80}"
    )


def meta_from(told: dict[str, Any]) -> DirectionMeta:
    """Returns what a file tells of itself; what is not as it should be counts as not told."""

    def text(name: str) -> str:
        value = told.get(name, "")
        return value[:200] if isinstance(value, str) else ""

    missing = told.get("missing", ())
    if not isinstance(missing, list | tuple) or not all(isinstance(one, int) for one in missing):
        missing = ()
    return DirectionMeta(
        behaviour=text("behaviour"),
        model=text("model"),
        model_fingerprint=text("model_fingerprint"),
        missing=tuple(missing),
        open_ended=told.get("open_ended") is True,
    )


def _parse_safetensors(content: bytes) -> tuple[Direction, DirectionMeta]:
    told = _metadata(content)
    if told.get("format") != FORMAT:
        raise BehaviourError("this is no direction that Tailscope has written")
    if told.get("format_version") != str(FORMAT_VERSION):
        raise BehaviourError(
            f"format version must be {FORMAT_VERSION}, got {told.get('format_version')!r:.40}"
        )
    try:
        tensors = load_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise BehaviourError(f"the file is damaged ({error})") from error
    direction = Direction(
        position=checked_position(told.get("position")),
        vectors=_numbers(tensors, "vectors", np.float32),
        activation_norm=_numbers(tensors, "activation_norm", np.float64),
        separation=_numbers(tensors, "separation", np.float64),
    )
    return direction, meta_from({name: _value(text) for name, text in told.items()})


def _metadata(content: bytes) -> dict[str, str]:
    """Returns the strings of a safetensors header, which lie after its length in eight bytes."""
    length = int.from_bytes(content[:8], "little")
    try:
        if len(content) < 8 + length:
            raise ValueError("it is cut short")
        header = json.loads(content[8 : 8 + length])
        return {str(name): str(text) for name, text in header.get("__metadata__", {}).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise BehaviourError(f"the file is not safetensors ({error})") from error


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _numbers(
    tensors: dict[str, NDArray[Any]], name: str, dtype: type[np.floating[Any]]
) -> NDArray[Any]:
    if name not in tensors:
        raise BehaviourError(f"the file lacks {name}")
    if tensors[name].dtype.kind != "f":
        raise BehaviourError(f"{name} must be floating-point numbers, got {tensors[name].dtype}")
    return tensors[name].astype(dtype)
