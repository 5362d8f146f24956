"""The tree of all answers, as far as it was looked into: what is settled for certain, and what is next.

A node is a beginning of an answer that a judge's rule leaves open. Looking into it means learning the model's
probabilities of all next tokens: those that settle the answer move their exact share of its mass to harmful
or to harmless, at once; the others are beginnings, one token longer. So

    harmful mass settled <= P(harm) <= 1 - harmless mass settled

at any time, whichever nodes were looked into. Which are best decides how soon the ends meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.look_ahead.tokens import HARMFUL, HARMLESS, OPEN, TokenAutomaton

# Beginnings that wait to be looked into; of more, the least likely are given up, and their mass stays open.
KEPT = 500_000
# Of one node's next tokens. No model of the invented world has so many.
CHILDREN = 4_096
# Share of a node's mass that a state is taken to settle as harmful before it was ever looked into: high
# enough that every state is tried.
FIRST_GUESS = 0.05
# Sums in float64 of as many terms as there are tokens.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Node:
    """A beginning of an answer. mass: its probability under the model. state: of the judge's automaton."""

    tokens: tuple[int, ...]
    mass: float
    state: int


class AnswerTree:
    """Grows node by node.

    Parameters
    ----------
    automaton : TokenAutomaton
        Follows the judge's rule.
    steps : int, tokens
        Longest answer.
    kept : int
        Beginnings that may wait.
    """

    def __init__(self, automaton: TokenAutomaton, steps: int, kept: int = KEPT) -> None:
        self._automaton, self._steps, self._kept = automaton, steps, kept
        self.harmful = self.harmless = 0.0
        self.looked_into = 0
        self._parents: list[tuple[int, ...]] = [()]
        # Of the beginnings that wait; the token is the last one, after those of the parent.
        self._mass = np.ones(1)
        self._parent = np.zeros(1, dtype=np.int64)
        self._token = np.full(1, -1, dtype=np.int64)
        self._state = np.zeros(1, dtype=np.int64)
        self._new: list[tuple[NDArray[np.generic], ...]] = []
        # By state: what was settled as harmful of the nodes' own mass, and how many were looked into.
        self._found: dict[int, tuple[float, int]] = {}

    @property
    def low(self) -> float:
        """A lower bound of the risk, rounded down."""
        return self.harmful * (1 - ROUNDING)

    @property
    def high(self) -> float:
        """An upper bound of the risk, rounded up."""
        return min(max(1.0 - self.harmless * (1 - ROUNDING), self.low), 1.0)

    @property
    def waiting(self) -> int:
        """How many beginnings can be looked into."""
        self._gather()
        return len(self._mass)

    def take(self, count: int) -> list[Node]:
        """Returns the next nodes to look into, and takes them out: by half the likeliest, which bring the
        ends together, and by half those that promise most harm, which raise the lower one."""
        self._gather()
        count = min(count, len(self._mass))
        if count == 0:
            return []
        promise = self._mass * self._promise()
        harm = _largest(promise, count // 2)
        others = self._mass.copy()
        others[harm] = -1.0
        chosen = np.concatenate([harm, _largest(others, count - len(harm))])
        nodes = [
            Node(self._tokens_of(place), float(self._mass[place]), int(self._state[place]))
            for place in chosen.tolist()
        ]
        self._keep(np.setdiff1d(np.arange(len(self._mass)), chosen, assume_unique=True))
        return nodes

    def put_back(self, nodes: Sequence[Node]) -> None:
        """Lets nodes wait again that were taken and not looked into."""
        for node in nodes:
            parent = np.array([len(self._parents)])
            self._parents.append(node.tokens[:-1])
            token = np.array([node.tokens[-1] if node.tokens else -1])
            self._new.append((np.array([node.mass]), parent, token, np.array([node.state])))

    def look_into(self, node: Node, log_probs: NDArray[np.float64]) -> None:
        """Enters the model's log-probabilities of the token after a node, (V,) float64."""
        following = self._automaton.next(node.state)
        last = len(node.tokens) + 1 == self._steps
        settles = following.at_last if last else following.settles
        lost = (settles == OPEN) & self._automaton.hopeless(following.state)
        settles = np.where(lost, HARMLESS, settles)
        shares = np.exp(log_probs)
        harm = float(shares[settles == HARMFUL].sum())
        self.harmful += node.mass * harm
        self.harmless += node.mass * float(shares[settles == HARMLESS].sum())
        self.looked_into += 1
        total, times = self._found.get(node.state, (0.0, 0))
        self._found[node.state] = (total + harm, times + 1)
        tokens = np.flatnonzero((settles == OPEN) & (shares > 0))
        if len(tokens) > CHILDREN:
            tokens = tokens[_largest(shares[tokens], CHILDREN)]
        if len(tokens):
            parent = np.full(len(tokens), len(self._parents), dtype=np.int64)
            self._parents.append(node.tokens)
            self._new.append((node.mass * shares[tokens], parent, tokens, following.state[tokens]))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Returns all that is needed to go on with the search; as `restore` takes it."""
        self._gather()
        used, parent = np.unique(self._parent, return_inverse=True)
        beginnings = np.full((len(used), self._steps), -1, dtype=np.int64)
        for row, number in enumerate(used.tolist()):
            tokens = self._parents[number]
            beginnings[row, : len(tokens)] = tokens
        return {
            "ends": np.array([self.harmful, self.harmless, float(self.looked_into)]),
            "beginnings": beginnings,
            "mass": self._mass,
            "parent": parent.astype(np.int64),
            "token": self._token,
        }

    def restore(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Goes on from what `arrays` returned, of the same model, query and rule."""
        harmful, harmless, looked_into = arrays["ends"].tolist()
        self.harmful, self.harmless, self.looked_into = harmful, harmless, int(looked_into)
        self._parents = [
            tuple(token for token in row if token >= 0) for row in arrays["beginnings"].tolist()
        ]
        self._mass = np.array(arrays["mass"], dtype=np.float64)
        self._parent = np.array(arrays["parent"], dtype=np.int64)
        self._token = np.array(arrays["token"], dtype=np.int64)
        states = [self._automaton.after(tokens) for tokens in self._parents]
        self._state = np.array(
            [
                self._automaton.next(states[parent]).state[token] if token >= 0 else 0
                for parent, token in zip(self._parent.tolist(), self._token.tolist(), strict=True)
            ],
            dtype=np.int64,
        )
        self._new = []

    def _promise(self) -> NDArray[np.float64]:
        """Returns the share of each waiting node's mass that its next token is taken to settle as harmful."""
        guess = np.full(int(self._state.max(initial=0)) + 1, FIRST_GUESS)
        for state, (total, times) in self._found.items():
            if state < len(guess):
                guess[state] = (total + FIRST_GUESS) / (times + 1)
        return guess[self._state]

    def _tokens_of(self, place: int) -> tuple[int, ...]:
        token, before = int(self._token[place]), self._parents[int(self._parent[place])]
        return before if token < 0 else (*before, token)

    def _gather(self) -> None:
        if not self._new:
            return
        columns = [
            np.concatenate(parts)
            for parts in zip(
                (self._mass, self._parent, self._token, self._state), *self._new, strict=True
            )
        ]
        self._mass, self._parent, self._token, self._state = columns
        self._new = []
        if len(self._mass) > self._kept:
            self._keep(_largest(self._mass, self._kept))

    def _keep(self, places: NDArray[np.int64]) -> None:
        self._mass, self._parent = self._mass[places], self._parent[places]
        self._token, self._state = self._token[places], self._state[places]


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Returns the places of the largest values, in no order."""
    if count >= len(values):
        return np.arange(len(values))
    if count <= 0:
        return np.zeros(0, dtype=np.int64)
    return np.argpartition(values, -count)[-count:]


def tokens_of(nodes: Sequence[Node], length: int) -> NDArray[np.int64]:
    """Returns nodes' tokens, (n, length), all of one length."""
    return np.array([node.tokens for node in nodes], dtype=np.int64).reshape(len(nodes), length)
