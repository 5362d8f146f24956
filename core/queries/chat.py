"""Queries in chat form: lists of messages, as fine-tuning files, benchmarks and shared chats hold them.

One user's message is the query, and a system message its system prompt. More turns cannot be asked yet.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import SpecError
from core.files.json_text import parse_json
from core.files.rows import shown

# Columns whose lists of plain texts are a user's turns.
TURNS_NAMES = ("messages", "turns", "conversations", "conversation")
_SPEAKERS = {
    "system": ("system", "developer"),
    "user": ("user", "human"),
    "assistant": ("assistant", "gpt", "ai", "model", "bot", "chatbot"),
}
_ROLE_OF = {name: role for role, names in _SPEAKERS.items() for name in names}
_ROLE_KEYS, _TEXT_KEYS = ("role", "from", "type"), ("content", "value", "text")
_TEXT_PARTS = ("text", "input_text", "output_text")
# Text that was a chat before some program wrote it in a form of its own, such as Python's.
_LOOKS_LIKE_CHAT = re.compile(
    r"""[\[{].{0,200}?['"](role|from)['"]\s*[:=]\s*['"]\w+['"]""", re.DOTALL
)


@dataclass(frozen=True)
class Chat:
    """What a chat asks. system: its system message, None without one. answered: whether an answer follows."""

    text: str
    system: str | None
    answered: bool


def read_chat(value: object, *, turns: bool = False) -> Chat | None:
    """Returns what a cell in chat form asks, None for a cell in another form.

    value: a list of messages, an object that holds one, or either as JSON. turns: whether a list of texts is
    a user's turns.

    Raises:
        ValueError: it is a chat that cannot be asked; why, in words.
    """
    if isinstance(value, str):
        return _in_text(value)
    if turns and isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return _chat([("user", str(one)) for one in value])
    messages = _messages(value)
    return None if messages is None else _chat([_said(message) for message in messages])


def check_no_chat(query: str) -> str:
    """Returns a typed query unchanged.

    Raises:
        SpecError: it is a chat as JSON, which the model would be asked letter by letter.
    """
    try:
        found = read_chat(query)
    except ValueError as error:
        raise SpecError(
            f"query must be the user's words, got a chat ({error}): {shown(query)}"
        ) from None
    if found is not None:
        raise SpecError(
            f"query must be the user's words alone, got a chat as JSON: {shown(query)}; a system prompt is a "
            "setting of its own, and chats can be given as a query file (.jsonl)"
        )
    return query


def _in_text(text: str) -> Chat | None:
    if text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        value = parse_json(text)
    except json.JSONDecodeError:
        if _LOOKS_LIKE_CHAT.match(text.lstrip()):
            raise ValueError("it looks like a chat, but is not JSON") from None
        return None
    return None if isinstance(value, str) else read_chat(value)


def _messages(value: object) -> Sequence[Mapping[str, object]] | None:
    """Returns a value's messages, None if it holds none."""
    if isinstance(value, Mapping):
        if _is_message(value):
            return [value]
        held = [value[name] for name in TURNS_NAMES if name in value]
        return _messages(held[0]) if len(held) == 1 and isinstance(held[0], list) else None
    if not isinstance(value, list) or not value:
        return None
    found = [one for one in value if isinstance(one, Mapping) and _is_message(one)]
    if not found:
        return None
    if len(found) < len(value):
        raise ValueError("some of its messages have no role or no content")
    return found


def _is_message(value: Mapping[str, object]) -> bool:
    named = _key(value, _ROLE_KEYS)
    return (
        named is not None and isinstance(value[named], str) and _key(value, _TEXT_KEYS) is not None
    )


def _key(value: Mapping[str, object], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in value), None)


def _said(message: Mapping[str, object]) -> tuple[str, str]:
    """Returns who says what. Raises: ValueError."""
    speaker = str(message[str(_key(message, _ROLE_KEYS))])
    role = _ROLE_OF.get(speaker.strip().lower())
    if role is None:
        raise ValueError(f"a message is by {shown(speaker)}, not by system, user or assistant")
    return role, _content(message[str(_key(message, _TEXT_KEYS))])


def _content(content: object) -> str:
    if isinstance(content, str):
        return content
    texts = [
        part.get("text")
        for part in (content if isinstance(content, list) else ())
        if isinstance(part, Mapping) and part.get("type") in _TEXT_PARTS
    ]
    if not isinstance(content, list) or len(texts) < len(content) or not content:
        raise ValueError(f"a message must be text, got {shown(content)}")
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"a message must be text, got {shown(content)}")
    return "".join(map(str, texts))


def _chat(said: Sequence[tuple[str, str]]) -> Chat:
    """Returns what is asked. Raises: ValueError if it is not one user's turn, perhaps with an answer."""
    roles = [role for role, _ in said]
    turns = roles.count("user")
    if turns != 1:
        raise ValueError(
            f"it is a conversation with {turns} turns of the user; one can be asked"
            if turns
            else "it is a chat without a turn of the user"
        )
    if roles not in (
        ["user"],
        ["system", "user"],
        ["user", "assistant"],
        ["system", "user", "assistant"],
    ):
        raise ValueError(
            f"it is a conversation of {', '.join(roles)}; one user's turn can be asked"
        )
    texts = dict(said)
    system = texts.get("system")
    return Chat(texts["user"], system if system and system.strip() else None, "assistant" in texts)
