"""Loads a causal language model with all that sampling needs to know about it.

Only safetensors weights are read and no remote code is run: a model someone hands you must not be able to
run anything on your machine.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from huggingface_hub.errors import HFValidationError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError
from core.models.blocks import find_blocks
from core.models.checks import CONFIG_ERRORS, check_folder, quiet_transformers, stop_token_ids
from core.steering.interventions import install_hooks
from core.threads import use_fitting_threads

EMBEDDED_MODELS = Path(__file__).parents[2] / "sample_data" / "models"
DEFAULT_MODEL = "aster"


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model ready to sample from.

    stop_token_ids: every token that ends an answer, ascending. vocabulary: number of ids the tokenizer
    knows; logits beyond it are masked in target and proposal alike. fingerprint: hash of the weights and
    of everything else that decides its probabilities.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    stop_token_ids: tuple[int, ...]
    vocabulary: int
    fingerprint: str
    blocks: tuple[nn.Module, ...] = field(repr=False)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def architecture(self) -> str:
        return type(self.model).__name__

    @property
    def hidden_size(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)


def embedded_models() -> tuple[str, ...]:
    """Returns the names of the models that come with Tailscope."""
    return tuple(sorted(path.parent.name for path in EMBEDDED_MODELS.glob("*/config.json")))


def resolve_model(name: str) -> str:
    """Returns the folder or Hub id a name stands for; an embedded model may be named by its short name."""
    embedded = EMBEDDED_MODELS / name
    if name and "/" not in name and (embedded / "config.json").is_file():
        return str(embedded)
    return name


def load_model(
    name: str = DEFAULT_MODEL, *, device: str = "cpu", dtype: str = "auto"
) -> LoadedModel:
    """Returns the model under `name`: an embedded model, a local folder, or a Hugging Face id.

    Raises:
        ModelError: there is no such model, or it cannot be used; one sentence says why.
    """
    source = resolve_model(name)
    folder = Path(source).expanduser()
    if folder.is_dir():
        check_folder(folder)
        source = str(folder)
    elif folder.exists() or source.startswith((".", "/", "~")) or not source.strip():
        raise ModelError(
            f"model {name!r} is not a folder; give an embedded model "
            f"({', '.join(embedded_models())}), a model folder, or a Hugging Face id"
        )
    quiet_transformers()
    try:
        # Eager attention: its rows do not depend on how many others are in the batch, bit for bit.
        model = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
        )
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (*CONFIG_ERRORS, HFValidationError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"model {name!r} could not be loaded; give an embedded model "
            f"({', '.join(embedded_models())}), a folder with safetensors weights, or a Hugging Face id "
            f"({reason})"
        ) from error
    model.to(torch.device(device))  # type: ignore[arg-type]  # transformers wraps `to` untyped
    return wrap_model(model, tokenizer, name=name)


def wrap_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str
) -> LoadedModel:
    """Returns a `LoadedModel` around a model already in memory, with the steering hooks installed."""
    model.eval()
    model.requires_grad_(False)
    blocks = find_blocks(model)
    install_hooks(blocks)
    stops = stop_token_ids(getattr(model, "generation_config", None), tokenizer)
    vocabulary = min(len(tokenizer), int(model.config.get_text_config().vocab_size))
    loaded = LoadedModel(
        name=name,
        model=model,
        tokenizer=tokenizer,
        stop_token_ids=stops,
        vocabulary=vocabulary,
        fingerprint=_fingerprint(model, tokenizer, stops),
        blocks=blocks,
    )
    use_fitting_threads(loaded.parameters)
    return loaded


def _fingerprint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, stops: tuple[int, ...]
) -> str:
    digest = hashlib.sha256()
    digest.update(type(model).__name__.encode())
    digest.update(json.dumps(stops).encode())
    digest.update(str(getattr(tokenizer, "chat_template", None)).encode())
    digest.update(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    config = model.config.to_dict()
    for transient in ("_name_or_path", "transformers_version", "_attn_implementation"):
        config.pop(transient, None)
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        flat = tensor.detach().to("cpu").contiguous().flatten().view(torch.uint8)
        digest.update(flat.numpy().tobytes())
    return digest.hexdigest()[:32]
