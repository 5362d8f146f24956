"""Shards: named arrays and some JSON, encoded as plain bytes without pickle."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cache.errors import DamagedError

# Little endian on every machine, so that a store can be copied between them.
DTYPES: dict[str, np.dtype[Any]] = {
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "bool": np.dtype("?"),
}
ALIGNMENT = 8


@dataclass(frozen=True, eq=False)
class Shard:
    """Arrays by name, of int32, int64, float32, float64 or bool, and metadata that JSON can hold.

    Arrays that come out of a store are read-only views; copy one to change it.
    """

    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Returns the size of all arrays, in bytes."""
        return sum(array.nbytes for array in self.arrays.values())


def encode(shard: Shard) -> bytearray:
    """Returns the shard as bytes: length of a JSON header (8 bytes), header, then the arrays.

    Raises: TypeError for another dtype, or for metadata that JSON cannot hold.
    """
    arrays = []
    fields = []
    for name, array in shard.arrays.items():
        dtype = _stored_dtype(name, array)
        # Not ascontiguousarray, which turns a single number into an array of one.
        plain = np.asarray(array, dtype=dtype, order="C")
        arrays.append(plain)
        fields.append({"name": name, "dtype": plain.dtype.name, "shape": list(plain.shape)})
    header = json.dumps({"arrays": fields, "meta": dict(shard.meta)}).encode("utf-8")
    body = bytearray(struct.pack("<Q", len(header)) + header)
    for plain in arrays:
        body.extend(bytes(-len(body) % ALIGNMENT))
        body.extend(plain.tobytes())
    return body


def decode(body: memoryview) -> Shard:
    """Returns the shard held by bytes from `encode`; its arrays are read-only.

    Raises: DamagedError if the bytes cannot have come from `encode`.
    """
    try:
        (length,) = struct.unpack_from("<Q", body)
        header = json.loads(bytes(body[8 : 8 + length]))
        arrays: dict[str, NDArray[Any]] = {}
        start = 8 + length
        for entry in header["arrays"]:
            start += -start % ALIGNMENT
            dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
            count = int(np.prod(shape, dtype=np.int64))
            flat = np.frombuffer(body, dtype=dtype, count=count, offset=start) if count else None
            array = np.empty(shape, dtype) if flat is None else flat.reshape(shape)
            array.flags.writeable = False
            arrays[entry["name"]] = array
            start += array.nbytes
        return Shard(arrays, header["meta"])
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"its content makes no sense ({error})") from error


def _stored_dtype(name: str, array: NDArray[Any]) -> np.dtype[Any]:
    if not isinstance(array, (np.ndarray, np.generic)):
        raise TypeError(f"array {name!r} must be a numpy array, got {type(array).__name__}")
    dtype = DTYPES.get(array.dtype.name)
    if dtype is None:
        accepted = ", ".join(DTYPES)
        raise TypeError(f"array {name!r} must be one of {accepted}, got {array.dtype.name}")
    return dtype
