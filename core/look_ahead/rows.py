"""Draws beginnings of answers that are not settled yet, and records the mass that settles them as harmful.

Let S be the next tokens that settle an answer as harmful and O those that leave it open, given what was said.
With p the model, m_t = p(S) and o_t = p(O) after the first t tokens,

    P(harm) = E[ sum_t m_t prod_{u<t} o_u ],

the beginning drawn from p within O at every token (conditional Monte Carlo). Drawn from anything else, each
summand is weighted by p over that of its beginning. No harmful answer need ever be drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from core.look_ahead.tokens import HARMFUL, OPEN, TokenAutomaton
from core.sampling.loop import (
    PAD,
    TokenMixing,
    by_token,
    chosen_log_probs,
    distributions,
    drawn,
    moved_on,
)
from core.sampling.rows import ArrayRecord
from core.sampling.streams import Stream
from core.sampling.token_rules import RuledStream
from core.spec import GenerationSpec
from core.tasks import check_cancelled


@dataclass(frozen=True, eq=False)
class OpenRows(ArrayRecord):
    """Beginnings of answers, none of them settled before its end.

    tokens: (n, T) int32, PAD after the end. lengths: (n,) int32; a row of length t was settled, or may not
    go on, after t tokens. mass: (n, T) float64, the target's probability, given the first t tokens, of a
    token that settles the answer as harmful; 0 past the end. log_p: (n, T) float64, of each token under the
    target. log_q: (J + 1, n, T) float64, of each token under each component, given that the answer stays
    open: the target first.
    """

    tokens: NDArray[np.int32]
    lengths: NDArray[np.int32]
    mass: NDArray[np.float64]
    log_p: NDArray[np.float64]
    log_q: NDArray[np.float64]

    def values(self, shares: Sequence[float] = (1.0,)) -> NDArray[np.float64]:
        """Returns each row's unbiased value of the risk, (n,), by the balance heuristic over its components.

        shares: of the rows that each component drew, the target first.
        """
        with np.errstate(divide="ignore"):
            log_shares = np.log(np.asarray(shares))
        log_p, log_q = _before(self.log_p), _before(self.log_q)
        log_mix = logsumexp(log_q + log_shares[:, None, None], axis=0)
        return np.asarray((self.mass * np.exp(log_p - log_mix)).sum(-1))


def open_rows(
    stream: Stream,
    generation: GenerationSpec,
    automaton: TokenAutomaton,
    *,
    vocabulary: int,
    uniforms: NDArray[np.float64],
    mixings: Sequence[TokenMixing] = (),
    component: NDArray[np.int64] | None = None,
) -> OpenRows:
    """Returns beginnings of answers drawn through a fresh `stream` of one prompt.

    uniforms: (n, T). mixings: of the J proposals. component: (n,), what draws each row, 0 the target; the
    target if left out.

    Raises:
        NumericsError: the model returned NaN or infinite logits.
    """
    if generation.has_token_rules:
        stream = RuledStream(stream, generation, vocabulary)
    count, steps = uniforms.shape
    found = OpenRows(
        tokens=np.full((count, steps), PAD, dtype=np.int32),
        lengths=np.zeros(count, dtype=np.int32),
        mass=np.zeros((count, steps)),
        log_p=np.zeros((count, steps)),
        log_q=np.zeros((len(mixings) + 1, count, steps)),
    )
    own = np.zeros(count, dtype=np.int64) if component is None else component
    drawn_by = by_token(own, len(mixings), (count, steps))
    rows, place = np.arange(count), np.zeros(count, dtype=np.int64)
    state = np.zeros(count, dtype=np.int64)
    for number, mixing in enumerate(mixings, start=1):
        if mixing.t_switch == 0:
            stream.drop(number)
    for step in range(steps):
        check_cancelled()
        each = distributions(stream, generation, vocabulary, mixings)
        places = len(each[0])
        # Rows that share a place have said the same, so they are in one state.
        used, first, index = np.unique(place, return_index=True, return_inverse=True)
        at = torch.from_numpy(used).to(each[0].device)
        each = [log_probs.index_select(0, at) for log_probs in each]
        last = step + 1 == steps
        harmful, stays = _masks(automaton, state[first], last, each[0].device)
        found.mass[rows, step] = _mass(each[0], harmful)[index]
        if last:
            break
        left = np.stack([_mass(log_probs, stays) for log_probs in each])[:, index]
        # A component that cannot go on from here has drawn all that it could.
        going = (left[0] > 0) & (left[drawn_by[rows, step], np.arange(len(rows))] > 0)
        if not going.any():
            break
        rows, place, index, left = rows[going], place[going], index[going], left[:, going]
        inside = [log_probs.masked_fill(~stays, -torch.inf) for log_probs in each]
        chosen = drawn(inside, index, drawn_by[rows, step], uniforms[rows, step])
        found.tokens[rows, step] = chosen
        found.lengths[rows] = step + 1
        found.log_p[rows, step] = chosen_log_probs(each[0], index, chosen)
        with np.errstate(divide="ignore"):
            log_left = np.log(left)
        for number, log_probs in enumerate(each):
            log_q = chosen_log_probs(log_probs, index, chosen) - log_left[number]
            # One that cannot stay open cannot have made this.
            found.log_q[number, rows, step] = np.where(left[number] > 0, log_q, -np.inf)
        state = state[going]
        state = np.array(
            [
                automaton.next(s).state[t]
                for s, t in zip(state.tolist(), chosen.tolist(), strict=True)
            ]
        )
        for number, mixing in enumerate(mixings, start=1):
            if step + 1 >= mixing.t_switch:
                stream.drop(number)
        place = moved_on(stream, places, place, chosen)
    return found


def _masks(
    automaton: TokenAutomaton, states: NDArray[np.int64], last: bool, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns which tokens settle each place's answer as harmful, and which leave it open, (places, V)."""
    different, place = np.unique(states, return_inverse=True)
    settles = np.stack(
        [
            automaton.next(state).at_last if last else automaton.next(state).settles
            for state in different.tolist()
        ]
    )
    known = torch.from_numpy(settles).to(device).index_select(0, torch.from_numpy(place).to(device))
    return known == HARMFUL, known == OPEN


def _mass(log_probs: torch.Tensor, inside: torch.Tensor) -> NDArray[np.float64]:
    """Returns the probability inside, (places,)."""
    probabilities = log_probs.exp().masked_fill(~inside, 0.0)
    # Of the mps device's types float64 is missing.
    exact = probabilities.cpu() if probabilities.device.type == "mps" else probabilities
    return np.asarray(exact.sum(-1, dtype=torch.float64).cpu().numpy())


def _before(log_probs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the log-probability of the tokens before each one, (..., T)."""
    total = np.cumsum(log_probs, axis=-1)
    return np.concatenate([np.zeros_like(total[..., :1]), total[..., :-1]], axis=-1)
