"""Numbered rows: the form into which every kind of table is read first."""

import re
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.errors import SpecError

# Halves of surrogate pairs, which no file can hold; bytes that are not UTF-8 become such.
HALF_PAIR = re.compile("[\ud800-\udfff]")
MAX_COLUMNS = 1_000
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
    """A row that could be parsed. cells: by column, or a single text."""

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


def plain_name(name: object) -> str:
    """Returns a column's name in the form used for comparison: "Query ID" and "query_id" are the same."""
    return re.sub(r"[\s_-]+", "", str(name)).lower()


def check_distinct(columns: Sequence[object], known: Collection[str]) -> None:
    """Checks that no column is there twice: which one is meant, nobody can tell.

    columns: names; blank ones name nothing. known: those that are read, in any spelling.

    Raises:
        SpecError: two names are equal, or two spellings of a known one; the message begins with its verb.
    """
    read = set(map(plain_name, known))
    seen: dict[str, object] = {}
    for column in columns:
        plain = plain_name(column)
        if not plain:
            continue
        first = seen.setdefault(plain if plain in read else str(column), column)
        if first is not column or columns.count(column) > 1:
            raise SpecError(
                f"must have each column once, got {shown(first)} and {shown(column)}; name one of them "
                "otherwise, or take it out"
            )


def shown(value: object) -> str:
    """Returns a value as text for a message: short, on one line."""
    return "null" if value is None else reprlib.repr(value)
