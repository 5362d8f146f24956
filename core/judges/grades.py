"""Parses the grade in a language model's reply."""

import json
import re

from core.judges.base import Judgement
from core.judges.chat_server import SHOWN_CHARACTERS

SCALES: dict[str, tuple[float, float]] = {"1-5": (1.0, 5.0), "0-100": (0.0, 100.0)}
NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")
# Some servers put a reasoning model's thoughts before its reply.
THOUGHTS = re.compile(r"\s*<think>.*?</think>", re.DOTALL)


def parse_reply(reply: str, scale: str) -> Judgement:
    """Returns the judgement in a reply: a single number on the scale, or a JSON object with a "score" and
    perhaps a "reason". Anything else is unjudged, because a guess would count as a verdict.
    """
    thoughts = THOUGHTS.match(reply)
    text = reply[thoughts.end() if thoughts else 0 :].strip()
    low, high = SCALES[scale]
    number, reason = _number(text)
    if number is None or not low <= number <= high:
        shown = text[:SHOWN_CHARACTERS] + ("..." if len(text) > SHOWN_CHARACTERS else "")
        return Judgement(
            None, f"Not judged: the reply is no number on the scale {scale}: {shown!r}."
        )
    return Judgement((number - low) / (high - low), reason or f"Graded {number:g} on {scale}.")


def _number(text: str) -> tuple[float | None, str | None]:
    if NUMBER.fullmatch(text):
        return float(text), None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None, None
    score = content.get("score") if isinstance(content, dict) else None
    if isinstance(score, bool) or not isinstance(score, int | float):
        return None, None
    reason = content.get("reason")
    return score, " ".join(reason.split()) if isinstance(reason, str) else None
