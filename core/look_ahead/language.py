"""Phrases and regular expressions as nondeterministic automata over characters.

An automaton here answers one question: does a text hold a match? That is all a judge asks of a forbidden
phrase, a refusal, or the last phrase required. Where a match begins, and which it is, is not known.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Literal

import regex

from core.errors import BehaviourError
from core.judges.patterns import Regex

# Repetitions are written out; a pattern of more states than this is refused.
MAX_STATES = 2_000
# True of some characters. It is False before the first character and after the last one.
Predicate = Callable[[str], bool]


class NoAutomatonError(BehaviourError):
    """A judge whose word cannot be followed token by token; the message says why."""


@dataclass(frozen=True)
class Condition:
    """What the character on one side of a place between characters must be: `predicate` true, or false."""

    side: Literal["before", "after"]
    predicate: int
    wanted: bool


@dataclass
class Nfa:
    """Nodes numbered from 0, the start. free: node -> (condition or None, node), taken between characters.
    eats: node -> (predicate, node), taken over a character. accept: the node of a match. always: predicates
    that are true of every character."""

    predicates: list[Predicate] = field(default_factory=list)
    free: list[list[tuple[Condition | None, int]]] = field(default_factory=list)
    eats: list[list[tuple[int, int]]] = field(default_factory=list)
    accept: int = -1
    always: set[int] = field(default_factory=set)

    def node(self) -> int:
        """Returns a new node."""
        if len(self.free) >= MAX_STATES:
            raise NoAutomatonError(f"a pattern needs more than {MAX_STATES:,} states")
        self.free.append([])
        self.eats.append([])
        return len(self.free) - 1

    def predicate(self, test: Predicate) -> int:
        """Returns the number of a predicate."""
        self.predicates.append(test)
        return len(self.predicates) - 1


def any_of(phrases: Sequence[str | Regex], plain: Callable[[str], str] = str) -> Nfa:
    """Returns the automaton that finds any of these phrases, as whole words, or regular expressions.

    plain: what each character of the text is read as.

    Raises:
        NoAutomatonError: a regular expression looks further around than a character, or refers back.
    """
    nfa = Nfa()
    start, nfa.accept = nfa.node(), nfa.node()
    for phrase in phrases:
        builder = _Builder(nfa, plain)
        end = (
            builder.phrase(start, phrase)
            if isinstance(phrase, str)
            else builder.regex(start, phrase)
        )
        nfa.free[end].append((None, nfa.accept))
    return nfa


class _Builder:
    """Adds one pattern to an automaton."""

    def __init__(self, nfa: Nfa, plain: Callable[[str], str]) -> None:
        self._nfa, self._plain = nfa, plain
        self._known: dict[str, int] = {}

    def phrase(self, start: int, phrase: str) -> int:
        """As `core.judges.patterns.whole_words`: the letters, with no letter of a word on either side."""
        word = self._of_class(re.compile(r"\w"), r"re:\w")
        place = self._if(start, Condition("before", word, wanted=False))
        for letter in phrase:
            place = self._eat(place, self._same(letter))
        return self._if(place, Condition("after", word, wanted=False))

    def regex(self, start: int, pattern: Regex) -> int:
        try:
            tree = _parser.parse(pattern.regex)
        except (re.error, RecursionError) as error:
            raise self._refused(pattern.regex, str(error)) from None
        if tree.state.flags & ~re.UNICODE.value:
            raise self._refused(pattern.regex, "it sets flags of its own")
        self._source = pattern.regex
        end = self._nfa.node()
        for way in _ways(list(tree)):
            self._nfa.free[self._way(self._free(start), way)].append((None, end))
        return end

    def _way(self, place: int, way: list[Any]) -> int:
        """Adds a sequence in which what must not follow comes last: nothing but conditions is after it."""
        for number, item in enumerate(way):
            if _forbids_more_than_one(item):
                rest = way[number + 1 :]
                if all(operation in _WITHOUT_WIDTH for operation, _ in rest) and not any(
                    map(_forbids_more_than_one, rest)
                ):
                    place = self._sequence(self._sequence(place, way[:number]), rest)
                    return self._unlike(place, item[1][1])
        return self._sequence(place, way)

    def _unlike(self, place: int, letters: Any) -> int:
        """Adds all ways in which what follows is not these letters: it is at first, and then differs."""
        end = self._nfa.node()
        for operation, value in letters:
            if operation not in _SETS:
                raise self._refused(self._source, "what must not follow is no plain text")
            number = self._set(operation, value)
            other = self._if(place, Condition("after", number, wanted=False))
            self._nfa.free[other].append((None, end))
            place = self._eat(place, number)
        return end

    def _sequence(self, place: int, tree: Any) -> int:
        for operation, value in tree:
            place = self._one(place, operation, value)
        return place

    def _one(self, place: int, operation: Any, value: Any) -> int:
        nfa = self._nfa
        if operation in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
            return self._eat(place, self._set(operation, value))
        if operation is sre.SUBPATTERN:
            _, add, remove, inner = value
            if add or remove:
                raise self._refused(self._source, "a group sets flags")
            return self._sequence(place, inner)
        if operation is sre.BRANCH:
            end = nfa.node()
            for branch in value[1]:
                nfa.free[self._sequence(self._free(place), branch)].append((None, end))
            return end
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self._repeat(place, *value)
        if operation is sre.AT:
            return self._at(place, value)
        if operation in (sre.ASSERT, sre.ASSERT_NOT):
            direction, inner = value
            if len(inner) == 1 and inner[0][0] in (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN):
                number = self._set(*inner[0])
                side: Literal["before", "after"] = "before" if direction < 0 else "after"
                return self._if(place, Condition(side, number, operation is sre.ASSERT))
            raise self._refused(self._source, "it looks around further than one character")
        if operation is sre.GROUPREF:
            raise self._refused(self._source, "it refers back to a group")
        raise self._refused(self._source, f"it uses {str(operation).lower().replace('_', ' ')}")

    def _repeat(self, place: int, least: int, most: Any, inner: Any) -> int:
        nfa = self._nfa
        for _ in range(least):
            place = self._sequence(place, inner)
        end = nfa.node()
        nfa.free[place].append((None, end))
        if most is sre.MAXREPEAT:
            again = self._free(place)
            nfa.free[self._sequence(again, inner)] += [(None, again), (None, end)]
            return end
        for _ in range(most - least):
            place = self._sequence(self._free(place), inner)
            nfa.free[place].append((None, end))
        return end

    def _at(self, place: int, where: Any) -> int:
        anything = self._of_class(re.compile(r"(?s)."), "any")
        self._nfa.always.add(anything)
        if where in (sre.AT_BEGINNING, sre.AT_BEGINNING_STRING):
            return self._if(place, Condition("before", anything, wanted=False))
        if where in (sre.AT_END, sre.AT_END_STRING):
            return self._if(place, Condition("after", anything, wanted=False))
        if where not in (sre.AT_BOUNDARY, sre.AT_NON_BOUNDARY):
            raise self._refused(self._source, f"it uses {str(where).lower()}")
        word = self._of_class(regex.compile(r"\w"), r"regex:\w")
        end = self._nfa.node()
        for before in (True, False):
            after = before if where is sre.AT_NON_BOUNDARY else not before
            middle = self._if(place, Condition("before", word, before))
            last = self._if(middle, Condition("after", word, after))
            self._nfa.free[last].append((None, end))
        return end

    def _set(self, operation: Any, value: Any) -> int:
        """Returns the predicate of a set of characters; the judge's own engine decides about each."""
        if operation is sre.LITERAL and len(chr(value).casefold()) > 1:
            raise self._refused(self._source, f"{chr(value)!r} stands for several letters")
        text = _written(operation, value)
        if text is None:
            raise self._refused(self._source, "it has a set that cannot be taken apart")
        return self._of_class(regex.compile(text, regex.IGNORECASE | regex.FULLCASE), text)

    def _of_class(self, pattern: Any, name: str) -> int:
        if name not in self._known:
            plain = self._plain
            test = lru_cache(maxsize=None)(lambda c: pattern.fullmatch(plain(c)) is not None)
            self._known[name] = self._nfa.predicate(test)
        return self._known[name]

    def _same(self, letter: str) -> int:
        name = f"same:{letter}"
        if name not in self._known:
            plain = self._plain
            self._known[name] = self._nfa.predicate(lambda c: plain(c) == letter)
        return self._known[name]

    def _eat(self, place: int, predicate: int) -> int:
        end = self._nfa.node()
        self._nfa.eats[place].append((predicate, end))
        return end

    def _if(self, place: int, condition: Condition) -> int:
        end = self._nfa.node()
        self._nfa.free[place].append((condition, end))
        return end

    def _free(self, place: int) -> int:
        end = self._nfa.node()
        self._nfa.free[place].append((None, end))
        return end

    @staticmethod
    def _refused(pattern: str, why: str) -> NoAutomatonError:
        return NoAutomatonError(f"the pattern {pattern!r} cannot be followed token by token: {why}")


