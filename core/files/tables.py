"""Rows of CSV, TSV and parquet files."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from core.errors import SpecError
from core.files.rows import MAX_COLUMNS, MAX_ROWS, BadRow, Row, Table, plain_name

MAX_UNPACKED_BYTES = 1_000_000_000
_DELIMITERS = (",", ";", "\t")
_BROKEN_PARQUET = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError)

# Long cells are refused as bad rows later; the csv module would resume parsing inside the cell.
csv.field_size_limit(2**31 - 1)


def csv_table(text: str, known: Collection[str], *, tabs_first: bool, padded: bool) -> Table:
    """Returns a table whose cells are separated by comma, semicolon or tab; the header decides which.

    A row with another number of fields than the header is a bad row: which of its cells is which column's,
    nobody can tell.

    known: names by which a header is recognised. padded: whether blanks around a cell say nothing, nor a
    delimiter that ends every row, as some programs write it.

    Raises:
        SpecError: there is no header.
    """
    delimiter, header = _header_row(text, known, tabs_first, padded)
    if not header:
        raise SpecError("must begin with a row that names the columns")
    ended = padded and _all_end_in_a_delimiter(text, delimiter, len(header))
    if ended and not header[-1].strip():
        header = header[:-1]

    def rows(wanted: Sequence[str]) -> Iterator[Row | BadRow]:
        places = [(name, header.index(name)) for name in wanted]
        records = _records(text, delimiter, padded)
        next(records)
        for number, cells in records:
            if isinstance(cells, str):
                yield BadRow(number, cells)
                continue
            held = cells[:-1] if ended else cells
            if len(held) != len(header):
                yield BadRow(number, _miscounted(held, len(header), delimiter))
            else:
                found = [cell.strip() for cell in held] if padded else held
                yield Row(number, {name: found[place] for name, place in places})

    return Table(tuple(header), rows)


def _header_row(
    text: str, known: Collection[str], tabs_first: bool, padded: bool
) -> tuple[str, list[str]]:
    """Returns the delimiter that makes most of the header, and the header's names."""
    order = ("\t", ",", ";") if tabs_first else _DELIMITERS
    headers = {delimiter: _header(text, delimiter, padded) for delimiter in order}
    read = set(map(plain_name, known))

    def fitness(delimiter: str) -> tuple[bool, int]:
        header = headers[delimiter]
        return not read.isdisjoint(map(plain_name, header[:MAX_COLUMNS])), len(header)

    # Of equally good delimiters the first wins.
    delimiter = max(order, key=fitness)
    return delimiter, headers[delimiter]


def _all_end_in_a_delimiter(text: str, delimiter: str, width: int) -> bool:
    """Returns whether every row ends in a delimiter after which there is nothing, and begins no cell there.

    width: of the header, which may end in one too.
    """
    records = _records(text, delimiter, padded=True)
    _, header = next(records)
    widths = {width + bool(header[-1].strip())}
    for _, cells in records:
        if isinstance(cells, str) or len(cells) not in widths or cells[-1].strip():
            return False
    return width > 1


def _header(text: str, delimiter: str, padded: bool) -> list[str]:
    _, cells = next(_records(text, delimiter, padded), (0, []))
    return [] if isinstance(cells, str) else cells


def _records(text: str, delimiter: str, padded: bool) -> Iterator[tuple[int, list[str] | str]]:
    """Yields (number, cells or an error in words) of every record but blank lines; number 0 is the header."""
    # Without `strict`, a cell with a stray quotation mark would be altered silently.
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=padded
    )
    number = 0
    while True:
        line = reader.line_num + 1
        try:
            cells: list[str] | str = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            where = f"line {line}" if line >= reader.line_num else f"lines {line}-{reader.line_num}"
            cells = f"a quotation mark is out of place in {where} ({error})"
        if cells:
            yield number, cells
            number += 1


def parquet_table(content: bytes) -> Table:
    """Returns a parquet file's table.

    Raises:
        SpecError: the content is not parquet, or is too large.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        schema, metadata = file.schema_arrow, file.metadata
        unpacked = sum(
            metadata.row_group(k).total_byte_size for k in range(metadata.num_row_groups)
        )
    except _BROKEN_PARQUET as error:
        raise _not_parquet(error) from None
    if metadata.num_rows > MAX_ROWS:
        raise SpecError(f"must have at most {MAX_ROWS:,} rows, got {metadata.num_rows:,}")
    if unpacked > MAX_UNPACKED_BYTES:
        raise SpecError(f"must unpack to at most {MAX_UNPACKED_BYTES:,} bytes, got {unpacked:,}")

    def rows(wanted: Sequence[str]) -> Iterator[Row]:
        try:
            table = file.read(columns=list(wanted))
            columns = [_values(table.column(table.schema.names.index(name))) for name in wanted]
        except _BROKEN_PARQUET as error:
            raise _not_parquet(error) from None
        for number, cells in enumerate(zip(*columns, strict=True), start=1):
            yield Row(number, dict(zip(wanted, cells, strict=True)))

    if not schema.names:
        raise SpecError("must have a column, got none")
    return Table(tuple(schema.names), rows)


def _values(column: Any) -> list[object]:
    """Returns a column's values; texts are decoded one by one, so that invalid bytes spoil their row only."""
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_string(column.type) or types.is_large_string(column.type):
        column = column.cast(pa.large_binary())
    return [
        value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
        for value in column.to_pylist()
    ]


def _not_parquet(error: Exception) -> SpecError:
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    return SpecError(f"could not be read as parquet: {reason}")


def _miscounted(cells: Sequence[str], expected: int, delimiter: str) -> str:
    fields = len(cells)
    message = f"it has {fields} field{'' if fields == 1 else 's'} where the header has {expected}"
    if fields <= expected:
        return message
    if not any(map(str.strip, cells[expected:])):
        return f"{message} (it ends in {delimiter!r}; let the header end in it too, or no row)"
    return f"{message} (a cell with {delimiter!r} in it needs quotation marks)"
