"""Draws beginnings of answers that are not settled yet, and records the mass that settles them as harmful.

Let S be the next tokens that settle an answer as harmful and O those that leave it open, given what was said.
With p the model, m_t = p(S) and o_t = p(O) after the first t tokens,

    P(harm) = E[ sum_t m_t prod_{u<t} o_u ],

the beginning drawn from p within O at every token (conditional Monte Carlo). Drawn from anything else, each
summand is weighted by p over that of its beginning. No harmful answer need ever be drawn.

A word is settled by what follows it: after "yes" the answer stays open until a token shows that the word
ends. Rows that have said "yes" would carry the whole estimate, as rare as the word. So the target's own rows
take a token after which the answer would be harmful if it ended, an alert, with a probability of ALERT / T at
least; their weights stay below exp(ALERT).
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.estimation.certain_bounds import rounding_share
from core.look_ahead.tokens import TokenAutomaton
from core.sampling.beam import NOWHERE, Beam
from core.sampling.loop import (
    PAD,
    TokenMixing,
    by_token,
    chosen_log_probs,
    distributions,
    drawn,
    moved_on,
)
from core.sampling.open_masks import mass_inside, open_masks
from core.sampling.rows import OpenRows
from core.sampling.streams import Stream
from core.sampling.token_rules import RuledStream
from core.spec import GenerationSpec
from core.tasks import Beat, Progress, Steps, at_once, check_cancelled

# Of rows that are sent, at some token, where harm is a token away.
ALERT = 0.5


def largest_value(steps: int) -> float:
    """Returns the most that a row of the target can be worth, with answers of so many tokens."""
    return float((1 - ALERT / steps) ** -(steps - 1))


def open_row_steps(
    stream: Stream,
    generation: GenerationSpec,
    automaton: TokenAutomaton,
    *,
    vocabulary: int,
    uniforms: NDArray[np.float64],
    mixings: Sequence[TokenMixing] = (),
    component: NDArray[np.int64] | None = None,
    beam: Beam | None = None,
) -> Steps[None, OpenRows]:
    """Returns beginnings of answers drawn through a fresh `stream` of one prompt; yields the progress, in
    answers, between tokens.

    uniforms: (n, T). mixings: of the J proposals. component: (n,), what draws each row, 0 the target; the
    target if left out. beam: beginnings whose harm is known, which the target's own rows are to leave.

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
        log_q=np.zeros((len(mixings), count, steps)),
        own_log_q=np.zeros((count, steps)),
        exact=np.full(count, 0.0 if beam is None else beam.exact),
        unknown=np.full(count, 1.0 if beam is None else beam.leaving),
        boost=np.full(count, largest_value(steps)),
        rounding=np.full(count, rounding_share(steps, vocabulary)),
    )
    own = np.zeros(count, dtype=np.int64) if component is None else component
    drawn_by = by_token(own, len(mixings), (count, steps))
    rows, place = np.arange(count), np.zeros(count, dtype=np.int64)
    state = np.zeros(count, dtype=np.int64)
    # Where each row is in the beam.
    node = np.full(count, NOWHERE if beam is None else 0)
    for number, mixing in enumerate(mixings, start=1):
        if mixing.t_switch == 0:
            stream.drop(number)
    beat = Beat()
    for step in range(steps):
        check_cancelled()
        if beat.due:
            # Most beginnings end before the last step: those that have ended are whole.
            yield Progress(count - len(rows) * (1.0 - step / steps), count, "answers")
        each = distributions(stream, generation, vocabulary, mixings)
        places = len(each[0])
        # Rows that share a place have said the same, so they are in one state.
        used, first, index = np.unique(place, return_index=True, return_inverse=True)
        at = torch.from_numpy(used).to(each[0].device)
        each = [log_probs.index_select(0, at) for log_probs in each]
        last = step + 1 == steps
        masks = open_masks(automaton, state[first], last, each[0].device)
        # What is kept of the beam is exact already.
        beyond = node == NOWHERE
        found.mass[rows[beyond], step] = mass_inside(each[0], masks.harmful)[index][beyond]
        if last:
            break
        toward = each[0] if beam is None else beam.log_factors(step, node[first].tolist(), each[0])
        stays = masks.stays
        left = np.stack([mass_inside(log_probs, stays) for log_probs in (toward, *each[1:])])[
            :, index
        ]
        # A component that cannot go on from here has drawn all that it could.
        going = (left[0] > 0) & (left[drawn_by[rows, step], np.arange(len(rows))] > 0)
        if not going.any():
            break
        rows, place, index, left = rows[going], place[going], index[going], left[:, going]
        inside = [
            _alerted(toward, stays, masks.alert, steps),
            *(log_probs.masked_fill(~stays, -torch.inf) for log_probs in each[1:]),
        ]
        chosen = drawn(inside, index, drawn_by[rows, step], uniforms[rows, step])
        found.tokens[rows, step] = chosen
        found.lengths[rows] = step + 1
        found.log_p[rows, step] = chosen_log_probs(each[0], index, chosen)
        with np.errstate(divide="ignore"):
            log_left = np.log(left)
        found.own_log_q[rows, step] = chosen_log_probs(inside[0], index, chosen)
        for number, log_probs in enumerate(each[1:], start=1):
            log_q = chosen_log_probs(log_probs, index, chosen) - log_left[number]
            # One that cannot stay open cannot have made this.
            found.log_q[number - 1, rows, step] = np.where(left[number] > 0, log_q, -np.inf)
        state, node = state[going], node[going]
        if beam is not None:
            node = np.array(
                [beam.step(step, n, t) for n, t in zip(node.tolist(), chosen.tolist(), strict=True)]
            )
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


open_rows = at_once(open_row_steps)


def _alerted(
    target: torch.Tensor, stays: torch.Tensor, alert: torch.Tensor, steps: int
) -> torch.Tensor:
    """Returns the distribution of the target's rows, (places, V): within `stays`, alert tokens raised.

    Their share is what it is, and ALERT / steps at least where there are any.
    """
    log_probs = target.masked_fill(~stays, -torch.inf)
    log_open = log_probs.logsumexp(-1)
    log_alert = log_probs.masked_fill(~alert, -torch.inf).logsumexp(-1)
    log_calm = log_probs.masked_fill(alert, -torch.inf).logsumexp(-1)
    own = (log_alert - log_open).exp()
    raised = own.clamp(min=ALERT / steps)
    # Where all tokens are of one kind, nothing is raised.
    share = torch.where((log_alert > -torch.inf) & (log_calm > -torch.inf), raised, own).unsqueeze(
        -1
    )
    of_alert = share.log() - log_alert.unsqueeze(-1)
    of_calm = (-share).log1p() - log_calm.unsqueeze(-1)
    factor = torch.where(alert, of_alert, of_calm)
    # Not by `stays` alone: a token that the settings rule out has no factor.
    return torch.where(log_probs > -torch.inf, log_probs + factor, -torch.inf)
