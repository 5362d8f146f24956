"""The `steer` proposal: the target with a direction subtracted from its residual stream."""

from collections.abc import Sequence

from core.errors import SpecError
from core.models.loading import LoadedModel
from core.sampling import TokenMixing
from core.spec import SteerSpec
from core.steering.contrast import Direction
from core.streams import ModelStream, SteerPlan


def steer_plan(loaded: LoadedModel, spec: SteerSpec, direction: Direction) -> SteerPlan | None:
    """Returns the edit a spec asks for; None where it leaves the target as it is.

    Raises:
        SpecError: the model has no such layer.
    """
    blocks = len(loaded.blocks)
    if spec.layer >= blocks:
        raise SpecError(f"layer must be in 0..{blocks - 1} for {loaded.name}, got {spec.layer}")
    if spec.is_target:
        return None
    return SteerPlan(
        layer=spec.layer,
        vector=direction.vector(spec.layer).to(loaded.device),
        strength=spec.strength,
        on_prompt=spec.positions in ("prompt", "both"),
        on_answer=spec.positions in ("answer", "both"),
    )


def open_stream(
    loaded: LoadedModel,
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    spec: SteerSpec | None,
    direction: Direction | None,
) -> tuple[ModelStream, TokenMixing | None]:
    """Returns a stream of these prompts and how its tokens are mixed; spec None is the target alone."""
    if spec is None or direction is None:
        return ModelStream(loaded, prompts, new_tokens), None
    plan = steer_plan(loaded, spec, direction)
    mixing = None if plan is None else TokenMixing(spec.alpha_mix, spec.t_switch)
    return ModelStream(loaded, prompts, new_tokens, plan), mixing
