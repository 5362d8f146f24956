"""What every kind of file is turned into before its queries are looked at: rows with a number."""

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MAX_ROWS = 1_000_000


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used.

    row: its number as a person counts it. In CSV, TSV, JSON and parquet 1 is the first record, whatever
    lines it takes; blank lines of a CSV file do not count. In JSON Lines and text it is the line.
    reason: why, with the value.
    """

    row: int
    reason: str


@dataclass(frozen=True)
class Row:
    """A row that could be told from its neighbours; a single text is the query itself."""

    row: int
    cells: Mapping[str, object] | str


@dataclass(frozen=True)
class Table:
    """A file's columns, and its rows with at least the columns asked for.

    columns: empty where rows are single texts. counted: what the numbers count, "row" or "line".
    """

    columns: tuple[str, ...]
    rows: Callable[[Sequence[str]], Iterator[Row | BadRow]]
    counted: str = "row"


def shown(value: object) -> str:
    """Returns a value as it is named in a message: short, on one line."""
    return "null" if value is None else reprlib.repr(value)
