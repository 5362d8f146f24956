"""The likeliest beginnings of answers, all of whose harm is added up exactly: rows need only be drawn beyond.

Level by level the likeliest open beginnings are kept, as in a beam search. With m the target's probability
of a token that settles the answer as harmful,

    P(harm) = sum over kept beginnings of P(beginning) * m(beginning) + harm of answers that leave the beam,

and the first sum is exact. The second is at most the probability of leaving. Rows are drawn given that they
leave (`Beam.log_factors`, Doob's h-transform): with h the probability of leaving from a beginning on, a kept
child is drawn with probability p * h(child) / h(parent), any other with p / h(parent).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.look_ahead.tokens import TokenAutomaton
from core.models.batching import padded_rows
from core.sampling.loop import distributions
from core.sampling.open_masks import mass_inside, open_masks
from core.sampling.streams import Stream
from core.sampling.token_rules import RuledStream
from core.spec import GenerationSpec
from core.tasks import Beat, Progress, Steps, at_once, check_cancelled

# Beginnings kept at each level. Half of them are the likeliest after which the answer would be harmful if it
# ended, as far as there are any: they lead to harm much more often than others.
PLACES = 64
NOWHERE = -1


@dataclass(frozen=True, eq=False)
class Level:
    """Kept beginnings of one length.

    child: for each of them {token: its place in the next level}. leaves: (k,) float64, the probability, given
    the beginning, that the answer stays open and leaves the beam at some later token.
    """

    child: tuple[dict[int, int], ...]
    leaves: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Beam:
    """exact: probability of harm within the beam. leaving: of answers that leave it, which holds the rest."""

    levels: tuple[Level, ...]
    exact: float
    leaving: float

    def step(self, level: int, place: int, token: int) -> int:
        """Returns where a beginning goes that is at a place of a level; NOWHERE once it has left."""
        if place == NOWHERE or level >= len(self.levels):
            return NOWHERE
        return self.levels[level].child[place].get(token, NOWHERE)

    def log_factors(self, level: int, places: Sequence[int], target: torch.Tensor) -> torch.Tensor:
        """Returns the target's log-probabilities, (rows, V), times the chance of leaving after each token."""
        if level >= len(self.levels) or all(place == NOWHERE for place in places):
            return target
        changed = target.clone()
        after = self.levels[level + 1].leaves if level + 1 < len(self.levels) else np.zeros(0)
        for row, place in enumerate(places):
            if place != NOWHERE:
                child = self.levels[level].child[place]
                with np.errstate(divide="ignore"):
                    factors = np.log(after[list(child.values())])
                tokens = torch.tensor(list(child), dtype=torch.long, device=target.device)
                changed[row, tokens] += torch.from_numpy(factors).to(target)
        return changed


@dataclass(eq=False)
class LookAhead:
    """What beginnings of answers to a query are drawn with. beam: None before the first draw."""

    automaton: TokenAutomaton
    beam: Beam | None = None


def beam_steps(
    stream: Stream,
    generation: GenerationSpec,
    automaton: TokenAutomaton,
    *,
    vocabulary: int,
    places: int = PLACES,
) -> Steps[None, Beam]:
    """Returns the likeliest beginnings, through a fresh `stream` of the target and one prompt.

    Yields the progress, in tokens. places: kept at each level; 1 is the greedy answer alone.

    Raises:
        NumericsError: the model returned NaN or infinite logits.
    """
    if generation.has_token_rules:
        stream = RuledStream(stream, generation, vocabulary)
    steps = generation.max_new_tokens
    exact = 0.0
    log_p, state = np.zeros(1), np.zeros(1, dtype=np.int64)
    children: list[tuple[dict[int, int], ...]] = []
    # Of each beginning the mass that leaves at the very next token, and of each child its probability.
    outside: list[NDArray[np.float64]] = []
    chances: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    beat = Beat()
    for step in range(steps):
        check_cancelled()
        if beat.due:
            yield Progress(step, steps, "tokens")
        log_probs = distributions(stream, generation, vocabulary, ())[0][: len(state)]
        last = step + 1 == steps
        masks = open_masks(automaton, state, last, log_probs.device)
        exact += float(np.exp(log_p) @ mass_inside(log_probs, masks.harmful))
        if last:
            children.append(tuple({} for _ in state))
            outside.append(np.zeros(len(state)))
            break
        stays = mass_inside(log_probs, masks.stays)
        parent, token, chance = _likeliest(log_p, log_probs, masks.stays, masks.alert, places)
        child: tuple[dict[int, int], ...] = tuple({} for _ in state)
        for number, (above, said) in enumerate(zip(parent.tolist(), token.tolist(), strict=True)):
            child[above][said] = number
        children.append(child)
        inside = np.bincount(parent, chance, minlength=len(state))
        # Where all of it is kept, what is left of the difference is rounding.
        left = np.where(stays - inside > 1e-7 * stays, stays - inside, 0.0)
        outside.append(left)
        chances.append((parent, chance))
        if not len(parent):
            break
        log_p = log_p[parent] + np.log(chance)
        state = np.array(
            [
                automaton.next(before).state[said]
                for before, said in zip(state[parent].tolist(), token.tolist(), strict=True)
            ]
        )
        filler = padded_rows(len(parent)) - len(parent)
        stream.keep(torch.from_numpy(np.append(parent, np.full(filler, parent[0]))))
        stream.advance(torch.from_numpy(np.append(token, np.full(filler, token[0]))))
    leaves = [outside[-1]]
    for left, (parent, chance) in zip(reversed(outside[:-1]), reversed(chances), strict=False):
        leaves.append(left + np.bincount(parent, chance * leaves[-1], minlength=len(left)))
    levels = tuple(map(Level, children, reversed(leaves)))
    return Beam(levels, min(exact, 1.0), float(levels[0].leaves[0]))


beam_of = at_once(beam_steps)


def _likeliest(
    log_p: NDArray[np.float64],
    log_probs: torch.Tensor,
    stays: torch.Tensor,
    alert: torch.Tensor,
    places: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Returns parent, token and conditional probability of the beginnings to keep, by parent and token."""
    whole = torch.from_numpy(log_p).to(log_probs).unsqueeze(-1) + log_probs
    kept: dict[tuple[int, int], None] = {}
    for inside, room in ((stays & alert, places // 2), (stays, places)):
        allowed = whole.masked_fill(~inside, -torch.inf).flatten()
        best = allowed.topk(min(places, allowed.numel()))
        width = log_probs.shape[-1]
        for value, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            if value == -np.inf or len(kept) >= room:
                break
            kept[divmod(index, width)] = None
    pairs = np.array(sorted(kept), dtype=np.int64).reshape(-1, 2)
    parent, token = pairs[:, 0], pairs[:, 1]
    chosen = log_probs[torch.from_numpy(parent), torch.from_numpy(token)]
    return parent, token, np.exp(chosen.cpu().double().numpy())
