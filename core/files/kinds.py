"""Chooses the reader of a file by the ending of its name and by its first bytes."""

import codecs
import io
from collections.abc import Collection, Iterator
from pathlib import PurePath

from core.errors import SpecError
from core.files.json_rows import json_table
from core.files.rows import HALF_PAIR, MAX_COLUMNS, Row, Table, check_distinct
from core.files.tables import csv_table, parquet_table

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


def read_table(
    name: str, content: bytes, known: Collection[str], *, wanted: str = "row", as_csv: bool = False
) -> Table:
    """Returns a file's table; the ending of its name gives the kind.

    Parameters
    ----------
    known
        Names of columns, in any spelling, by which a header is recognised; of each there may be but one.
    wanted
        What a row is called in messages, such as "query".
    as_csv
        Whether text of no known ending is CSV, in which blanks after a delimiter say nothing, and all of it
        must be UTF-8; else each of its lines is a row, and bytes that are not spoil their row alone.

    Raises
    ------
    SpecError
        The file is empty, too large, of a kind that is not read, or has a column twice. The message begins
        with its verb; the caller puts the file's name before it.
    """
    table = _read(name, content, known, wanted, as_csv)
    if len(table.columns) > MAX_COLUMNS:
        raise SpecError(f"must have at most {MAX_COLUMNS:,} columns, got {len(table.columns):,}")
    check_distinct(table.columns, known)
    return table


def _read(name: str, content: bytes, known: Collection[str], wanted: str, as_csv: bool) -> Table:
    ending = PurePath(name).suffix.lower()
    if len(content) > MAX_FILE_BYTES:
        raise SpecError(
            f"must be at most {MAX_FILE_BYTES:,} bytes, got {len(content):,} or more; split it"
        )
    _refuse_others(ending, content, any_ending=as_csv)
    if not content.strip():
        raise SpecError(f"must hold at least one {wanted}, got none: the file is empty")
    if ending in _PARQUET or content.startswith(_PARQUET_BYTES):
        return parquet_table(content)
    text = _decoded(content)
    if as_csv and (HALF_PAIR.search(text) or "\0" in text):
        raise SpecError(
            "is not UTF-8; save it as that" if "\0" not in text else "is no text; save it as CSV"
        )
    if ending in _JSON:
        return json_table(text, known, by_line=ending != ".json")
    if ending in _CSV or as_csv:
        tabs_first = ending in _CSV and ending != ".csv"
        return csv_table(text, known, tabs_first=tabs_first, padded=as_csv)
    return _lines(text)


def _refuse_others(ending: str, content: bytes, *, any_ending: bool) -> None:
    """Raises SpecError if files of this kind are not read."""
    zipped = content.startswith(_ZIP_BYTES)
    if ending in _EXCEL or content.startswith(_OLD_EXCEL_BYTES) or (zipped and b"xl/" in content):
        raise SpecError("is a spreadsheet; save it as CSV (UTF-8) and give that")
    if ending in _COMPRESSED or zipped or content.startswith(_COMPRESSED_BYTES):
        raise SpecError("is compressed; unpack it and give the file inside")
    known = (*_CSV, *_JSON, *_PARQUET, *_TEXT[1:])
    if ending not in known and ending not in _TEXT and not any_ending:
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
