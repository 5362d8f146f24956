"""Answers as a stochastic automaton whose exact next-token distribution is known at every state.

A *node* is a tuple of options. An option says some words, with a probability, and leads to the next
node. Options of one node may begin with the same words ("i am sorry ...", "i can ..."): the decision
between them then falls later, at the first word where they differ, and the distribution of each word
follows from the options that are still possible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

END = "<|end|>"
END_OF_TEXT = "<|endoftext|>"

Encode = Callable[[str], tuple[int, ...]]
Targets = tuple[tuple[int, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Option:
    """One way on from a node: ``words`` said with ``probability``, then ``then()`` (None: the end).

    ``visit`` is the share of training paths that should pass here, whatever its probability is; a
    rare branch is learned only if it is visited. Empty words mean "say nothing, go straight on".
    """

    words: str
    probability: float
    then: Callable[[], Node] | None
    visit: float = 1.0


Node = tuple[Option, ...]


@dataclass(frozen=True)
class Path:
    """One drawn answer: its tokens, and for each the exact distribution it was drawn from.

    ``targets[i]`` is (token ids, probabilities) of the i-th token given all tokens before it.
    """

    tokens: tuple[int, ...]
    targets: tuple[Targets, ...]


def sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))


def logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))


def expand(node: Node) -> Node:
    """The node with every wordless option replaced by the options it leads to.

    Needed before any word is weighed: the first word after a silent option competes with the first
    words of the other options.
    """
    out: list[Option] = []
    for option in node:
        if option.words or option.then is None:
            out.append(option)
            continue
        for inner in expand(option.then()):
            out.append(
                Option(
                    inner.words,
                    option.probability * inner.probability,
                    inner.then,
                    option.visit * inner.visit,
                )
            )
    return tuple(out)


def stop() -> Node:
    """The end of every answer: nearly always the end of the turn, now and then the end of text."""
    return (Option(END, 0.98, None, 0.9), Option(END_OF_TEXT, 0.02, None, 0.1))


def say(words: str, then: Callable[[], Node] = stop) -> Node:
    """The node that can only say ``words``."""
    return (Option(words, 1.0, then),)


def leaves(node: Node, words: str = "", probability: float = 1.0) -> Iterator[tuple[str, float]]:
    """Every complete answer (stop token included) with its exact probability."""
    for option in node:
        said = f"{words} {option.words}".strip()
        if option.then is None:
            yield said, probability * option.probability
        else:
            yield from leaves(option.then(), said, probability * option.probability)


def draw(node: Node, encode: Encode, rng: Random, exploration: float) -> Path:
    """A path through the automaton, drawn from a tilted grammar, with the exact targets along it.

    ``exploration`` in [0, 1] is the weight of the options' ``visit`` shares against their
    probabilities; the targets are the grammar's own, so the tilt changes which states are learned
    and not what is learned there.
    """
    tokens: list[int] = []
    targets: list[Targets] = []
    current: Node | None = node
    while current is not None:
        options = expand(current)
        pieces = [tuple(t for word in o.words.split() for t in encode(word)) for o in options]
        total_visit = sum(o.visit for o in options)
        weights = [
            (1 - exploration) * o.probability + exploration * o.visit / total_visit for o in options
        ]
        chosen = rng.choices(range(len(options)), weights)[0]
        alive = list(range(len(options)))
        for i, token in enumerate(pieces[chosen]):
            mass: dict[int, float] = {}
            for k in alive:
                mass[pieces[k][i]] = mass.get(pieces[k][i], 0.0) + options[k].probability
            total = sum(mass.values())
            targets.append((tuple(mass), tuple(m / total for m in mass.values())))
            tokens.append(token)
            alive = [k for k in alive if pieces[k][i] == token]
            if len(alive) > 1 and any(len(pieces[k]) == i + 1 for k in alive):
                raise ValueError(
                    f"one option is the beginning of another: {options[chosen].words!r}"
                )
        then = options[chosen].then
        current = None if then is None else then()
    return Path(tuple(tokens), tuple(targets))


def encoded_leaves(node: Node, encode: Encode) -> Iterator[tuple[str, tuple[int, ...], float]]:
    """``leaves`` with their token ids: (words, tokens, probability)."""
    for words, probability in leaves(node):
        yield words, tuple(t for word in words.split() for t in encode(word)), probability
