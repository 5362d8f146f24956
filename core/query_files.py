"""Reads queries that a user keeps in a file."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from core.errors import SpecError
from core.spec import check_query


def read_queries(path: Path) -> tuple[str, ...]:
    """Returns the distinct queries of a CSV file's `query` column, or of a text file's lines, in order.

    Raises:
        SpecError: there is no such file, no such column or no query in it, or one cannot be asked.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SpecError(f"queries {str(path)!r} could not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SpecError(f"queries {str(path)!r} must be text in UTF-8") from error
    if path.suffix.lower() == ".csv":
        rows = csv.DictReader(io.StringIO(text))
        columns = rows.fieldnames or []
        if "query" not in columns:
            raise SpecError(
                f"queries {str(path)!r} must have a column 'query', got {', '.join(columns) or 'none'}"
            )
        found = [row["query"] or "" for row in rows]
    else:
        found = text.splitlines()
    queries = tuple(dict.fromkeys(query.strip() for query in found if query.strip()))
    if not queries:
        raise SpecError(f"queries {str(path)!r} must hold at least one query, got none")
    for query in queries:
        try:
            check_query(query)
        except ValueError as error:
            raise SpecError(f"queries {str(path)!r}: {error}") from None
    return queries


def evenly_spread(queries: Sequence[str], count: int) -> tuple[str, ...]:
    """Returns `count` of the queries at even distances, from the first on; all if there are no more."""
    count = min(count, len(queries))
    return tuple(queries[k * len(queries) // count] for k in range(count))
