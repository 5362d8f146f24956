"""Directions as GGUF control vectors, which llama.cpp and repeng read and write.

Numbering. llama.cpp adds the tensor `direction.N` to the residual stream after block N, counted from 0 as
here; it refuses a `direction.0`. Block 0's vector therefore goes into the file's metadata.

Sign and scale. A control vector is added, and by convention towards what it is named for; a `steer`
proposal subtracts strength * r, with r from unsafe to safe. The file holds -r: with
`--control-vector-scaled FILE:s --control-vector-layer-range N N` llama.cpp pushes as a `steer` of strength s
at block N does. A vector that is read is turned round again, so that a positive strength pushes towards what
it was made for.
"""

import json
import re
import tempfile
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BehaviourError
from core.steering.direction import (
    MAX_FILE_BYTES,
    MAX_META_CHARACTERS,
    Direction,
    DirectionMeta,
    checked_position,
)

ARCHITECTURE = "controlvector"
OWN_KEY = "tailscope.direction"
TENSOR = re.compile(r"direction\.(\d{1,4})")
HOW_TO_INSTALL = "pip install -r requirements.txt"


def gguf_installed() -> bool:
    """Returns whether GGUF files can be read and written here."""
    return find_spec("gguf") is not None


def gguf_bytes(direction: Direction, meta: DirectionMeta) -> bytes:
    """Returns a direction as a GGUF control vector, with what else is known of it in its metadata.

    Raises:
        BehaviourError: gguf is not installed, or there is nothing but block 0, which GGUF cannot name.
    """
    gguf = _gguf()
    if not direction.vectors[1:].any():
        raise BehaviourError(
            "a GGUF control vector needs a direction after block 1 or later; save it as safetensors"
        )
    fields = {
        "position": direction.position,
        "block_0": direction.vectors[0].tolist(),
        "activation_norm": np.asarray(direction.activation_norm, np.float64).tolist(),
        "separation": np.asarray(direction.separation, np.float64).tolist(),
        **asdict(meta),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "direction.gguf"
        writer = gguf.GGUFWriter(path, ARCHITECTURE)
        writer.add_string(f"{ARCHITECTURE}.model_hint", meta.model)
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(direction.vectors) - 1)
        writer.add_string(OWN_KEY, json.dumps(fields))
        for block, vector in enumerate(direction.vectors[1:], start=1):
            writer.add_tensor(f"direction.{block}", np.ascontiguousarray(-vector))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def parse_gguf(content: bytes) -> tuple[Direction, DirectionMeta]:
    """Returns the direction in a GGUF control vector; blocks that it leaves out have zero vectors.

    Raises:
        BehaviourError: gguf is not installed, or the content is no control vector.
    """
    gguf = _gguf()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "direction.gguf"
        path.write_bytes(content)
        try:
            reader = gguf.GGUFReader(path)
            fields = {
                name: reader.fields[name].contents()
                for name in ("general.architecture", f"{ARCHITECTURE}.model_hint", OWN_KEY)
                if name in reader.fields
            }
            if fields.get("general.architecture") != ARCHITECTURE:
                raise BehaviourError(
                    f"general.architecture must be {ARCHITECTURE!r}, "
                    f"got {fields.get('general.architecture')!r:.60}"
                )
            # Copied: the reader's arrays end with its file.
            vectors = {
                _block(tensor.name): -_float32(tensor.data, tensor.name)
                for tensor in reader.tensors
            }
        except BehaviourError:
            raise
        # Whatever the reader stumbles over in a file that is none; it has no error of its own.
        except (ValueError, LookupError, TypeError, ArithmeticError, OSError, MemoryError) as error:
            raise BehaviourError(f"the file is not GGUF, or damaged ({error})") from error
    if not vectors:
        raise BehaviourError("the control vector holds no direction")
    own = fields.get(OWN_KEY)
    if own is not None:
        return _written_here(str(own), vectors)
    hint = fields.get(f"{ARCHITECTURE}.model_hint")
    return _written_elsewhere(hint if isinstance(hint, str) else "", vectors)


def _written_here(
    text: str, vectors: dict[int, NDArray[np.float32]]
) -> tuple[Direction, DirectionMeta]:
    """Returns what `gguf_bytes` has written."""
    try:
        fields: dict[str, Any] = json.loads(text)
        first = np.asarray(fields["block_0"], dtype=np.float32)
        norm = np.asarray(fields["activation_norm"], dtype=np.float64)
        separation = np.asarray(fields["separation"], dtype=np.float64)
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BehaviourError(f"its field {OWN_KEY} is damaged ({error})") from error
    stacked, missing = _stacked({0: first, **vectors})
    direction = Direction(checked_position(fields.get("position")), stacked, norm, separation)
    meta = DirectionMeta.from_fields(fields)
    return direction, replace(meta, missing=tuple(sorted({*meta.missing, *missing})))


def _written_elsewhere(
    model: str, vectors: dict[int, NDArray[np.float32]]
) -> tuple[Direction, DirectionMeta]:
    """Returns what another program has written: it tells nothing but the vectors."""
    stacked, missing = _stacked(vectors)
    unknown = np.full(len(stacked), np.nan)
    direction = Direction("answer_mean", stacked, unknown, unknown.copy())
    return direction, DirectionMeta(
        model=model[:MAX_META_CHARACTERS], missing=missing, open_ended=True
    )


def _stacked(
    vectors: dict[int, NDArray[np.float32]],
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Returns vectors (blocks, hidden) up to the last block named, and the blocks that have none."""
    shapes = {vector.shape for vector in vectors.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise BehaviourError(
            f"all directions must be of one length, got the shapes {sorted(shapes)!r:.120}"
        )
    (hidden,) = shapes.pop()
    if (max(vectors) + 1) * hidden * 4 > MAX_FILE_BYTES:
        raise BehaviourError(
            f"direction.{max(vectors)} of length {hidden:,} is too large a direction"
        )
    stacked = np.zeros((max(vectors) + 1, hidden), dtype=np.float32)
    for block, vector in vectors.items():
        stacked[block] = vector
    return stacked, tuple(block for block in range(len(stacked)) if block not in vectors)


def _block(name: str) -> int:
    found = TENSOR.fullmatch(name)
    if found is None:
        raise BehaviourError(
            f"its tensors must be called direction.1, direction.2, ..., got {name!r:.60}"
        )
    return int(found[1])


def _float32(values: NDArray[Any], name: str) -> NDArray[np.float32]:
    if values.dtype.kind != "f":
        raise BehaviourError(f"{name} must be float32, got {values.dtype}")
    return np.array(values, dtype=np.float32)


def _gguf() -> Any:
    """Returns the module."""
    if not gguf_installed():
        raise BehaviourError(f"GGUF files need the package gguf; install it: {HOW_TO_INSTALL}")
    import gguf

    return gguf
