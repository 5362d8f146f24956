"""Rows of CSV, TSV and parquet files."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from core.errors import SpecError
from core.files.records import miscounted, records
from core.queries.columns import MAX_COLUMNS, recognises
from core.queries.rows import MAX_ROWS, BadRow, Row, Table

MAX_UNPACKED_BYTES = 1_000_000_000
_DELIMITERS = (",", ";", "\t")
_BROKEN_PARQUET = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError)


def csv_table(text: str, tabs_first: bool) -> Table:
    """Returns a table whose cells are separated by comma, semicolon or tab; the header decides which.

    Raises:
        SpecError: there is no header.
    """
    order = ("\t", ",", ";") if tabs_first else _DELIMITERS
    headers = {delimiter: _header(text, delimiter) for delimiter in order}
    # Of equally good delimiters the first wins.
    delimiter = max(
        order, key=lambda each: (recognises(headers[each][:MAX_COLUMNS]), len(headers[each]))
    )
    header = headers[delimiter]
    if not header:
        raise SpecError("must begin with a row that names the columns")

    def rows(wanted: Sequence[str]) -> Iterator[Row | BadRow]:
        places = [(name, header.index(name)) for name in wanted]
        found = records(text, delimiter)
        next(found)
        for number, cells in found:
            if isinstance(cells, str):
                yield BadRow(number, cells)
            elif len(cells) != len(header):
                yield BadRow(number, miscounted(len(cells), len(header), delimiter))
            else:
                yield Row(number, {name: cells[place] for name, place in places})

    return Table(tuple(header), rows)


def _header(text: str, delimiter: str) -> list[str]:
    _, cells = next(records(text, delimiter), (0, []))
    return [] if isinstance(cells, str) else cells


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
        raise SpecError("must have a column with the queries, got none")
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
