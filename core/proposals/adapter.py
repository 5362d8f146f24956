"""The `adapter` proposal: the target with a LoRA adapter, through PEFT (an optional dependency)."""

import copy
import dataclasses
import hashlib
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

from core.errors import ModelError, SpecError
from core.models.blocks import find_blocks
from core.models.loading import LoadedModel
from core.proposals.base import Means, Proposal
from core.spec import ProposalSpec


class AdapterSpec(ProposalSpec):
    """A PEFT adapter folder for the target.

    strength: 0 is the target, 1 the model with its adapter; logits in between, and beyond 1 further away.
    """

    kind: Literal["adapter"] = "adapter"
    path: str


# An adapted copy shares the target's weights and goes with it.
_adapted: WeakKeyDictionary[LoadedModel, dict[str, LoadedModel]] = WeakKeyDictionary()


def prepare(loaded: LoadedModel, spec: AdapterSpec, means: Means) -> Proposal:
    """Returns the proposal.

    Raises:
        ModelError: PEFT is not installed.
        SpecError: there is no adapter there, or it belongs to another architecture.
    """
    folder = Path(spec.path).expanduser()
    fingerprint = _fingerprint(folder)
    known = _adapted.setdefault(loaded, {})
    if fingerprint not in known:
        known[fingerprint] = adapted(loaded, folder)
    return Proposal(spec, known[fingerprint], fingerprint, blend=spec.strength)


def adapted(loaded: LoadedModel, folder: Path) -> LoadedModel:
    """Returns the model with an adapter: modules of its own over the target's weights, which stay as
    they are.

    Raises:
        ModelError: PEFT is not installed.
        SpecError: the adapter does not fit.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ModelError(
            "an adapter proposal needs peft, which is not installed: "
            "pip install -r requirements-adapter.txt"
        ) from error
    model = loaded.model
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    try:
        wrapped = PeftModel.from_pretrained(copy.deepcopy(model, dict(shared)), str(folder))
    except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SpecError(
            f"adapter {str(folder)!r} does not fit {loaded.name} ({loaded.architecture}); give a PEFT "
            f"adapter that was made for it ({reason})"
        ) from error
    wrapped.eval().requires_grad_(False)
    inner = wrapped.get_base_model()
    return dataclasses.replace(
        loaded, name=f"{loaded.name} + {folder.name}", model=inner, blocks=find_blocks(inner)
    )


def _fingerprint(folder: Path) -> str:
    files = [folder / "adapter_config.json", folder / "adapter_model.safetensors"]
    for file in files:
        if not file.is_file():
            raise SpecError(
                f"adapter must be a folder with adapter_config.json and adapter_model.safetensors, "
                f"got {str(folder)!r} without {file.name}"
            )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]
