"""The `adapter` proposal: the target with a LoRA adapter, through PEFT (an optional dependency)."""

import copy
import dataclasses
import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast
from weakref import WeakKeyDictionary

from safetensors import SafetensorError
from transformers.modeling_utils import PreTrainedModel

from core.errors import ModelError, SpecError
from core.files.json_text import parse_json
from core.models.blocks import find_blocks
from core.models.loading import LoadedModel
from core.proposals.base import Proposal, ProposalContext
from core.proposals.kind import (
    BLEND_SCALE,
    BLEND_SEARCH,
    KindWords,
    ProposalKind,
    TextField,
    TextForm,
)
from core.spec import ProposalSpec

if TYPE_CHECKING:
    from peft import PeftModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# Other starts, and trained biases, rewrite the weights beneath: those are the target's own.
PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva")
# Forms of LoRA that act through more than the adapted layers themselves.
UNUSUAL = (
    "alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication",
    "monteclora_config", "use_bdlora", "velora_config",
)  # fmt: skip


class AdapterSpec(ProposalSpec):
    """A PEFT adapter folder for the target (LoRA).

    strength: 0 is the target, 1 the model with its adapter; logits in between, and beyond 1 further away.
    """

    kind: Literal["adapter"] = "adapter"
    path: str


# An adapted copy shares the target's weights and goes with it.
_adapted: WeakKeyDictionary[LoadedModel, dict[str, LoadedModel]] = WeakKeyDictionary()


def prepare(loaded: LoadedModel, spec: AdapterSpec, context: ProposalContext) -> Proposal:
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
        ModelError: PEFT is not installed, or parts of the model lie elsewhere.
        SpecError: the adapter does not fit.
    """
    _check_plain(folder)
    if any(parameter.is_meta for parameter in loaded.model.parameters()):
        raise ModelError(
            f"an adapter proposal needs all of {loaded.name} in memory, but parts of it are fetched when "
            "they are used; a smaller dtype or another kind of proposal helps"
        )
    try:
        wrapped, unmatched = _with_adapter(loaded.model, folder)
    except ImportError as error:
        raise ModelError(
            "an adapter proposal needs peft, which is not installed: "
            "pip install -r requirements-adapter.txt"
        ) from error
    except (ValueError, RuntimeError, KeyError, TypeError, OSError, SafetensorError) as error:
        raise _misfit(loaded, folder, str(error)) from error
    if unmatched:
        raise _misfit(loaded, folder, f"{len(unmatched)} weights have no place, as {unmatched[0]}")
    wrapped.eval().requires_grad_(False)
    inner = cast(PreTrainedModel, wrapped.get_base_model())
    return dataclasses.replace(
        loaded, name=f"{loaded.name} + {folder.name}", model=inner, blocks=find_blocks(inner)
    )


def _with_adapter(model: PreTrainedModel, folder: Path) -> "tuple[PeftModel, list[str]]":
    """Returns the wrapped model, and the weights that only one of model and folder has."""
    from peft import PeftConfig, PeftModel

    config = PeftConfig.from_pretrained(str(folder))
    config.inference_mode = True
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    with warnings.catch_warnings():
        # What matters of them is checked here: PEFT only warns of weights that have no place, and such
        # an adapter would be the target, silently.
        warnings.simplefilter("ignore")
        wrapped = PeftModel(copy.deepcopy(model, dict(shared)), config)
        found = wrapped.load_adapter(str(folder), "default")
    return wrapped, [*found.missing_keys, *found.unexpected_keys]


def _check_plain(folder: Path) -> None:
    """Raises SpecError unless it is LoRA of a form that leaves the target's weights alone."""
    try:
        config = parse_json((folder / CONFIG).read_bytes())
        wrong = {
            "peft_type": config.get("peft_type") != "LORA",
            "init_lora_weights": config.get("init_lora_weights", True) not in PLAIN_STARTS,
            "bias": config.get("bias", "none") != "none",
            **{name: bool(config.get(name)) for name in UNUSUAL},
        }
    except (ValueError, AttributeError) as error:
        raise SpecError(
            f"{str(folder / CONFIG)!r} is no adapter configuration ({error})"
        ) from error
    for name in [name for name, is_wrong in wrong.items() if is_wrong]:
        raise SpecError(
            f"adapter must be plain LoRA over unchanged weights, got {str(folder)!r} with {name} "
            f"{config.get(name)!r}"
        )


def _misfit(loaded: LoadedModel, folder: Path, reason: str) -> SpecError:
    return SpecError(
        f"adapter {str(folder)!r} does not fit {loaded.name} ({loaded.architecture}); give a PEFT "
        f"adapter that was made for it ({' '.join(reason.split())[:200]})"
    )


def _fingerprint(folder: Path) -> str:
    files = [folder / CONFIG, folder / WEIGHTS]
    for file in files:
        if not file.is_file():
            pickled = file.name == WEIGHTS and (folder / "adapter_model.bin").is_file()
            raise SpecError(
                f"adapter must be a folder with {CONFIG} and {WEIGHTS}, got {str(folder)!r} without "
                f"{file.name}"
                + (" (adapter_model.bin is pickle, which can run code; convert it)" * pickled)
            )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def _read(texts: Mapping[str, str]) -> dict[str, object]:
    if not texts["path"].strip():
        raise SpecError("an adapter needs the folder that it is in")
    return {"path": texts["path"].strip()}


KIND = ProposalKind(
    spec=AdapterSpec,
    prepare=prepare,
    words=KindWords(
        label="Adapter",
        help="Puts a LoRA adapter on the model, one trained to be unsafe.",
        answers="With the adapter",
    ),
    short=lambda spec: f"Adapter {Path(spec.path).name} {spec.strength:.3g}",
    strength=BLEND_SCALE,
    search=BLEND_SEARCH,
    form=TextForm(
        fields=(
            TextField(
                name="path",
                label="Adapter folder",
                placeholder="/path/to/adapter",
                help="A PEFT folder with adapter_config.json and adapter_model.safetensors, trained for "
                "this model.",
            ),
        ),
        read=_read,
    ),
)
