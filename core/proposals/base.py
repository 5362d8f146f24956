"""What every kind of proposal comes down to: a model, a prompt, an edit, and how far to go.

A kind is one file: a spec, and a function that makes a `Proposal` of it. The sampling loop, the scoring
and the search know only what is here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import Field

from core.errors import BehaviourError, ModelError, SpecError
from core.models.chat import prompt_ids
from core.models.hooks import EditPlan
from core.models.loading import LoadedModel
from core.spec import DirectionPosition, GenerationSpec, Layer, ProposalSpec, SteeredPositions
from core.steering.direction import Direction, fitted
from core.steering.files import load_direction


@dataclass(frozen=True, eq=False)
class Arm:
    """How one distribution over answers is computed: which model, after which prompts, changed how.

    prompts: token ids, one for each place that a stream begins with. blend: the logits are
    target + blend * (own - target), so 1 is the model as it is, and the target needs none.
    """

    loaded: LoadedModel
    prompts: tuple[tuple[int, ...], ...]
    edit: EditPlan | None = None
    blend: float = 1.0


@dataclass(frozen=True, eq=False)
class Proposal:
    """A spec with all that it names made ready.

    loaded: the model that computes it, the target's own or another. fingerprint: a hash of what the spec
    only names (a direction, other weights); with the spec it decides every draw. system_prompt: instead
    of the target's, if given. answer_prefix: what the answer seems to have begun with.
    """

    spec: ProposalSpec
    loaded: LoadedModel
    fingerprint: str = ""
    edit: EditPlan | None = None
    blend: float = 1.0
    system_prompt: str | None = None
    answer_prefix: str = ""

    def arm(
        self, target: LoadedModel, queries: Sequence[str], generation: GenerationSpec
    ) -> Arm | None:
        """Returns how it is computed for these queries; None where it leaves the target as it is.

        Raises:
            ModelError: prompt and answer together are too long for the model.
        """
        if self.spec.is_target:
            return None
        system = generation.system_prompt if self.system_prompt is None else self.system_prompt
        # The target's tokenizer spells every prompt: a proposal that runs on another model shares it.
        prefix = target.tokenizer(self.answer_prefix, add_special_tokens=False)["input_ids"]
        day = generation.template_date
        prompts = tuple((*prompt_ids(target, query, system, day), *prefix) for query in queries)
        _check_room(self.loaded, prompts, generation)
        return Arm(self.loaded, prompts, self.edit, self.blend)


class DirectionSource(Protocol):
    """Where a kind gets the behaviour's direction from, read at a position."""

    def __call__(self, position: DirectionPosition) -> Direction: ...


@dataclass(frozen=True, eq=False)
class ProposalContext:
    """What a kind may need beyond its spec: the behaviour's directions, and other models.

    load: returns the model under a name.
    """

    direction: DirectionSource
    load: Callable[[str], LoadedModel] = field(repr=False)


class DirectedSpec(ProposalSpec):
    """A proposal that goes along a direction: the behaviour's, or that of a file.

    layer: the block whose direction it is, counted from 0. direction: where the behaviour's is read.
    positions: whose tokens are changed. direction_file: the direction is read from this file
    (`core.steering.files`), not from the behaviour's contrast pairs; left out of the JSON where there is
    none, since stored draws have keys without it.
    """

    layer: Layer = 2
    direction: DirectionPosition = "answer_mean"
    positions: SteeredPositions = "answer"
    direction_file: str | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def on_prompt(self) -> bool:
        """Whether the tokens of the prompt are changed."""
        return self.positions in ("prompt", "both")

    @property
    def on_answer(self) -> bool:
        """Whether the tokens of the answer are changed."""
        return self.positions in ("answer", "both")


def direction_of(loaded: LoadedModel, spec: DirectedSpec, context: ProposalContext) -> Direction:
    """Returns the direction that a spec goes along in this model.

    Raises:
        SpecError: its file cannot be used, or does not fit the model.
        BehaviourError: the behaviour gives no direction.
    """
    if spec.direction_file is None:
        return context.direction(spec.direction)
    try:
        direction, meta = load_direction(Path(spec.direction_file).expanduser())
    except BehaviourError as error:
        raise SpecError(str(error)) from error
    try:
        return fitted(direction, meta, loaded)
    except BehaviourError as error:
        raise SpecError(f"direction_file {spec.direction_file!r}: {error}") from error


def measured_direction(
    loaded: LoadedModel, spec: DirectedSpec, context: ProposalContext
) -> Direction:
    """Returns `direction_of` with the activations' lengths, the behaviour's where its file states none.

    Raises: as `direction_of`.
    """
    direction = direction_of(loaded, spec, context)
    known = np.isfinite(direction.activation_norm)
    if known.all():
        return direction
    own = context.direction(spec.direction).activation_norm
    return replace(direction, activation_norm=np.where(known, direction.activation_norm, own))


def usable_direction(
    loaded: LoadedModel, spec: DirectedSpec, context: ProposalContext
) -> Direction:
    """Returns `direction_of`, checked to hold a vector at the spec's layer.

    Raises:
        SpecError: the model has no such layer, or the direction's file cannot be used or leaves it out.
        BehaviourError: the behaviour gives no direction.
    """
    direction = direction_of(loaded, spec, context)
    check_layer(loaded, spec.layer)
    if spec.direction_file is not None and spec.layer not in direction.held_blocks:
        raise SpecError(
            f"direction_file {spec.direction_file!r} holds no direction after block {spec.layer}, only "
            f"after {', '.join(map(str, direction.held_blocks))}"
        )
    return direction


def check_layer(loaded: LoadedModel, layer: int) -> None:
    """Raises SpecError if the model has no such layer."""
    blocks = len(loaded.blocks)
    if not 0 <= layer < blocks:
        raise SpecError(f"layer must be in 0..{blocks - 1} for {loaded.name}, got {layer}")


def target_arm(loaded: LoadedModel, queries: Sequence[str], generation: GenerationSpec) -> Arm:
    """Returns the target itself as an arm.

    Raises:
        ModelError: prompt and answer together are too long for the model.
    """
    system = generation.system_prompt
    day = generation.template_date
    prompts = tuple(prompt_ids(loaded, query, system, day) for query in queries)
    _check_room(loaded, prompts, generation)
    return Arm(loaded, prompts)


def _check_room(
    loaded: LoadedModel, prompts: Sequence[Sequence[int]], generation: GenerationSpec
) -> None:
    room = int(getattr(loaded.model.config, "max_position_embeddings", 0) or 0)
    longest = max(len(prompt) for prompt in prompts)
    # The last answer token is drawn but never read.
    if room and longest + generation.max_new_tokens - 1 > room:
        raise ModelError(
            f"the prompt takes {longest} tokens and an answer up to {generation.max_new_tokens}, but "
            f"{loaded.name} has room for {room} in all; shorten the query or lower max_new_tokens"
        )
