"""Checks which rows hold a usable query, and gives each query an id."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import SpecError
from core.files.rows import HALF_PAIR, MAX_ROWS, BadRow, Row, Table, plain_name, shown
from core.queries.chat import TURNS_NAMES, Chat, read_chat
from core.queries.columns import Columns
from core.queries.query import Query
from core.spec import check_query

MAX_ID_CHARACTERS = 200
# Control characters, the two that break lines, and halves of surrogate pairs, which no file can hold.
_UNSAFE_IN_KEYS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPED_BYTES = range(0xDC80, 0xDD00)


@dataclass(frozen=True)
class CheckedRows:
    """The queries of usable rows, the rows that are not usable, and notes on what was changed."""

    queries: tuple[Query, ...]
    bad: tuple[BadRow, ...]
    notes: tuple[str, ...]


def checked_rows(table: Table, format: str, columns: Columns) -> CheckedRows:
    """Returns the usable queries; of several that differ in white space only, the first.

    Raises:
        SpecError: there is none, or there are too many rows.
    """
    bad: list[BadRow] = []
    kept: list[tuple[Row, _Asked]] = []
    seen: dict[tuple[str, str | None], int] = {}
    for count, row in enumerate(table.rows(columns.taken), start=1):
        if count > MAX_ROWS:
            raise SpecError(f"must have at most {MAX_ROWS:,} {table.counted}s, got more; split it")
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        try:
            asked = _asked(row, columns)
        except ValueError as error:
            bad.append(BadRow(row.row, str(error)))
            continue
        first = seen.setdefault((" ".join(asked.text.split()), asked.system), row.row)
        if first != row.row:
            bad.append(BadRow(row.row, f"it is the same query as {table.counted} {first}"))
            continue
        kept.append((row, asked))
    if not kept:
        raise SpecError(_no_query_message(bad, table.counted))
    ids, notes = _ids(
        [(row.row, _cell(row, columns.id)) for row, _ in kept], columns.id is not None
    )
    queries = tuple(
        Query(
            query_id=name,
            text=asked.text,
            group=_key(_cell(row, columns.group)) or "",
            category=_key(_cell(row, columns.category)) or "",
            system=asked.system,
        )
        for name, (row, asked) in zip(ids, kept, strict=True)
    )
    notes += _notes([asked for _, asked in kept])
    copyrighted = sum(query.category == "copyright" for query in queries)
    if copyrighted and format == "HarmBench":
        notes.append(
            f"{_queries(copyrighted)} ask for copyrighted text, which HarmBench finds by comparing the "
            "answer with the text itself"
        )
    return CheckedRows(queries, tuple(bad), tuple(notes))


@dataclass(frozen=True)
class _Asked:
    """What a row asks. context: whether one precedes the text. chat: whether it was in chat form, and
    answered: with an answer.
    """

    text: str
    system: str | None = None
    context: bool = False
    chat: bool = False
    answered: bool = False


def _notes(asked: Sequence[_Asked]) -> list[str]:
    notes = []
    if count := sum(one.context for one in asked):
        notes.append(f"the context of {_queries(count)} was put before the text")
    if count := sum(one.chat for one in asked):
        was = "was" if count == 1 else "were"
        notes.append(f"{_queries(count)} {was} in chat form: the user's turn is asked")
    if count := sum(one.answered for one in asked):
        notes.append(f"the answer that followed {_queries(count)} is not part of what is asked")
    return notes


def _asked(row: Row, columns: Columns) -> _Asked:
    """Returns what a row asks. Raises: ValueError if it has no query that can be asked."""
    if isinstance(row.cells, str):
        return _plain_or_chat(row.cells, None)
    system = _optional_text(row, columns.system)
    column = columns.text or "query"
    turns = plain_name(column) in TURNS_NAMES
    if column in row.cells and not isinstance(row.cells[column], str):
        chat = read_chat(row.cells[column], turns=turns)
        if chat is not None:
            return _of_chat(chat, system)
    text = _text(row, column)
    if not text.strip():
        raise ValueError("the query is blank")
    context = _optional_text(row, columns.context)
    if context is None:
        return _plain_or_chat(text, system)
    # The same form as HarmBench's own DirectRequest.
    return _Asked(_askable(f"{context}\n\n---\n\n{text}"), system, context=True)


def _plain_or_chat(text: str, system: str | None) -> _Asked:
    chat = read_chat(text)
    return _Asked(_askable(text), system) if chat is None else _of_chat(chat, system)


def _of_chat(chat: Chat, system: str | None) -> _Asked:
    if None not in (chat.system, system) and chat.system != system:
        raise ValueError("it has two system prompts, one in the chat and one beside it")
    own = system if chat.system is None else _readable(chat.system, "system prompt")
    return _Asked(_askable(chat.text), own, chat=True, answered=chat.answered)


def _optional_text(row: Row, column: str | None) -> str | None:
    """Returns the text in a column, None if there is none or it is blank. Raises: ValueError."""
    if column is None or _missing(_cell(row, column)):
        return None
    text = _readable(_text(row, column), column)
    return text if text.strip() else None


def _text(row: Row, column: str) -> str:
    assert not isinstance(row.cells, str)
    if column not in row.cells:
        raise ValueError(f"it has no {shown(column)}")
    value = row.cells[column]
    if not isinstance(value, str):
        raise ValueError(f"{shown(column)} must be a text, got {shown(value)}")
    return value


def _askable(text: str) -> str:
    """Returns the text. Raises ValueError if it is not a valid query."""
    return check_query(_readable(text, "query"))


def _readable(text: str, what: str) -> str:
    """Returns the text. Raises ValueError if it holds what no text holds."""
    if "\0" in text:
        raise ValueError(f"the {what} holds a NUL character")
    half = None if text.isascii() else HALF_PAIR.search(text)
    if half is not None:
        code = ord(half.group())
        if code in _ESCAPED_BYTES:
            raise ValueError(f"the {what} holds the byte 0x{code - 0xDC00:02X}, which is not UTF-8")
        raise ValueError(f"the {what} holds half a surrogate pair, {half.group()!r}")
    return text


def _ids(given: Sequence[tuple[int, object]], expected: bool) -> tuple[list[str], list[str]]:
    """Returns distinct ids, keeping the given ones where possible, and notes on the ids that were changed.

    given: (row number, cell of the id column). expected: whether there is an id column.
    """
    wanted = [(row, _key(value)) for row, value in given]
    taken = {name for _, name in wanted if name is not None}
    made = repeated = 0
    ids: list[str] = []
    used: set[str] = set()
    counts: dict[str, int] = {}
    for row, name in wanted:
        if name is not None and name not in used:
            chosen = name
        else:
            made, repeated = made + (name is None), repeated + (name is not None)
            base = f"row-{row:04d}" if name is None else name
            chosen = base if name is None and base not in taken else ""
            while not chosen:
                counts[base] = counts.get(base, 1) + 1
                ending = f"-{counts[base]}"
                candidate = base[: MAX_ID_CHARACTERS - len(ending)] + ending
                chosen = "" if candidate in taken else candidate
            taken.add(chosen)
        used.add(chosen)
        ids.append(chosen)
    notes = []
    if expected and made:
        notes.append(
            f"{made:,} ids were missing, or not texts or whole numbers of at most "
            f"{MAX_ID_CHARACTERS} characters without control characters; their rows' numbers stand in"
        )
    if repeated:
        notes.append(f"{repeated:,} ids had occurred before; a number was added to each")
    return ids, notes


def _cell(row: Row, column: str | None) -> object:
    return None if column is None or isinstance(row.cells, str) else row.cells.get(column)


def _missing(value: object) -> bool:
    """Returns whether a value is null or NaN, as in an empty cell of a table."""
    return value is None or value != value


def _key(value: object) -> str | None:
    """Returns an id or a group as text that is safe to use as a key; None if there is none."""
    # Whole numbers turn into floats in tables with a gap.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    name = str(value).strip()
    if not name or len(name) > MAX_ID_CHARACTERS or _UNSAFE_IN_KEYS.search(name):
        return None
    return name


def _no_query_message(bad: Sequence[BadRow], counted: str) -> str:
    message = "must hold at least one query that can be asked, got none"
    if not bad:
        return message
    more = (
        f" (and {len(bad) - 1:,} more bad {counted}{'s' if len(bad) > 2 else ''})"
        if len(bad) > 1
        else ""
    )
    return f"{message}: {counted} {bad[0].row}: {bad[0].reason}{more}"


def _queries(count: int) -> str:
    return f"{count:,} query" if count == 1 else f"{count:,} queries"
