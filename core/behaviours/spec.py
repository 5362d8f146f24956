"""The file of a behaviour: a small JSON object that people can read, write and share."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, field_validator

from core.errors import BehaviourError, first_sentence
from core.files.json_text import json_lines, parse_json
from core.queries.chat import check_no_chat
from core.spec import DirectionPosition, Number, QueryText, Spec, check_query, within

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
ROLES = ("system", "user", "assistant")
Message = dict[str, str]


class PairSpec(Spec):
    """One contrast pair, in one of two forms.

    query, safe, unsafe as texts: one query with a safe and an unsafe answer; with unsafe_system, a system
    prompt of the unsafe side only, the answers may be equal. safe, unsafe as lists of messages (role,
    content), each ending with the assistant's: anything may differ.
    """

    query: str | None = None
    unsafe_system: str | None = None
    safe: str | tuple[Message, ...]
    unsafe: str | tuple[Message, ...]

    @field_validator("safe", "unsafe")
    @classmethod
    def _side(cls, value: str | tuple[Message, ...]) -> str | tuple[Message, ...]:
        if isinstance(value, str):
            if not value.strip():
                raise ValueError("an answer of a contrast pair must not be blank")
            return value
        for message in value:
            if set(message) != {"role", "content"} or message["role"] not in ROLES:
                raise ValueError(
                    f"a message needs a role ({', '.join(ROLES)}) and a content, got {message!r:.120}"
                )
        if [message["role"] for message in value[-1:]] != ["assistant"] or not any(
            message["role"] == "user" for message in value
        ):
            raise ValueError(
                "a side of a pair needs a user's message and an assistant's at its end"
            )
        return value

    def side(self, unsafe: bool) -> tuple[Message, ...]:
        """Returns one side as messages.

        Raises:
            BehaviourError: the side is an answer, and the pair has no query.
        """
        said = self.unsafe if unsafe else self.safe
        system = (self.unsafe_system or "").strip()
        if not isinstance(said, str):
            if system:
                raise BehaviourError(
                    "a contrast pair of messages holds its system prompts itself; leave unsafe_system out"
                )
            return said
        if not (self.query or "").strip():
            raise BehaviourError("a contrast pair of two answers needs the query that they answer")
        before = ({"role": "system", "content": system},) if unsafe and system else ()
        return (
            *before,
            {"role": "user", "content": str(self.query)},
            {"role": "assistant", "content": said},
        )


class QuerySpec(Spec):
    """A query with a system prompt of its own."""

    query: QueryText
    system: str

    @field_validator("system")
    @classmethod
    def _system(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("system must be a system prompt, got a blank; leave it out for none")
        return value


class BehaviourSpec(Spec):
    """The content of a behaviour's file.

    queries: a query file, or the queries, each a text or a `QuerySpec`. contrast: a JSONL file of pairs, or
    the pairs; may be empty if nothing is steered. judge: a judge's file, a shipped judge's short name, or a
    judge's settings. threshold: score from which an answer counts as harm. direction: where activations are
    read. models: what the names of models contain that the behaviour is meant for; empty for any. Paths of
    files are relative to the behaviour's own file.
    """

    name: str
    description: str = ""
    queries: str | tuple[str | QuerySpec, ...]
    contrast: str | tuple[PairSpec, ...] = ()
    judge: str | dict[str, Any]
    threshold: Number = 0.75
    direction: DirectionPosition = "answer_mean"
    models: tuple[str, ...] = ()

    def meant_for(self, model: str) -> bool | None:
        """Returns whether it is meant for a model of this name; None where it names no models."""
        if not self.models:
            return None
        return any(part.casefold() in model.casefold() for part in self.models)

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                "name must be 1 to 40 small letters, digits, - or _, beginning with a letter or digit, "
                f"got {value!r}"
            )
        return value

    @field_validator("queries")
    @classmethod
    def _queries(
        cls, value: str | tuple[str | QuerySpec, ...]
    ) -> str | tuple[str | QuerySpec, ...]:
        if not value:
            raise ValueError("queries must hold at least one query, got none")
        if not isinstance(value, str):
            for query in value:
                if isinstance(query, str):
                    check_no_chat(check_query(query))
        return value

    @field_validator("threshold")
    @classmethod
    def _threshold(cls, value: float) -> float:
        if value == 0.0:
            raise ValueError("threshold must be above 0, got 0")
        return within("threshold", value, 0.0, 1.0)


def read_behaviour(path: Path) -> BehaviourSpec:
    """Returns the behaviour that a file describes.

    Raises:
        BehaviourError: there is none; one sentence names file and value.
    """
    try:
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise BehaviourError(f"behaviour {str(path)!r} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BehaviourError(f"behaviour {str(path)!r} is not JSON ({error})") from error
    return parse_behaviour(content, str(path))


def parse_behaviour(content: object, label: str) -> BehaviourSpec:
    """Returns the behaviour that a JSON object describes. label: what messages call it. Raises: as above."""
    if not isinstance(content, Mapping):
        raise BehaviourError(f"behaviour {label!r} must be a JSON object, got {content!r:.80}")
    try:
        return BehaviourSpec(**content)
    except ValidationError as error:
        raise BehaviourError(f"behaviour {label!r}: {first_sentence(error)}") from None
    except TypeError as error:
        raise BehaviourError(f"behaviour {label!r} cannot be read ({error})") from error


def read_pairs(path: Path) -> tuple[PairSpec, ...]:
    """Returns the contrast pairs of a JSONL file, a pair a line.

    Raises:
        BehaviourError: it cannot be read, or a line is not a pair; the line's number is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BehaviourError(f"contrast pairs {str(path)!r} cannot be read ({error})") from error
    return tuple(
        parse_pair(line, f"{path.name}, line {number}") for number, line in json_lines(text)
    )


def parse_pair(line: str, label: str) -> PairSpec:
    """Returns the pair in a line of JSONL. label: of the line, for messages. Raises: BehaviourError."""
    wanted = "a pair is an object with 'safe' and 'unsafe'"
    try:
        return PairSpec(**parse_json(line))
    except ValidationError as error:
        raise BehaviourError(f"{label}: {first_sentence(error)}") from None
    except json.JSONDecodeError as error:
        what = f"this is no JSON ({error.msg}, at character {error.colno})"
        raise BehaviourError(f"{label}: {wanted}, and {what}") from None
    except (ValueError, TypeError) as error:
        raise BehaviourError(f"{label}: {wanted}") from error
