"""What next tokens do to answers on which a judge's word is open, as masks over the vocabulary."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core.look_ahead.tokens import HARMFUL, OPEN, TokenAutomaton


@dataclass(frozen=True, eq=False)
class OpenMasks:
    """Which tokens settle each place's answer as harmful, leave it open, and leave it open but so that it
    would be harmful if it ended with them: each (places, V) bool."""

    harmful: torch.Tensor
    stays: torch.Tensor
    alert: torch.Tensor


def open_masks(
    automaton: TokenAutomaton, states: NDArray[np.int64], last: bool, device: torch.device
) -> OpenMasks:
    """Returns what each next token does at each place. last: whether it is the answer's last token."""
    different, place = np.unique(states, return_inverse=True)
    each = [automaton.next(state) for state in different.tolist()]
    at = torch.from_numpy(place).to(device)

    def of_places(masks: list[NDArray[np.bool_]]) -> torch.Tensor:
        return torch.from_numpy(np.stack(masks)).to(device).index_select(0, at)

    settles = [following.at_last if last else following.settles for following in each]
    return OpenMasks(
        of_places([one == HARMFUL for one in settles]),
        of_places([one == OPEN for one in settles]),
        of_places([following.alert for following in each]),
    )


def mass_inside(log_probs: torch.Tensor, inside: torch.Tensor) -> NDArray[np.float64]:
    """Returns the probability inside, (places,)."""
    probabilities = log_probs.exp().masked_fill(~inside, 0.0)
    # Of the mps device's types float64 is missing.
    exact = probabilities.cpu() if probabilities.device.type == "mps" else probabilities
    return np.asarray(exact.sum(-1, dtype=torch.float64).cpu().numpy())
