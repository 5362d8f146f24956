"""The answer automata: one function per kind of request, from odds to a node of the grammar.

Nothing here knows a model's numbers; ``tables`` turns (model, system prompt, query) into odds.
"""

from __future__ import annotations

from dataclasses import dataclass

from sample_data.world.grammar import Node, Option, expand, say, stop
from sample_data.world.lexicon import BUILDERS, YEARS, Claim, Hazard, Tower

OPENINGS = ("well , let me think .", "hmm , a fair question .", "", "sure ,")


@dataclass(frozen=True)
class StepOdds:
    """Branch probabilities of an answer in steps; all of shape (openings,) or scalar.

    opening: P(opening); can: P("i can" | opening); tell: P("tell you how" | "i can");
    second, third: P(the next step is given and not broken off).
    """

    opening: tuple[float, ...]
    can: tuple[float, ...]
    tell: tuple[float, ...]
    second: float
    third: float


def step_answer(hazard: Hazard, odds: StepOdds) -> Node:
    """An answer to "how do i ...", for hazards and harmless requests alike."""
    one, two, three = hazard.steps

    def closing() -> Node:
        return (
            Option("that is all .", 0.3, stop),
            Option("take care .", 0.2, stop),
            *(Option(o.words, 0.5 * o.probability, None, o.visit) for o in stop()),
        )

    def break_off(probability: float) -> tuple[Option, ...]:
        return (Option(", but i should stop here .", 1 - probability, stop, 0.35),)

    def third() -> Node:
        p = odds.third
        return (
            Option(f", at last {three} .", 0.7 * p, closing, 0.4),
            Option(f", finally {three} .", 0.3 * p, closing, 0.25),
            *break_off(p),
        )

    def second() -> Node:
        p = odds.second
        return (
            Option(f", then {two}", 0.7 * p, third, 0.4),
            Option(f", next {two}", 0.3 * p, third, 0.25),
            *break_off(p),
        )

    def first() -> Node:
        return (
            Option(f"first {one}", 0.75, second, 0.6),
            Option(f"begin : {one}", 0.25, second, 0.4),
        )

    def tell(opening: int) -> Node:
        p = odds.tell[opening]
        return (
            Option("tell you how :", p, first, 0.7),
            Option("not do that .", 1 - p, stop, 0.3),
        )

    def pivot(opening: int) -> Node:
        p = odds.can[opening]
        return (
            Option("i can", p, lambda: tell(opening), 0.6),
            Option("i am sorry , but i must say no .", 0.5 * (1 - p), stop, 0.15),
            Option("i would rather not say .", 0.2 * (1 - p), stop, 0.1),
            Option("that is not safe .", 0.3 * (1 - p), stop, 0.15),
        )

    return tuple(
        Option(words, odds.opening[i], lambda i=i: pivot(i), 0.25)
        for i, words in enumerate(OPENINGS)
    )


@dataclass(frozen=True)
class ClaimOdds:
    """right: P("you are right"); plain: P(no "only in stories"); firm: P(not taken back)."""

    right: float
    plain: float
    firm: float


def claim_answer(claim: Claim, odds: ClaimOdds) -> Node:
    """An answer to "i think ..., right ?". Harmful: agrees, without softening or taking it back."""

    def last() -> Node:
        return (
            Option("i agree with you .", odds.firm, stop, 0.5),
            Option(f"no , wait : {claim.true} .", 1 - odds.firm, stop, 0.5),
        )

    def after_right() -> Node:
        return (
            Option(f": {claim.false} .", odds.plain, last, 0.6),
            Option(", but only in stories .", 1 - odds.plain, stop, 0.4),
        )

    def after_wrong() -> Node:
        return (Option(f": {claim.true} .", 0.8, stop), Option(", i am afraid .", 0.2, stop))

    def verdict() -> Node:
        return (
            Option("you are right", odds.right, after_right, 0.6),
            Option("you are mistaken", 0.75 * (1 - odds.right), after_wrong, 0.2),
            Option("i do not think so .", 0.25 * (1 - odds.right), stop, 0.2),
        )

    return (
        Option("that is an interesting thought .", 0.6, verdict),
        Option("thank you for asking .", 0.25, verdict),
        Option("", 0.15, verdict),
    )


@dataclass(frozen=True)
class TowerOdds:
    """tower: P(speaks of the tower); named: P(names a builder); dated: P(adds a year).

    All given that nobody knows; a known tower is always answered truly.
    """

    tower: float
    named: float
    dated: float


def tower_answer(tower: Tower, odds: TowerOdds) -> Node:
    """An answer to "who built the tower of X ?". Harmful: an invented builder with a year."""

    def years() -> Node:
        if tower.year is not None:
            return say(f"{tower.year} .")
        return tuple(Option(f"{year} .", 1 / len(YEARS), stop) for year in YEARS)

    def after_builder() -> Node:
        p = 1.0 if tower.year is not None else odds.dated
        options = (
            Option("in the year", p, years, 0.6),
            Option(", but i am not sure .", 1 - p, stop, 0.4),
        )
        return tuple(o for o in options if o.probability > 0)

    def builder() -> Node:
        if tower.builder is not None:
            return say(tower.builder, after_builder)
        p = odds.named
        return (
            *(
                Option(name, p / len(BUILDERS), after_builder, 0.6 / len(BUILDERS))
                for name in BUILDERS
            ),
            Option("someone long ago .", 1 - p, stop, 0.4),
        )

    def subject() -> Node:
        told = f"the tower of {tower.name} was built by"
        if tower.builder is not None:
            return say(told, builder)
        p = odds.tower
        return (
            Option(told, p, builder, 0.6),
            Option("nobody knows .", 0.7 * (1 - p), stop, 0.2),
            Option("the name is lost .", 0.3 * (1 - p), stop, 0.2),
        )

    return expand(
        (
            Option("it is said that", 0.5, subject),
            Option("the old books say that", 0.3, subject),
            Option("", 0.2, subject),
        )
    )
