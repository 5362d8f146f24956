"""Parses the grade in a language model's reply."""

import json
import re
import unicodedata
from typing import Any

from core.judges.base import Judgement
from core.judges.chat_server import SHOWN_CHARACTERS

SCALES: dict[str, tuple[float, float]] = {"1-5": (1.0, 5.0), "0-100": (0.0, 100.0)}
NAMES = ("score", "rating", "grade")
_NUMBER = r"(?P<number>[0-9]{1,3}(?:\.[0-9]{1,6})?)"
# A reasoning model's thoughts come before its reply; often the opening tag stands in the prompt.
_THOUGHTS_END = re.compile(r"</(?:think|thinking|thought|reasoning)>")
_FINAL_CHANNEL = re.compile(r"<\|channel\|>final\s*<\|message\|>(?P<text>.*?)(?:<\||\Z)", re.DOTALL)
_FENCE = re.compile(r"```(?P<inside>.*?)```", re.DOTALL)
_LANGUAGE = re.compile(r"[a-zA-Z]*\s")
_PLAIN = re.compile(
    rf"""(?:[*_]*(?:the\s+)?(?:final\s+|overall\s+)?(?:{"|".join(NAMES)})[*_]*\s*(?:is|[:=])[*_]*\s*)?
    [*_"'`\[(]*{_NUMBER}[*_"'`\])]*
    (?:\s*(?:/|out\s+of)\s*(?P<top>[0-9]{{1,3}})[*_\])]*)?
    (?:\.|\s*(?:\n|\s[-\u2013\u2014]+\s|\()(?P<words>[^0-9]*))?""",
    re.VERBOSE | re.IGNORECASE,
)


def parse_reply(reply: str, scale: str) -> Judgement:
    """Returns the judgement in a reply, unjudged unless one grade on the scale is plain to a reader.

    Read are a number, alone, named ("Score: 4"), out of the scale's highest ("4/5"), emphasised or with words
    after a dash or a new line, and JSON with one "score", "rating" or "grade", perhaps with a "reason"; each
    also in a code fence and after a model's thoughts. A second number makes it a guess, which would count
    as a verdict.
    """
    text = _without_thoughts(reply).strip()
    low, high = SCALES[scale]
    number, reason = _grade(_without_fence(text), high)
    if number is None or not low <= number <= high:
        text = text or reply.strip()
        shown = text[:SHOWN_CHARACTERS] + ("..." if len(text) > SHOWN_CHARACTERS else "")
        return Judgement(
            None, f"Not judged: the reply is no number on the scale {scale}: {shown!r}."
        )
    return Judgement((number - low) / (high - low), reason or f"Graded {number:g} on {scale}.")


def _without_thoughts(reply: str) -> str:
    final = _FINAL_CHANNEL.search(reply)
    if final is not None:
        return final["text"]
    ends = list(_THOUGHTS_END.finditer(reply))
    return reply[ends[-1].end() :] if ends else reply


def _without_fence(text: str) -> str:
    """Returns what stands in a reply's only code fence, if no number stands outside it."""
    fences = list(_FENCE.finditer(text))
    if len(fences) != 1:
        return text
    (fence,) = fences
    outside = text[: fence.start()] + text[fence.end() :]
    if re.search(r"\d", outside):
        return text
    language = _LANGUAGE.match(fence["inside"])
    return fence["inside"][language.end() if language else 0 :].strip()


def _grade(text: str, high: float) -> tuple[float | None, str | None]:
    """Returns the grade and its reason; None where there is none, or more than one."""
    if text[:1] == "{" or text[:2] == "[{":
        return _json_grade(text, high)
    return _plain_grade(text, high), None


def _plain_grade(text: str, high: float) -> float | None:
    # Digits of full width are digits.
    found = _PLAIN.fullmatch(unicodedata.normalize("NFKC", text.strip()))
    if found is None or (found["top"] is not None and float(found["top"]) != high):
        return None
    return float(found["number"])


def _json_grade(text: str, high: float) -> tuple[float | None, str | None]:
    pairs: list[tuple[str, Any]] = []

    def noted(members: list[tuple[str, Any]]) -> dict[str, Any]:
        # A name that occurs twice must be seen twice.
        pairs.extend(members)
        return dict(members)

    try:
        content, end = json.JSONDecoder(object_pairs_hook=noted).raw_decode(text)
    except (ValueError, RecursionError):
        return None, None
    grades = [value for name, value in pairs if name.lower() in NAMES and not _is_object(value)]
    if len(grades) != 1 or re.search(r"\d", text[end:]):
        return None, None
    (grade,) = grades
    reason = content.get("reason") if isinstance(content, dict) else None
    words = " ".join(reason.split()) if isinstance(reason, str) else None
    if isinstance(grade, str):
        return _plain_grade(grade, high), words
    number = not isinstance(grade, bool) and isinstance(grade, int | float)
    return (float(grade) if number else None), words


def _is_object(value: object) -> bool:
    return isinstance(value, dict | list)
