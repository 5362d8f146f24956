"""Loads a causal language model with all that sampling needs.

Only safetensors weights are read and no remote code is run, unless the operator's configuration allows it:
a model from a stranger must not be able to run code on this machine.
"""

import weakref
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError, TailscopeError
from core.models import gguf_reading
from core.models.blocks import find_blocks
from core.models.checks import (
    check_causal,
    check_folder,
    quiet_transformers,
    read_config,
    reason,
)
from core.models.devices import check_device
from core.models.download import download
from core.models.embedded import (
    DEFAULT_MODEL,
    EMBEDDED_MODELS,
    embedded_models,
    resolve_model,
)
from core.models.fingerprint import fingerprint
from core.models.gguf_header import gguf_in, read_header
from core.models.hooks import install_hooks
from core.models.number_format import computed_dtype, stored_dtype
from core.models.spec import SPREAD, LoadingSpec
from core.models.threads import use_fitting_threads
from core.models.tokens import drawable_tokens, stop_token_ids
from core.settings.operator import Permissions, as_path, operator

# The names of models are exported together with the loader.
__all__ = [
    "DEFAULT_MODEL",
    "EMBEDDED_MODELS",
    "LoadedModel",
    "embedded_models",
    "load_model",
    "resolve_model",
    "wrap_model",
]


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model ready to sample from.

    stop_token_ids: every token that ends an answer, ascending. vocabulary: one more than the highest id that
    the tokenizer knows or that ends an answer; logits beyond are masked in target and proposal alike.
    fingerprint: hash of the weights and of everything else that decides the probabilities.
    """

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    stop_token_ids: tuple[int, ...]
    vocabulary: int
    fingerprint: str
    blocks: tuple[nn.Module, ...] = field(repr=False)
    loading: LoadingSpec = field(default_factory=LoadingSpec)

    @property
    def device(self) -> torch.device:
        """The device of inputs and logits, also of a model spread over several devices."""
        hook = getattr(self.model.get_input_embeddings(), "_hf_hook", None)
        place = getattr(hook, "execution_device", None)
        return self.model.device if place is None else torch.device(place)

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def architecture(self) -> str:
        return type(self.model).__name__

    @property
    def hidden_size(self) -> int:
        return int(self.model.config.get_text_config().hidden_size)


def load_model(name: str = DEFAULT_MODEL, loading: LoadingSpec | None = None) -> LoadedModel:
    """Returns a model ready to sample from.

    Parameters
    ----------
    name
        An embedded or fetched model, a local folder, a GGUF file, or a Hugging Face id. A token for gated
        models is taken from the environment (HF_TOKEN) or from `hf auth login`.
    loading
        Revision, number type, device and attention; the defaults of `LoadingSpec` if left out.

    Returns
    -------
    LoadedModel
        With its tokenizer, stop tokens, transformer blocks and fingerprint; steering hooks are installed.

    Raises
    ------
    ModelError
        There is no such model, or it cannot be used; one sentence says why.
    SpecError
        The operator's configuration cannot be read.
    """
    loading = loading or LoadingSpec()
    allowed = operator().permissions(name)
    check_device(loading.device)
    quiet_transformers()
    folder = _folder(name, loading, allowed)
    try:
        gguf = gguf_in(folder)
        if gguf is not None:
            model, tokenizer = _read_gguf(name, gguf, loading)
        else:
            model = _read_model(name, folder, loading, allowed)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=allowed.remote_code)
    except TailscopeError:
        raise
    except Exception as error:
        # Of any type: libraries raise unforeseeable errors on damaged files.
        raise ModelError(
            f"model {name!r} could not be loaded; give an embedded model "
            f"({', '.join(embedded_models())}), a folder with safetensors weights, or a Hugging Face id "
            f"({reason(error)})"
        ) from error
    return wrap_model(model, tokenizer, name=name, loading=loading)


def _folder(name: str, loading: LoadingSpec, allowed: Permissions) -> Path:
    """Returns the folder that a model is read from, checked by its config and file names.

    A Hub model is downloaded first and then read like any folder: all its files are of one commit, and
    permissions are decided in one place.
    """
    folder = as_path(resolve_model(name))
    gguf = gguf_in(folder)
    if gguf is not None:
        return gguf
    if folder.is_dir():
        check_folder(folder, allowed)
        return folder
    if folder.exists() or name.startswith((".", "/", "~")) or not name.strip():
        raise ModelError(
            f"model {name!r} is not a folder or GGUF file; give an embedded model "
            f"({', '.join(embedded_models())}), a model folder, a GGUF file, or a Hugging Face id"
        )
    return download(name, loading, allowed=allowed)


def _read_model(
    name: str, folder: Path, loading: LoadingSpec, allowed: Permissions
) -> PreTrainedModel:
    """Returns the model with all its weights read."""
    # Weights go straight to an accelerator: the machine's own memory may be too small for them.
    place = {} if loading.device == "cpu" else {"device_map": loading.device}
    # For weights that fit nowhere else and cannot be read from their own files again.
    offload = TemporaryDirectory(prefix="tailscope-") if loading.device == SPREAD else None
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        output_loading_info=True,
        dtype=computed_dtype(stored_dtype(read_config(name, folder, allowed)), loading),
        attn_implementation=loading.attention,
        trust_remote_code=allowed.remote_code,
        # None takes safetensors where there are any; pickles are read as weights only.
        use_safetensors=None if allowed.pickle else True,
        offload_folder=offload and offload.name,
        **place,
    )
    model: PreTrainedModel = loaded[0]
    if offload is not None:
        weakref.finalize(model, offload.cleanup)
    _refuse_missing(name, model, loaded[1])
    return model


def _read_gguf(
    name: str, path: Path, loading: LoadingSpec
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Returns a GGUF file's model, all its weights turned into plain numbers, and its tokenizer."""
    file = read_header(path)
    check_causal(name, gguf_reading.read_config(file))
    place = {} if loading.device == "cpu" else {"device_map": loading.device}
    model, told = gguf_reading.read_model(
        file, computed_dtype(file.dtype, loading), loading.attention, **place
    )
    _refuse_missing(name, model, told)
    return model, gguf_reading.read_tokenizer(file)


def _refuse_missing(name: str, model: PreTrainedModel, told: dict[str, Any]) -> None:
    """Raises ModelError unless every weight of the model was read."""
    missing = sorted(told["missing_keys"])
    if missing:
        # Missing weights would be random numbers, and so would every result.
        raise ModelError(
            f"model {name!r} lacks {len(missing)} of the weights that a {type(model).__name__} needs, the "
            f"first of them {missing[0]}"
        )


def wrap_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    name: str,
    loading: LoadingSpec | None = None,
) -> LoadedModel:
    """Returns a `LoadedModel` around a model already in memory, with the steering hooks installed."""
    model.eval()
    model.requires_grad_(False)
    blocks = find_blocks(model)
    install_hooks(blocks)
    stops = stop_token_ids(getattr(model, "generation_config", None), tokenizer)
    scored = int(model.config.get_text_config().vocab_size)
    stops = tuple(stop for stop in stops if stop < scored)
    loaded = LoadedModel(
        name=name,
        model=model,
        tokenizer=tokenizer,
        stop_token_ids=stops,
        vocabulary=drawable_tokens(tokenizer, scored, stops),
        fingerprint=fingerprint(model, tokenizer, stops),
        blocks=blocks,
        loading=loading or LoadingSpec(),
    )
    use_fitting_threads(loaded.parameters)
    return loaded
