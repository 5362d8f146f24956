"""Reads queries that a user keeps in a file: CSV, TSV, JSON, JSON Lines, parquet or plain text.

Bad rows are listed by number and the others are used; a file is refused only if nothing in it can be used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import SpecError
from core.files.kinds import MAX_FILE_BYTES, read_table
from core.files.rows import BadRow, Table
from core.files.texts import read_text
from core.queries.checks import checked_rows
from core.queries.columns import TEXT_NAMES, Columns, choose_columns
from core.queries.query import Query

__all__ = [
    "MAX_FILE_BYTES",
    "BadRow",
    "Columns",
    "QueryFile",
    "evenly_spread",
    "parse_query_file",
    "read_queries",
    "read_query_file",
    "read_text",
]

_ROWS_NAMED = 5


@dataclass(frozen=True)
class QueryFile:
    """The queries of a file, at least one, and notes on how they were read.

    bad: rows left out. notes: sentences for the user. format: "StrongREJECT", "HarmBench", "AdvBench",
    "JailbreakBench" or "plain". names: of all columns. counted: what a bad row's number counts, "row" or
    "line".
    A query without a group has the empty group.
    """

    queries: tuple[Query, ...]
    bad: tuple[BadRow, ...]
    notes: tuple[str, ...]
    format: str
    columns: Columns
    names: tuple[str, ...]
    counted: str

    def texts(self) -> tuple[str, ...]:
        """Returns the texts, for where texts alone are asked.

        Raises:
            SpecError: a query has a system prompt of its own, which would be lost.
        """
        own = next((query for query in self.queries if query.system is not None), None)
        if own is not None:
            raise SpecError(
                f"the file's queries have system prompts of their own (the first {own.system!r:.60}), which "
                "only an audit asks them under; take them out, and set one for all"
            )
        return tuple(query.text for query in self.queries)

    @property
    def left_out(self) -> str | None:
        """How many rows were left out and which, in one sentence; None if none was."""
        if not self.bad:
            return None
        total = len(self.queries) + len(self.bad)
        named = "; ".join(
            f"{self.counted} {bad.row}: {bad.reason}" for bad in self.bad[:_ROWS_NAMED]
        )
        more = f"; and {len(self.bad) - _ROWS_NAMED:,} more" if len(self.bad) > _ROWS_NAMED else ""
        were = "was" if len(self.bad) == 1 else "were"
        return f"{len(self.bad):,} of {total:,} {self.counted}s {were} left out ({named}{more})"


def read_query_file(path: Path, group: str | None = None) -> QueryFile:
    """Returns the queries of a file.

    Parameters
    ----------
    path
        CSV, TSV, JSON, JSON Lines, parquet or text file; the ending of its name gives the kind.
    group
        Column that says which rows are wordings of one query, "none" for none; None for the one whose name
        says so.

    Returns
    -------
    QueryFile
        At least one query, the rows that were left out, and notes on how columns were chosen.

    Raises
    ------
    SpecError
        The file cannot be read, or nothing in it can be used.
    """
    try:
        with path.open("rb") as file:
            # A pipe has no size to ask for; one byte too many is enough to see that it is too large.
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(f"queries {str(path)!r} could not be read: {reason}") from error
    return parse_query_file(str(path), content, group)


def parse_query_file(name: str, content: bytes, group: str | None = None) -> QueryFile:
    """Returns the queries of a file's content, such as an upload. group: as in `read_query_file`.

    Raises:
        SpecError: nothing in it can be used.
    """
    try:
        table = read_table(name, content, TEXT_NAMES, wanted="query")
        format, columns, notes = _columns(table, content, group)
        checked = checked_rows(table, format, columns)
    except SpecError as error:
        raise SpecError(f"queries {name!r} {error}") from None
    return QueryFile(
        queries=checked.queries,
        bad=checked.bad,
        notes=(*notes, *checked.notes),
        format=format,
        columns=columns,
        names=table.columns,
        counted=table.counted,
    )


def _columns(
    table: Table, content: bytes, group: str | None
) -> tuple[str, Columns, tuple[str, ...]]:
    """Returns `choose_columns`; its SpecError names no columns if the file turns out to hold no text."""
    try:
        return choose_columns(table.columns, group)
    except SpecError:
        if not all(map(str.isprintable, table.columns)):
            try:
                read_text(content)
            except ValueError as why:
                raise SpecError(f"could not be read: {why}") from None
        raise


def read_queries(path: Path) -> tuple[str, ...]:
    """Returns the texts of a file's queries, in order.

    Raises:
        SpecError: as read_query_file, or a query has a system prompt of its own.
    """
    return read_query_file(path).texts()


def evenly_spread(queries: Sequence[str], count: int) -> tuple[str, ...]:
    """Returns `count` evenly spaced queries, beginning with the first; all of them if there are fewer."""
    count = min(count, len(queries))
    return tuple(queries[k * len(queries) // count] for k in range(count))
