"""The command `direction`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from core.cli.console import print_report, progress
from core.cli.options import (
    AttentionOption,
    BehaviourOption,
    DeviceOption,
    DtypeOption,
    ModelOption,
    RevisionOption,
    loading_fields,
)
from core.errors import SpecError

if TYPE_CHECKING:
    from core.spec import DirectionPosition
    from core.steering.direction import Direction, DirectionMeta


@dataclass(frozen=True)
class DirectionReport:
    """What was written where. pairs: the contrast pairs it was built from."""

    out: Path
    direction: "Direction"
    meta: "DirectionMeta"
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
        separation = [f"{value:.2f}" for value in self.direction.separation]
        return (
            f"{self.out}: {self.meta.behaviour} in {self.meta.model}, {self.pairs} pairs read at "
            f"{self.direction.position}\nseparation after block 0, 1, ...: {', '.join(separation)}"
        )


def direction(
    out: Annotated[Path, typer.Option(help="File to write: .safetensors, or .gguf for llama.cpp.")],
    behaviour: BehaviourOption = "misuse",
    model: ModelOption = "aster",
    position: Annotated[
        str | None,
        typer.Option(
            help="Where to read it: answer_mean or last_prompt. Default: the behaviour's."
        ),
    ] = None,
    revision: RevisionOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "eager",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Writes the direction of a behaviour in a model to a file, for proposals here or in llama.cpp."""
    from core.behaviours.load import load_behaviour, load_contrast_pairs
    from core.models.loading import load_model
    from core.models.spec import LoadingSpec
    from core.steering.build import direction_steps
    from core.steering.direction import DirectionMeta
    from core.steering.files import save_direction
    from core.tasks import named, result_of

    _check_out(out)
    where = _position(position) or load_behaviour(behaviour).spec.direction
    pairs = load_contrast_pairs(behaviour)
    loaded = load_model(
        model, LoadingSpec.build(**loading_fields(revision, device, dtype, attention))
    )
    steps = named("building the direction", direction_steps(loaded, pairs, where))
    with progress(quiet=as_json) as show:
        built = result_of(steps, show)
    meta = DirectionMeta.of(loaded, load_behaviour(behaviour).name)
    save_direction(out, built, meta)
    report = DirectionReport(out, built, meta, len(pairs))
    print_report(report.to_dict() if as_json else report.to_text())


def _check_out(out: Path) -> None:
    from core.steering.files import ENDINGS

    if out.suffix.lower() not in ENDINGS:
        raise SpecError(f"out must end in {' or '.join(ENDINGS)}, got {str(out)!r}")
    if not out.parent.is_dir():
        raise SpecError(f"out must lie in a folder that is there, got {str(out)!r}")


def _position(value: str | None) -> "DirectionPosition | None":
    from core.spec import DirectionPosition

    positions: tuple[DirectionPosition, ...] = get_args(DirectionPosition)
    for position in positions:
        if value == position:
            return position
    if value is not None:
        raise SpecError(f"position must be one of {', '.join(positions)}, got {value!r}")
    return None
