"""Directions from contrast pairs: where the model's residual stream tells safe from unsafe.

The direction at a block is the mean activation on the safe sides minus the mean on the unsafe sides
(contrastive addition, Panickssery et al. 2024); a `steer` proposal subtracts it.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from core.behaviours.load import ContrastPair
from core.errors import BehaviourError
from core.models.chat import message_ids
from core.models.hooks import recorded
from core.models.loading import LoadedModel
from core.models.templates import Message
from core.spec import DirectionPosition
from core.steering.direction import Direction
from core.tasks import Progress, Steps, check_cancelled, result_of

# Reading the pairs takes a second or an hour, by the model. It is done once, and goes with its model.
_built: WeakKeyDictionary[LoadedModel, dict[str, Direction]] = WeakKeyDictionary()


def build_direction(
    loaded: LoadedModel,
    pairs: Sequence[ContrastPair],
    position: DirectionPosition,
    show: Callable[[Progress[None]], object] | None = None,
) -> Direction:
    """Returns the direction at every block, read at the last prompt token or averaged over the answer.

    show: called after each pair; never where the direction has been built already.

    Raises:
        BehaviourError: there is no pair, or the two sides leave the model in the same state.
    """
    return result_of(direction_steps(loaded, pairs, position), show)


def direction_steps(
    loaded: LoadedModel, pairs: Sequence[ContrastPair], position: DirectionPosition
) -> Steps[None, Direction]:
    """Yields the progress of `build_direction` and returns its direction. Raises: as it does."""
    if not pairs:
        raise BehaviourError("a direction needs at least one contrast pair, got 0")
    known, key = _built.setdefault(loaded, {}), _key(pairs, position)
    if key not in known:
        safe, unsafe = [], []
        for pair in pairs:
            check_cancelled()
            safe.append(_activations(loaded, pair.safe, position))
            unsafe.append(_activations(loaded, pair.unsafe, position))
            yield Progress(len(safe), len(pairs), "pairs")
        known[key] = _direction(np.stack(safe), np.stack(unsafe), position)
    return known[key]


def built_direction(
    loaded: LoadedModel, pairs: Sequence[ContrastPair], position: DirectionPosition
) -> Direction | None:
    """Returns the direction if these pairs have been read already, else None."""
    return _built.get(loaded, {}).get(_key(pairs, position))


def _key(pairs: Sequence[ContrastPair], position: DirectionPosition) -> str:
    content = json.dumps([position, [[pair.safe, pair.unsafe] for pair in pairs]])
    return hashlib.sha256(content.encode()).hexdigest()


def _direction(
    safe: NDArray[np.float64], unsafe: NDArray[np.float64], position: DirectionPosition
) -> Direction:
    """Returns the direction between two sides' activations, each (pairs, blocks, hidden)."""
    vectors = (safe.mean(0) - unsafe.mean(0)).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1)
    if not (lengths > 0).any():
        raise BehaviourError(
            "the safe and unsafe sides of the contrast pairs look alike to the model"
        )
    unit = vectors / np.maximum(lengths, 1e-12)[:, None]
    along_safe = np.einsum("nlh,lh->nl", safe, unit)
    along_unsafe = np.einsum("nlh,lh->nl", unsafe, unit)
    spread = np.sqrt((along_safe.var(0) + along_unsafe.var(0)) / 2)
    return Direction(
        position=position,
        vectors=vectors,
        activation_norm=np.linalg.norm(np.concatenate([safe, unsafe]), axis=2).mean(0),
        separation=(along_safe.mean(0) - along_unsafe.mean(0)) / np.maximum(spread, 1e-12),
    )


def _activations(
    loaded: LoadedModel, messages: Sequence[Message], position: DirectionPosition
) -> NDArray[np.float64]:
    """Returns the residual stream (blocks, hidden) after each block, at the wanted position."""
    asked = [message for message in messages if message["role"] != "assistant"]
    answer = [message["content"] for message in messages if message["role"] == "assistant"]
    prompt = list(message_ids(loaded, asked))
    ids = list(prompt)
    if position == "answer_mean" and answer:
        ids += loaded.tokenizer(answer[-1], add_special_tokens=False)["input_ids"]
    with torch.inference_mode(), recorded() as record:
        loaded.model(input_ids=torch.tensor([ids], device=loaded.device), use_cache=False)
    # From the last prompt token on: those are the positions whose outputs become the answer's tokens.
    # Blocks of a model that is spread out lie on several devices.
    answered = [record[layer][0, len(prompt) - 1 :].cpu() for layer in sorted(record)]
    states = torch.stack(answered)
    wanted = states.mean(1) if position == "answer_mean" else states[:, 0]
    return wanted.double().numpy()
