"""Saving and loading directions, in the format that a file's ending names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import BehaviourError
from core.settings.atomic import replacing
from core.steering.direction import MAX_FILE_BYTES, Direction, DirectionMeta, check_direction
from core.steering.gguf_file import gguf_bytes, parse_gguf
from core.steering.safetensors_file import parse_safetensors, safetensors_bytes


@dataclass(frozen=True)
class FileFormat:
    """How a direction becomes a file's content, and how it is read back."""

    content: Callable[[Direction, DirectionMeta], bytes]
    parse: Callable[[bytes], tuple[Direction, DirectionMeta]]


FORMATS = {
    ".safetensors": FileFormat(safetensors_bytes, parse_safetensors),
    ".gguf": FileFormat(gguf_bytes, parse_gguf),
}
ENDINGS = tuple(FORMATS)


def save_direction(path: Path, direction: Direction, meta: DirectionMeta) -> None:
    """Writes a direction in the format that the path's ending names, in place of a file that is there.

    Raises:
        BehaviourError: the ending is neither, the file cannot be written, or gguf is not installed.
    """
    content = direction_bytes(direction, meta, path.suffix)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise BehaviourError(f"{str(path)!r} cannot be written: {error.strerror}") from error


def direction_bytes(direction: Direction, meta: DirectionMeta, ending: str) -> bytes:
    """Returns a direction's file. ending: one of ENDINGS. Raises: as `save_direction`."""
    kind = FORMATS.get(ending.lower())
    if kind is None:
        raise BehaviourError(
            f"a direction's file must end in {' or '.join(ENDINGS)}, got {ending!r}"
        )
    return kind.content(direction, meta)


def load_direction(path: Path) -> tuple[Direction, DirectionMeta]:
    """Returns the direction in a file, and where it comes from.

    Raises:
        BehaviourError: no direction there can be used; one sentence names the file and what is wrong.
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
        if ending not in FORMATS:
            raise BehaviourError(f"the name must end in {' or '.join(ENDINGS)}, got {ending!r}")
        direction, meta = FORMATS[ending].parse(content)
        check_direction(direction)
    except BehaviourError as error:
        raise BehaviourError(f"direction {name!r}: {error}") from error
    return direction, meta
