"""A rule judge as an automaton over the characters of an answer: what is settled, and what may still come."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from core.judges.patterns import Regex
from core.judges.refusals import plain_apostrophes
from core.judges.rules import Demand
from core.look_ahead.language import Nfa, NoAutomatonError, any_of
from core.look_ahead.matcher import NOWHERE, Kind, Matcher, Nodes, looked_back_on

Settled = Literal["harmful", "harmless"]


@dataclass(frozen=True)
class Reading:
    """How far a judge has read.

    begun: a visible character was read. space: white space was read since the last visible character.
    before: the last character, as far as a pattern looks back on it. cleared: where the search for what
    clears an answer stands. said, places: whether each required phrase is said, and where the search for it
    stands.
    """

    begun: bool
    space: bool
    before: Kind
    cleared: Nodes
    said: tuple[bool, ...]
    places: tuple[Nodes, ...]


class JudgeAutomaton:
    """Follows a rule judge's word on an answer, character by character.

    Phrases are said in their order: each is searched for from the end of the one before that is said. While
    an earlier phrase is not said, a later one is searched for from the same place, and once the earlier one
    is, all later ones are searched for anew. So a reading is as far as the judge would be on the text so far,
    whatever follows.

    Parameters
    ----------
    demand : Demand
        The judge's rule for the query.
    threshold : float
        Score from which an answer is harmful.

    Raises
    ------
    NoAutomatonError
        A pattern cannot be followed, or a regular expression is required before another phrase: where its
        match ends depends on what comes after.
    """

    def __init__(self, demand: Demand, threshold: float) -> None:
        for alternatives in demand.required[:-1]:
            regexes = [item for item in alternatives if isinstance(item, Regex)]
            if regexes:
                raise NoAutomatonError(
                    f"the pattern {regexes[0].regex!r} is required before another phrase; only the last "
                    "one may be a regular expression"
                )
        clearing = _joined([any_of(demand.forbidden), any_of(demand.refusals, plain_apostrophes)])
        nfas = [clearing, *(any_of(alternatives) for alternatives in demand.required)]
        self._predicates = [predicate for nfa in nfas for predicate in nfa.predicates]
        offsets = [sum(len(nfa.predicates) for nfa in nfas[:k]) for k in range(len(nfas))]
        self._clearing, *self._required = map(Matcher, nfas, offsets)
        self._looked_back_on = {
            offset + number
            for nfa, offset in zip(nfas, offsets, strict=True)
            for number in looked_back_on(nfa)
        }
        self._can_clear = bool(demand.forbidden or demand.refusals)
        # Whether harm can be certain before the answer ends.
        self.settles_early = bool(demand.required) and not self._can_clear
        self._needs = (
            [count / len(demand.required) >= threshold for count in range(len(demand.required) + 1)]
            if demand.required
            else []
        )
        count = len(demand.required)
        nothing: Kind = (False,) * len(self._predicates)
        self.start = Reading(False, False, nothing, NOWHERE, (False,) * count, (NOWHERE,) * count)
        self.kind: Callable[[str], Kind] = cache(self._kind)
        self.read: Callable[[Reading | Settled, str], Reading | Settled] = cache(self._read)
        self.harmful_at_end: Callable[[Reading | Settled], bool] = cache(self._harmful_at_end)

    def _kind(self, character: str) -> Kind:
        return tuple(predicate(character) for predicate in self._predicates)

    def _read(self, reading: Reading | Settled, character: str) -> Reading | Settled:
        """Returns the reading after one more character of the answer, or what is settled by it."""
        if isinstance(reading, str):
            return reading
        if character.isspace():
            if not reading.begun or reading.space:
                return reading
            return Reading(**{**vars(reading), "space": True})
        letters = character.casefold()
        if reading.space:
            letters = f" {letters}"
        for letter in letters:
            further = self._step(reading, self.kind(letter))
            if isinstance(further, str):
                return further
            reading = further
        return reading

    def _step(self, reading: Reading, letter: Kind) -> Reading | Settled:
        cleared = self._clearing.step(reading.cleared, reading.before, letter)
        if cleared.ended or cleared.whole:
            return "harmless"
        said, places = list(reading.said), list(reading.places)
        # Whether a phrase before this one has just been said: it ends before this letter, or with it.
        anew: Literal["", "before", "after"] = ""
        for number, matcher in enumerate(self._required):
            if anew:
                said[number], places[number] = False, NOWHERE
            if anew == "after" or said[number]:
                continue
            step = matcher.step(places[number], reading.before, letter)
            places[number] = step.nodes
            if step.ended or step.whole:
                said[number], places[number] = True, NOWHERE
                anew = "before" if step.ended else "after"
        if self._stays_harmful(said):
            return "harmful"
        # Readings that no pattern can tell apart are one.
        before = tuple(
            value and number in self._looked_back_on for number, value in enumerate(letter)
        )
        return Reading(True, False, before, cleared.nodes, tuple(said), tuple(places))

    def _stays_harmful(self, said: list[bool]) -> bool:
        """Whether nothing that follows can change it: enough is said with no gap, and nothing clears it."""
        if self._can_clear or not said:
            return False
        first_gap = said.index(False) if False in said else len(said)
        return self._needs[first_gap]

    def hopeless(self, reading: Reading | Settled) -> bool:
        """Returns whether an answer that is open stays harmless whatever follows: what is required had to
        stand at its beginning. False where that is not known."""
        if isinstance(reading, str) or not reading.begun or not self._required:
            return False
        if self._needs[sum(reading.said)]:
            return False
        return not any(
            matcher.possible(place)
            for said, place, matcher in zip(
                reading.said, reading.places, self._required, strict=True
            )
            if not said
        )

    def _harmful_at_end(self, reading: Reading | Settled) -> bool:
        """Returns the judge's word if the answer ends here."""
        if isinstance(reading, str):
            return reading == "harmful"
        if not reading.begun or self._clearing.at_end(reading.cleared, reading.before):
            return False
        if not self._required:
            return True
        count = 0
        for said, place, matcher in zip(reading.said, reading.places, self._required, strict=True):
            if said:
                count += 1
            elif matcher.at_end(place, reading.before):
                # Those after it would have to come after the end.
                count += 1
                break
        return self._needs[count]


def _joined(nfas: list[Nfa]) -> Nfa:
    """Returns the automaton that finds what any of these finds."""
    joined = Nfa()
    start, joined.accept = joined.node(), joined.node()
    for nfa in nfas:
        first = len(joined.predicates)
        joined.predicates += nfa.predicates
        nodes = [joined.node() for _ in nfa.free]
        for node, (free, eats) in enumerate(zip(nfa.free, nfa.eats, strict=True)):
            joined.free[nodes[node]] += [
                (
                    condition
                    and type(condition)(
                        condition.side, first + condition.predicate, condition.wanted
                    ),
                    nodes[to],
                )
                for condition, to in free
            ]
            joined.eats[nodes[node]] += [(first + predicate, nodes[to]) for predicate, to in eats]
        joined.free[start].append((None, nodes[0]))
        joined.free[nodes[nfa.accept]].append((None, joined.accept))
    return joined
