"""Runs an automaton over a text character by character, and says when a match is certain."""

from dataclasses import dataclass
from functools import cache

from core.look_ahead.language import Condition, Nfa

# A character as the automata see it: which predicates, of all automata together, are true of it.
Kind = tuple[bool, ...]
Nodes = frozenset[int]
NOWHERE: Nodes = frozenset()


@dataclass(frozen=True)
class Step:
    """What one more character does. nodes: where the automaton is after it. ended: a match ends before the
    character, which was needed to know; whole: one ends with it, whatever follows."""

    nodes: Nodes
    ended: bool
    whole: bool


def looked_back_on(nfa: Nfa) -> set[int]:
    """Returns the predicates that are asked of the character before a place."""
    return {
        condition.predicate
        for edges in nfa.free
        for condition, _ in edges
        if condition is not None and condition.side == "before"
    }


class Matcher:
    """Searches for the automaton's matches anywhere in a text. offset: of its predicates in a `Kind`."""

    def __init__(self, nfa: Nfa, offset: int) -> None:
        self._nfa, self._offset = nfa, offset
        self.step = cache(self._step)
        self.at_end = cache(self._at_end)
        self.possible = cache(self._possible)

    def _step(self, nodes: Nodes, before: Kind, character: Kind) -> Step:
        reached = self._closure(nodes, before, character)
        eaten = frozenset(
            to
            for node in reached
            for predicate, to in self._nfa.eats[node]
            if character[self._offset + predicate]
        )
        later = self._closure(eaten, character, None) if eaten else NOWHERE
        accept = self._nfa.accept
        return Step(eaten, accept in reached, accept in later)

    def _at_end(self, nodes: Nodes, before: Kind) -> bool:
        """Returns whether a match ends where the text ends."""
        return self._nfa.accept in self._closure(nodes, before, (False,) * len(before))

    def _possible(self, nodes: Nodes) -> bool:
        """Returns whether a match may still come, once a character was read; in doubt it may.

        What must stand at the beginning of the text can only go on from where it has begun.
        """
        found, waiting = {0, *nodes}, [0, *nodes]
        while waiting:
            node = waiting.pop()
            ways = [to for _, to in self._nfa.eats[node]]
            ways += [to for condition, to in self._nfa.free[node] if not self._at_start(condition)]
            for to in ways:
                if to not in found:
                    found.add(to)
                    waiting.append(to)
        return self._nfa.accept in found

    def _at_start(self, condition: Condition | None) -> bool:
        return (
            condition is not None
            and condition.side == "before"
            and condition.predicate in self._nfa.always
            and not condition.wanted
        )

    def _closure(self, nodes: Nodes, before: Kind, after: Kind | None) -> Nodes:
        """Returns all nodes reached between two characters; after: None while it is not known."""

        def holds(condition: Condition | None) -> bool:
            if condition is None:
                return True
            kind = before if condition.side == "before" else after
            if kind is None:
                return False
            return kind[self._offset + condition.predicate] is condition.wanted

        # A match may begin at any place.
        found, waiting = {0, *nodes}, [0, *nodes]
        while waiting:
            for condition, to in self._nfa.free[waiting.pop()]:
                if to not in found and holds(condition):
                    found.add(to)
                    waiting.append(to)
        return frozenset(found)