_SETS = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN)
_WITHOUT_WIDTH = (sre.AT, sre.ASSERT, sre.ASSERT_NOT)


def _forbids_more_than_one(item: tuple[Any, Any]) -> bool:
    """Whether it says what several letters after it must not be."""
    operation, value = item
    return operation is sre.ASSERT_NOT and value[0] > 0 and len(value[1]) > 1


def _ways(items: list[Any]) -> list[list[Any]]:
    """Returns the sequences that a pattern allows, apart where a branch says what must not follow it."""
    ways: list[list[Any]] = [[]]
    for operation, value in items:
        inner = [[(operation, value)]]
        if operation is sre.SUBPATTERN and not value[1] and not value[2]:
            apart = _ways(list(value[3]))
            if len(apart) > 1 or any(map(_forbids_more_than_one, apart[0])):
                inner = apart
        elif operation is sre.BRANCH:
            branches = [way for branch in value[1] for way in _ways(list(branch))]
            if any(_forbids_more_than_one(item) for way in branches for item in way):
                inner = branches
        ways = [way + more for way in ways for more in inner]
        if len(ways) > MAX_STATES:
            raise NoAutomatonError(f"a pattern allows more than {MAX_STATES:,} ways apart")
    return ways


_CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}


def _written(operation: Any, value: Any) -> str | None:
    """Returns the pattern of one character, None if there is none."""
    if operation is sre.ANY:
        return "."
    if operation is sre.LITERAL:
        return re.escape(chr(value))
    if operation is sre.NOT_LITERAL:
        return f"[^{_in_set(chr(value))}]"
    parts, negated = [], False
    for kind, item in value:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            parts.append(_in_set(chr(item)))
        elif kind is sre.RANGE:
            parts.append(f"{_in_set(chr(item[0]))}-{_in_set(chr(item[1]))}")
        elif kind is sre.CATEGORY and item in _CATEGORIES:
            parts.append(_CATEGORIES[item])
        else:
            return None
    return f"[{'^' if negated else ''}{''.join(parts)}]"


def _in_set(letter: str) -> str:
    return f"\\{letter}" if letter in r"\]^-[&~|" else letter
