"""Sealed bytes: a body with its kind, its key and a SHA-256 over all three.

Layout: magic (8 bytes), digest (32), length of the label (4, little endian), label, body.
The label is "kind:key", padded with zeros so that the body begins at a multiple of 8 bytes and arrays in
it are aligned. Because the key is inside, an entry under a wrong key is detected, and a lost index can be
rebuilt from the entries alone.
"""

from __future__ import annotations

import hashlib
import struct

from cache.errors import DamagedError

MAGIC = b"TAILSC01"
_DIGEST_END = len(MAGIC) + hashlib.sha256().digest_size
_LABEL_START = _DIGEST_END + 4


def seal(label: str, body: bytes | bytearray) -> bytes:
    """Returns body sealed under label."""
    name = label.encode("utf-8")
    name += bytes(-(_LABEL_START + len(name)) % 8)
    head = struct.pack("<I", len(name)) + name
    digest = hashlib.sha256(head)
    digest.update(body)
    return b"".join((MAGIC, digest.digest(), head, body))


def unseal(sealed: bytes) -> tuple[str, memoryview]:
    """Returns (label, body) of sealed bytes; the body is a view, not a copy.

    Raises: DamagedError if a single bit differs from what was sealed.
    """
    if len(sealed) < _LABEL_START:
        raise DamagedError(f"it is cut off after {len(sealed)} bytes")
    if sealed[: len(MAGIC)] != MAGIC:
        raise DamagedError("it does not begin like a Tailscope entry")
    view = memoryview(sealed)
    if hashlib.sha256(view[_DIGEST_END:]).digest() != sealed[len(MAGIC) : _DIGEST_END]:
        raise DamagedError("its checksum does not match")
    (length,) = struct.unpack_from("<I", sealed, _DIGEST_END)
    body_start = _LABEL_START + length
    if body_start > len(sealed):
        raise DamagedError("its label is longer than the entry")
    return str(view[_LABEL_START:body_start], "utf-8").rstrip("\0"), view[body_start:]
