"""Rows of JSON and JSON Lines files."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from core.errors import SpecError
from core.files.json_text import json_lines, parse_json
from core.files.rows import BadRow, Row, Table, plain_name, shown


def json_table(text: str, known: Collection[str], *, by_line: bool) -> Table:
    """Returns the rows of a JSON list, of a JSON object of columns, or of JSON Lines.

    known: names by which columns are recognised. by_line: what the ending of the file's name says; the
    content decides if the two disagree.

    Raises:
        SpecError: the text is not JSON, or nothing in it looks like rows.
    """
    try:
        data = parse_json(text)
    except json.JSONDecodeError as error:
        # Several values in a row are JSON Lines, whatever the file is called.
        if by_line or str(error).startswith("Extra data"):
            return _table(list(_lines(text)), "line")
        raise SpecError(f"is not JSON: {error}") from None
    if by_line and not isinstance(data, list):
        return _table(list(_lines(text)), "line")
    records = enumerate(_records(data, known), start=1)
    return _table([_row(number, value) for number, value in records], "row")


def _lines(text: str) -> Iterator[Row | BadRow]:
    for number, line in json_lines(text):
        try:
            yield _row(number, parse_json(line))
        except json.JSONDecodeError as error:
            yield BadRow(number, f"it is not JSON ({error.msg} at character {error.colno})")


def _row(number: int, value: object) -> Row | BadRow:
    if isinstance(value, str | dict):
        return Row(number, value)
    return BadRow(number, f"it must be a text or an object, got {shown(value)}")


def _table(rows: Sequence[Row | BadRow], counted: str) -> Table:
    columns: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Row) and isinstance(row.cells, Mapping):
            columns |= dict.fromkeys(row.cells)
    return Table(tuple(columns), lambda _: iter(rows), counted)


def _records(data: Any, known: Collection[str]) -> Sequence[object]:
    """Returns the rows in a JSON value: a list, an object with one list in it, columns, or one row."""
    if isinstance(data, str):
        return [data]
    if isinstance(data, list):
        return data
    if not isinstance(data, dict):
        raise SpecError(f"must be a list or an object, got {shown(data)}")
    recognised = not set(map(plain_name, known)).isdisjoint(map(plain_name, data))
    if data and recognised:
        if all(isinstance(values, list) for values in data.values()):
            return _from_lists(data)
        if all(isinstance(values, dict) for values in data.values()):
            return _from_objects(data)
    lists = {name: value for name, value in data.items() if isinstance(value, list)}
    if len(lists) == 1:
        (only,) = lists.values()
        # A single row may also hold a list, of tags for instance, but not a list of objects.
        if not recognised or any(isinstance(value, dict) for value in only):
            return only
    if recognised:
        return [data]
    held = ", ".join(map(shown, list(data)[:20])) or "nothing"
    raise SpecError(f"must hold one list of rows, got an object with {held}")


def _from_lists(columns: Mapping[str, list[object]]) -> list[object]:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"{shown(name)} with {length:,}" for name, length in lengths.items())
        raise SpecError(f"must have columns of one length, got {described}")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def _from_objects(columns: Mapping[str, Mapping[str, object]]) -> list[object]:
    """Returns the rows of an object as pandas writes it: each column maps row labels to values."""
    labels = dict.fromkeys(label for values in columns.values() for label in values)
    return [
        {name: values[label] for name, values in columns.items() if label in values}
        for label in labels
    ]
