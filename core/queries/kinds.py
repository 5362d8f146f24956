"""Chooses the reader of a file by the ending of its name and by its first bytes."""

import codecs
import io
from collections.abc import Iterator
from pathlib import PurePath

from core.errors import SpecError
from core.queries.json_rows import json_table
from core.queries.rows import Row, Table
from core.queries.tables import csv_table, parquet_table

MAX_FILE_BYTES = 64_000_000

_TEXT = ("", ".txt", ".text")
_CSV = (".csv", ".tsv", ".tab")
_JSON = (".json", ".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
_EXCEL = (".xls", ".xlsx", ".xlsm", ".xlsb", ".ods")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar", ".tar", ".tgz")
# The first bytes of each; "PK" begins ZIP files, and Excel's are such.
_COMPRESSED_BYTES = (
    b"\x1f\x8b",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
)
_ZIP_BYTES = b"PK\x03\x04"
_OLD_EXCEL_BYTES = b"\xd0\xcf\x11\xe0"
_PARQUET_BYTES = b"PAR1"


def read_table(name: str, content: bytes) -> Table:
    """Returns a file's rows.

    Raises:
        SpecError: the file is empty, too large, or of a kind that is not read. The message begins with its
            verb; the caller puts the file's name before it.
    """
    ending = PurePath(name).suffix.lower()
    if len(content) > MAX_FILE_BYTES:
        raise SpecError(
            f"must be at most {MAX_FILE_BYTES:,} bytes, got {len(content):,} or more; split it"
        )
    _refuse_others(ending, content)
    if not content.strip():
        raise SpecError("must hold at least one query, got none: the file is empty")
    if ending in _PARQUET or content.startswith(_PARQUET_BYTES):
        return parquet_table(content)
    text = _decoded(content)
    if ending in _CSV:
        return csv_table(text, tabs_first=ending != ".csv")
    if ending in _JSON:
        return json_table(text, by_line=ending != ".json")
    return _lines(text)


def _refuse_others(ending: str, content: bytes) -> None:
    """Raises SpecError if files of this kind are not read."""
    zipped = content.startswith(_ZIP_BYTES)
    if ending in _EXCEL or content.startswith(_OLD_EXCEL_BYTES) or (zipped and b"xl/" in content):
        raise SpecError("is a spreadsheet; save it as CSV (UTF-8) and give that")
    if ending in _COMPRESSED or zipped or content.startswith(_COMPRESSED_BYTES):
        raise SpecError("is compressed; unpack it and give the file inside")
    known = (*_CSV, *_JSON, *_PARQUET, *_TEXT[1:])
    if ending not in known and ending not in _TEXT:
        raise SpecError(f"must end in {', '.join(known[:-1])} or {known[-1]}, got {ending!r}")


def _decoded(content: bytes) -> str:
    """Returns the text; bytes that are not UTF-8 become lone surrogates, which the checks of rows report."""
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-8-sig", errors="surrogateescape")
    try:
        return content.decode("utf-16")
    except UnicodeDecodeError as error:
        raise SpecError(
            f"begins as UTF-16 but is not ({error.reason} at byte {error.start:,}); save it as UTF-8"
        ) from None


def _lines(text: str) -> Table:
    """Returns the lines of a text, stripped; blank lines are skipped."""

    def rows(_: object) -> Iterator[Row]:
        for number, line in enumerate(io.StringIO(text, newline=None), start=1):
            if line.strip():
                yield Row(number, line.strip())

    return Table((), rows, counted="line")
