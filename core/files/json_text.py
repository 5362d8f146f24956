"""Reads JSON strictly: a name given twice, NaN, infinities and endless nesting are errors with their place.

Python's reader takes the last of two equal names and lets NaN pass; a limit that is NaN limits nothing, and
of two thresholds a person means one.
"""

import io
import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

# What matters of JSON text for finding a place in it. A string comes first: nothing inside one counts.
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*"(?P<colon>\s*:)?|[{}\[\]]|(?P<number>-?(?:Infinity|\d[\d.eE+-]*)|NaN)',
    re.DOTALL,
)


class _Refused(Exception):
    """What the strict reader refuses; raised amid parsing, where no place is known."""


def parse_json(text: str | bytes) -> Any:
    """Returns the value of a JSON text.

    Raises
    ------
    json.JSONDecodeError
        The text is no JSON, or repeats a name within an object, or holds NaN, an infinity, or a number beyond
        the range of 64-bit floats. `msg` says what, `lineno` and `colno` where.
    UnicodeDecodeError
        Bytes that are not UTF-8.

    References
    ----------
    RFC 8259 (2017), sections 4 (names should be unique) and 6 (no NaN, no infinity).
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    # Editors of Windows write a mark before the text, which says nothing.
    text = text.removeprefix("\ufeff")
    try:
        return json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_whole,
        )
    except _Refused:
        raise _located(text) from None
    except RecursionError:
        raise json.JSONDecodeError("it is nested too deeply", text, 0) from None


def json_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yields the lines of JSON Lines that are not blank, with their numbers from 1.

    Only what ends a line outside JSON ends one here: a string may hold U+2028 and the like as they are.
    """
    for number, line in enumerate(io.StringIO(text.removeprefix("\ufeff"), newline=None), start=1):
        if line.strip():
            yield number, line


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Refused
    return found


def _refuse(constant: str) -> NoReturn:
    raise _Refused


def _finite(number: str) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise _Refused
    return found


def _whole(number: str) -> int:
    try:
        return int(number)
    except ValueError:  # Python reads no more than some thousand digits
        raise _Refused from None


def _located(text: str) -> json.JSONDecodeError:
    """Returns the first fault that the strict reader refuses in a text that is JSON up to there."""
    for what, place in _faults(text):
        return json.JSONDecodeError(what, text, place)
    return json.JSONDecodeError("it cannot be read", text, 0)


def _faults(text: str) -> Iterator[tuple[str, int]]:
    objects: list[set[str] | None] = []
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in "{[":
            objects.append(set() if mark == "{" else None)
        elif mark in "}]":
            if objects:
                objects.pop()
        elif token["colon"] is not None:
            name = json.loads(mark[: -len(token["colon"])], strict=False)
            held = objects[-1] if objects else None
            if held is not None:
                if name in held:
                    yield f"the name {name!r:.80} is given twice", token.start()
                held.add(name)
        elif (number := token["number"]) is not None:
            try:
                _whole(number) if number.lstrip("-").isdigit() else _finite(number)
            except _Refused:
                yield f"{number:.40} is no number that can be used", token.start()
