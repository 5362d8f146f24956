"""Numbered rows: the form into which every kind of query file is read first."""

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MAX_ROWS = 1_000_000


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used.

    row: its number, from 1. In CSV, TSV, JSON and parquet it counts records, however many lines each takes;
    blank lines of a CSV file do not count. In JSON Lines and text it counts lines.
    reason: why it cannot be used, with the value.
    """

    row: int
    reason: str


@dataclass(frozen=True)
class Row:
    """A row that could be parsed. cells: by column, or a single text, which is the query itself."""

    row: int
    cells: Mapping[str, object] | str


@dataclass(frozen=True)
class Table:
    """A file's columns, and a function that yields its rows.

    columns: empty where rows are single texts. rows: takes the columns wanted; may yield more. counted: what
    row numbers count, "row" or "line".
    """

    columns: tuple[str, ...]
    rows: Callable[[Sequence[str]], Iterator[Row | BadRow]]
    counted: str = "row"


def shown(value: object) -> str:
    """Returns a value as text for a message: short, on one line."""
    return "null" if value is None else reprlib.repr(value)
