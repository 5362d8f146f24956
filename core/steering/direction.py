"""A direction in a model's residual stream: its data, where it comes from, and the checks of both."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from core.errors import BehaviourError, ModelError
from core.models.loading import LoadedModel
from core.spec import MAX_STRENGTH, DirectionPosition

MAX_FILE_BYTES = 256_000_000
MAX_META_CHARACTERS = 200


@dataclass(frozen=True, eq=False)
class Direction:
    """One direction a block, with what is needed to judge it.

    vectors: (blocks, hidden) float32, safe minus unsafe. activation_norm: (blocks,), mean norm of the
    activations it was read from. separation: (blocks,), distance of the two sides' means along the
    direction, in pooled standard deviations. The last two are NaN where a file does not state them.
    """

    position: DirectionPosition
    vectors: NDArray[np.float32]
    activation_norm: NDArray[np.float64]
    separation: NDArray[np.float64]

    @property
    def fingerprint(self) -> str:
        """A hash of the vectors, so that shards of another direction are never mixed in."""
        return hashlib.sha256(np.ascontiguousarray(self.vectors).tobytes()).hexdigest()[:32]

    @property
    def held_blocks(self) -> tuple[int, ...]:
        """The blocks that have a vector: a file may leave some out."""
        return tuple(np.flatnonzero(self.vectors.any(axis=1)).tolist())

    def relative_strength(self, layer: int, strength: float) -> float:
        """Returns the length of what is added, as a share of the layer's activation norm."""
        length = abs(strength) * float(np.linalg.norm(self.vectors[layer]))
        return length / float(self.activation_norm[layer])

    def strength_of(self, layer: int, relative: float) -> float:
        """Returns the strength of this relative length, to three digits: short enough to read and type.

        At most the largest strength there is: a direction may be a thousandth of the activations.
        """
        length = max(float(np.linalg.norm(self.vectors[layer])), 1e-12)
        strength = relative * float(self.activation_norm[layer]) / length
        return float(f"{min(strength, MAX_STRENGTH):.3g}")

    def vector(self, layer: int) -> torch.Tensor:
        """Returns the direction (hidden,) after block `layer`.

        Raises:
            ModelError: the model has no such block.
        """
        if not 0 <= layer < len(self.vectors):
            raise ModelError(f"layer must be in 0..{len(self.vectors) - 1}, got {layer}")
        return torch.from_numpy(self.vectors[layer].copy())


@dataclass(frozen=True)
class DirectionMeta:
    """Where a direction comes from; empty where a file does not say.

    missing: blocks, counted from 0, of which the file holds no direction; their vectors are zero.
    open_ended: whether blocks may follow that the file does not name.
    """

    behaviour: str = ""
    model: str = ""
    model_fingerprint: str = ""
    missing: tuple[int, ...] = ()
    open_ended: bool = False

    @classmethod
    def of(cls, loaded: LoadedModel, behaviour: str) -> "DirectionMeta":
        """Returns the origin of a direction that was read in this model."""
        return cls(behaviour, loaded.name, loaded.fingerprint)

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> "DirectionMeta":
        """Returns the origin that a file states; a field of the wrong type counts as left out."""

        def text(name: str) -> str:
            value = fields.get(name, "")
            return value[:MAX_META_CHARACTERS] if isinstance(value, str) else ""

        missing = fields.get("missing", ())
        if not isinstance(missing, list | tuple):
            missing = ()
        blocks = tuple(block for block in missing if isinstance(block, int))
        return cls(
            behaviour=text("behaviour"),
            model=text("model"),
            model_fingerprint=text("model_fingerprint"),
            missing=blocks if len(blocks) == len(missing) else (),
            open_ended=fields.get("open_ended") is True,
        )


def check_direction(direction: Direction) -> None:
    """Raises BehaviourError if shapes do not fit together, a number is not finite, or all are zero."""
    vectors = direction.vectors
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise BehaviourError(
            f"vectors must have the shape (blocks, hidden), got {tuple(vectors.shape)}"
        )
    for name, values in (
        ("activation_norm", direction.activation_norm),
        ("separation", direction.separation),
    ):
        if values.shape != vectors.shape[:1]:
            raise BehaviourError(
                f"{name} must have one number for each of {len(vectors)} blocks, "
                f"got the shape {tuple(values.shape)}"
            )
        if np.isinf(values).any():
            raise BehaviourError(f"{name} must hold finite numbers, got an infinite one")
    if not np.isfinite(vectors).all():
        block = int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
        raise BehaviourError(
            f"vectors must hold finite numbers, and that of block {block} does not"
        )
    if not vectors.any():
        raise BehaviourError("all vectors are zero, so there is nothing to steer along")


def checked_position(value: object) -> DirectionPosition:
    """Returns where a direction was read. Raises: BehaviourError if that is no such place."""
    for position in get_args(DirectionPosition):
        if value == position:
            known: DirectionPosition = position
            return known
    raise BehaviourError(
        f"position must be one of {', '.join(get_args(DirectionPosition))}, got {value!r:.80}"
    )


def fitted(direction: Direction, meta: DirectionMeta, loaded: LoadedModel) -> Direction:
    """Returns a file's direction for a model; blocks that an open-ended file does not name get zeros.

    Raises:
        BehaviourError: hidden size or number of blocks do not fit the model; the sentence names both.
    """
    blocks, hidden = direction.vectors.shape
    wanted = len(loaded.blocks)
    if hidden != loaded.hidden_size or blocks > wanted or (blocks < wanted and not meta.open_ended):
        raise BehaviourError(
            f"a direction of {blocks} blocks and hidden size {hidden} does not fit {loaded.name}, "
            f"which has {wanted} blocks and hidden size {loaded.hidden_size}"
        )
    if blocks == wanted:
        return direction
    unknown = np.full(wanted - blocks, np.nan)
    rest = np.zeros((wanted - blocks, hidden), dtype=np.float32)
    return Direction(
        position=direction.position,
        vectors=np.concatenate([direction.vectors, rest]),
        activation_norm=np.concatenate([direction.activation_norm, unknown]),
        separation=np.concatenate([direction.separation, unknown]),
    )


def direction_note(meta: DirectionMeta, loaded: LoadedModel) -> str | None:
    """Returns what a person should know before using a file's direction in a model, or None."""
    if not meta.model_fingerprint:
        return (
            f"The file does not tell which model its direction was read in; it fits {loaded.name}."
        )
    if meta.model_fingerprint != loaded.fingerprint:
        return (
            f"This direction was read in other weights ({meta.model or 'a model without a name'}), "
            f"not in those of {loaded.name}: it can be used, and may do less."
        )
    return None
