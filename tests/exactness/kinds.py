"""One proposal of every kind on the toy: its spec, and its logits by brute force."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core.proposals import AnyProposalSpec, Arm, Proposal, ProposalContext, build_proposal, prepare
from core.spec import GenerationSpec
from core.steering.direction import Direction
from tests.exactness.toy import (
    LOADED,
    PROMPT,
    QUERY,
    TARGET,
    Answer,
    Logits,
    between,
    logits_of,
    projecting,
    subtracting,
    toy_model,
)

# Lopsided, and of length 4, so that its float32 unit vector is exact.
VECTOR = torch.zeros(32, dtype=torch.float64)
VECTOR[[1, 4, 5, 11, 17, 20, 30]] = torch.tensor(
    [2.0, -2.0, 1.0, 2.0, -1.0, 1.0, 1.0], dtype=torch.float64
)
DIRECTION = Direction(
    position="answer_mean",
    vectors=np.tile(VECTOR.numpy().astype(np.float32), (3, 1)),
    activation_norm=np.ones(3),
    separation=np.ones(3),
)
SYSTEM, SYSTEM_PROMPT = "w5 w4 w5", (5, 4, 5)
PREFIX, PREFIX_IDS = "w4 a", (4, 3)


OTHERS = {
    "same width": toy_model(11, 2), "wider": toy_model(11, 9), "narrower": toy_model(11, 0),
}  # fmt: skip
MEANS = ProposalContext(direction=lambda position: DIRECTION, load=OTHERS.__getitem__)


def ready(spec: AnyProposalSpec) -> Proposal:
    return prepare(LOADED, spec, MEANS)


def arm_of(spec: AnyProposalSpec) -> Arm | None:
    return ready(spec).arm(LOADED, [QUERY], GenerationSpec())


@dataclass(frozen=True)
class Case:
    """A proposal's fields, beside alpha_mix and t_switch, and its logits by brute force."""

    name: str
    fields: dict[str, object]
    logits: Logits

    def spec(self, alpha_mix: float, t_switch: int) -> AnyProposalSpec:
        return build_proposal({**self.fields, "alpha_mix": alpha_mix, "t_switch": t_switch})


def steer(strength: float, positions: str) -> Case:
    fields = {"kind": "steer", "strength": strength, "layer": 1, "positions": positions}
    logits = logits_of(changes=subtracting(1, strength * VECTOR, positions))
    return Case(f"steer {positions}", fields, logits)


def ablate(strength: float, positions: str) -> Case:
    fields = {"kind": "ablate", "strength": strength, "layer": 1, "positions": positions}
    logits = logits_of(changes=projecting(VECTOR, strength, positions))
    return Case(f"ablate {strength} {positions}", fields, logits)


def context(strength: float, system: bool, prefix: bool) -> Case:
    fields: dict[str, object] = {"kind": "context", "strength": strength}
    prompt: Answer = PROMPT
    if system:
        fields["system_prompt"], prompt = SYSTEM, SYSTEM_PROMPT + prompt
    if prefix:
        fields["answer_prefix"], prompt = PREFIX, prompt + PREFIX_IDS
    logits = between(TARGET, logits_of(prompt=prompt), strength)
    return Case(f"context {strength}{' system' * system}{' prefix' * prefix}", fields, logits)


def checkpoint(strength: float, model: str) -> Case:
    fields = {"kind": "checkpoint", "model": model, "strength": strength}
    far = logits_of(OTHERS[model].model)
    return Case(f"checkpoint {strength} {model}", fields, between(TARGET, far, strength))


CASES = [
    steer(0.75, "both"),
    *(ablate(0.5, positions) for positions in ("prompt", "answer", "both")),
    ablate(1.0, "both"),
    context(1.0, system=True, prefix=False),
    context(0.5, system=False, prefix=True),
    context(1.5, system=True, prefix=True),
    checkpoint(1.0, "same width"),
    checkpoint(0.5, "wider"),
    checkpoint(1.0, "wider"),
    checkpoint(1.5, "narrower"),
]


def save_adapter(
    folder: Path, target: torch.nn.Module, **options: object
) -> dict[str, torch.Tensor]:
    """Saves a PEFT adapter with random weights; returns what it adds to which weight of the target."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        **{"r": 3, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj", "down_proj"], **options}
    )
    wrapped = get_peft_model(target, config)
    noise = torch.Generator().manual_seed(8)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data = 0.4 * torch.randn(
                parameter.shape, generator=noise, dtype=torch.float64
            ).to(parameter.dtype)
    wrapped.save_pretrained(str(folder))
    weights = dict(wrapped.named_parameters())
    return {
        name.removeprefix("base_model.model.").replace(".lora_A.default", ""): (
            5 / 3 * weights[name.replace("lora_A", "lora_B")].data @ weights[name].data
        )
        for name in weights
        if "lora_A" in name
    }


def adapter(folder: Path, strength: float) -> Case:
    """A LoRA adapter; by brute force, its product of matrices is added to a twin's weights."""
    added = save_adapter(folder, toy_model().model)
    changed = toy_model().model
    parameters = dict(changed.named_parameters())
    for name, matrix in added.items():
        parameters[name].data += matrix
    fields = {"kind": "adapter", "path": str(folder), "strength": strength}
    return Case(f"adapter {strength}", fields, between(TARGET, logits_of(changed), strength))
