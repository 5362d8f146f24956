"""Phrases and regular expressions of rules, and searches with a time limit."""

import re
import time
from collections import Counter
from collections.abc import Callable
from functools import cached_property, partial
from typing import Annotated, Any, Protocol

import regex
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticKnownError

from core.errors import BehaviourError, first_sentence

# Processor time for one pattern in one answer, and for all patterns together.
SEARCH_SECONDS = 0.1
ANSWER_SECONDS = 0.5
# After so many searches were cut off, a pattern is not searched for again in the same call: a hundred
# thousand answers would take hours.
CUT_OFFS = 3
# The time limit counts all threads of the process; a search that had less than this share of it is repeated.
FAIR_SHARE = 0.8
TRIES = 5

MAX_PATTERN_CHARACTERS = 1_000
# Required repetitions are expanded when a pattern is compiled: "x{1000000000}" would take all memory.
MAX_REPETITIONS = 100_000
LEAST_REPETITIONS = re.compile(r"\{(\d+)(?:,\d*)?\}")
# A pattern that finds the empty text in one of these finds it anywhere.
PROBES = ("", "a", "a b", "1 , 2 . _")


class SearchCutOffError(BehaviourError):
    """A pattern took too long; the message names it."""


def normalise(text: str) -> str:
    """Returns text in lower case, with every run of white space replaced by one space."""
    return " ".join(text.casefold().split())


def whole_words(phrase: str) -> re.Pattern[str]:
    """Returns a pattern that finds a phrase as whole words.

    The phrase is escaped, so a judge file cannot introduce a repetition: no pattern backtracks, and a search
    takes at most length of text times length of phrase. No time limit is needed.
    """
    return re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)")


class Match(Protocol):
    """The place of a match in a text."""

    def end(self) -> int:
        """Returns the position after the match."""
        ...

    def span(self) -> tuple[int, int]:
        """Returns the first position of the match and the position after it."""
        ...


# Searches a text from a position on.
Search = Callable[[str, int], Match | None]


class Regex(BaseModel):
    """A regular expression in the syntax of the `regex` package; case does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    regex: Annotated[str, Field(max_length=MAX_PATTERN_CHARACTERS)]

    @field_validator("regex")
    @classmethod
    def _usable(cls, value: str) -> str:
        repetitions = 1
        for least in LEAST_REPETITIONS.findall(value):
            repetitions *= max(int(least[:9]), 1)
        if repetitions > MAX_REPETITIONS:
            raise ValueError(
                f"regex {value!r} asks for more than {MAX_REPETITIONS:,} repetitions in all"
            )
        try:
            compiled = _compile(value)
            empty = any(
                match.end() == match.start()
                for probe in PROBES
                if (match := compiled.search(probe, timeout=SEARCH_SECONDS))
            )
        except TimeoutError:
            raise ValueError(f"regex {value!r} takes for ever on a text of no length") from None
        except RecursionError:
            raise ValueError(f"regex {value!r} is nested too deeply") from None
        except regex.error as error:
            raise ValueError(f"regex {value!r} is no pattern: {error}") from None
        if empty:
            raise ValueError(f"regex {value!r} finds the empty text, and so would find any answer")
        return value

    @cached_property
    def compiled(self) -> Any:
        """The compiled pattern; its `search` takes a `timeout`."""
        return _compile(self.regex)

    def search(self, text: str, position: int = 0) -> Match | None:
        """Returns the first match; None also if the search was cut off. For display only."""
        try:
            match: Match | None = self.compiled.search(text, position, timeout=SEARCH_SECONDS)
        except TimeoutError:
            return None
        return match


def _compile(pattern: str) -> Any:
    # Full case: in the folded text, one letter of a pattern may appear as two.
    return regex.compile(pattern, regex.IGNORECASE | regex.FULLCASE)


def _phrase_or_regex(value: object) -> object:
    """Returns a normalised phrase or a Regex. Errors raised here name the plain place in the file."""
    if isinstance(value, dict):
        try:
            return Regex.model_validate(value)
        except ValidationError as error:
            raise ValueError(first_sentence(error)) from None
    if isinstance(value, Regex):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not (phrase := normalise(value)):
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    return phrase


def _as_alternatives(item: object) -> object:
    return (item,) if isinstance(item, str | dict | Regex) else item


# A phrase, or {"regex": ...}.
PhraseOrRegex = Annotated[str | Regex, BeforeValidator(_phrase_or_regex)]
AnyOf = Annotated[tuple[PhraseOrRegex, ...], BeforeValidator(_as_alternatives), Field(min_length=1)]
Pattern = re.Pattern[str] | Regex


def pattern_of(wanted: str | Regex) -> Pattern:
    """Returns the pattern that finds a phrase, or the regular expression itself."""
    return whole_words(wanted) if isinstance(wanted, str) else wanted


def quoted(wanted: str | Regex) -> str:
    """Returns a phrase or pattern as text for a reason."""
    return f"'{wanted}'" if isinstance(wanted, str) else f"the pattern '{wanted.regex}'"


class Searches:
    """The searches of one call of a judge: the time they took, and the patterns given up."""

    def __init__(self) -> None:
        self._cut_off: Counter[str] = Counter()
        self._left = ANSWER_SECONDS

    def begin_answer(self) -> None:
        """Starts the next answer's budget of time."""
        self._left = ANSWER_SECONDS

    def search_for(self, pattern: Pattern) -> Search:
        """Returns a function that searches for a pattern; it raises SearchCutOffError when cut off."""
        # A phrase needs no limit: see `whole_words`.
        return pattern.search if isinstance(pattern, re.Pattern) else partial(self._timed, pattern)

    def _timed(self, pattern: Regex, text: str, position: int) -> Match | None:
        name = pattern.regex
        if self._cut_off[name] >= CUT_OFFS:
            raise SearchCutOffError(
                f"The pattern '{name}' was cut off {CUT_OFFS} times and is not searched for any more."
            )
        start = time.thread_time()
        allowed = min(SEARCH_SECONDS, self._left)
        for _ in range(TRIES if allowed > 0.0 else 0):
            try:
                match: Match | None = pattern.compiled.search(text, position, timeout=allowed)
            except TimeoutError:
                if time.thread_time() - start >= FAIR_SHARE * allowed:
                    break
            else:
                self._left -= time.thread_time() - start
                return match
        self._left -= time.thread_time() - start
        self._cut_off[name] += 1
        raise SearchCutOffError(
            f"The search for the pattern '{name}' took too long and was cut off."
        )
