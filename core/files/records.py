"""Reads delimited text record by record, and strictly: a cell out of place is told, never moved."""

import csv
import io
from collections.abc import Iterator

# Long cells are refused as bad rows later; the csv module would resume parsing inside the cell.
csv.field_size_limit(2**31 - 1)


def records(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yields (number, cells or an error in words) of every record but blank lines; number 0 is the header."""
    # Without `strict`, a cell with a stray quotation mark would be altered silently.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
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


def miscounted(fields: int, expected: int, delimiter: str) -> str:
    """Returns what is wrong with a record that has another number of cells than the header."""
    message = f"it has {fields} field{'' if fields == 1 else 's'} where the header has {expected}"
    hint = f" (a cell with {delimiter!r} in it needs quotation marks)" if fields > expected else ""
    return message + hint
