"""What `direction` does with its options: build a behaviour's direction, and write it to a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from core.behaviours.load import load_behaviour, load_contrast_pairs
from core.errors import SpecError
from core.models.loading import load_model
from core.models.spec import LoadingSpec
from core.spec import DirectionPosition
from core.steering.build import build_direction
from core.steering.direction import Direction, DirectionMeta
from core.steering.files import ENDINGS, save_direction


@dataclass(frozen=True)
class DirectionReport:
    """What was written where."""

    out: Path
    direction: Direction
    meta: DirectionMeta
    pairs: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as JSON."""
        blocks, hidden = self.direction.vectors.shape
        return {
            "out": str(self.out),
            "behaviour": self.meta.behaviour,
            "model": self.meta.model,
            "model_fingerprint": self.meta.model_fingerprint,
            "position": self.direction.position,
            "pairs": self.pairs,
            "blocks": blocks,
            "hidden_size": hidden,
            "separation": [float(value) for value in self.direction.separation],
        }

    def to_text(self) -> str:
        """Returns the report in words."""
        told = [f"{value:.2f}" for value in self.direction.separation]
        return (
            f"{self.out}: {self.meta.behaviour} in {self.meta.model}, {self.pairs} pairs read at "
            f"{self.direction.position}\nseparation after block 0, 1, ...: {', '.join(told)}"
        )


def direction_headless(
    behaviour: str,
    model: str,
    out: Path,
    *,
    position: str | None,
    loading: Mapping[str, Any],
    progress: Callable[[str], None] | None = None,
) -> DirectionReport:
    """Builds a behaviour's direction in a model and writes it. position: None for the behaviour's own.

    Raises:
        TailscopeError: bad input, in one sentence.
    """
    if out.suffix.lower() not in ENDINGS:
        raise SpecError(f"out must end in {' or '.join(ENDINGS)}, got {str(out)!r}")
    if not out.parent.is_dir():
        raise SpecError(f"out must lie in a folder that is there, got {str(out)!r}")
    chosen = _position(position) or load_behaviour(behaviour).spec.direction
    pairs = load_contrast_pairs(behaviour)
    loaded = load_model(model, LoadingSpec.build(**loading))

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(f"pair {done} of {total}")

    found = build_direction(loaded, pairs, chosen, tell)
    meta = DirectionMeta.of(loaded, load_behaviour(behaviour).name)
    save_direction(out, found, meta)
    return DirectionReport(out, found, meta, len(pairs))


def _position(value: str | None) -> DirectionPosition | None:
    for known in get_args(DirectionPosition):
        if value == known:
            found: DirectionPosition = known
            return found
    if value is not None:
        raise SpecError(
            f"position must be one of {', '.join(get_args(DirectionPosition))}, got {value!r}"
        )
    return None
