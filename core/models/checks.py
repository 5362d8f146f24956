"""What a model's files must be, told from its config and their names: no weights are read here."""

import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from huggingface_hub import get_token
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig
from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from core.errors import ModelError
from core.settings.operator import NOTHING, Permissions, operator

SAFE_WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED_WEIGHTS, PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
MAX_LAYERS = 1000
# What transformers raises for a config that holds nonsense.
CONFIG_ERRORS = (
    ValueError,
    OSError,
    KeyError,
    TypeError,
    AttributeError,
    ArithmeticError,
    StrictDataclassError,
)
ADAPTER = "adapter_config.json"
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def quiet_transformers() -> None:
    """Keeps progress bars and advice from landing between the lines that our own output consists of."""
    disable_progress_bar()
    set_verbosity_error()
    # Else a model with pickled weights alone is reported to a service that converts it, and what that
    # service made of it is loaded.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"


def check_folder(folder: Path, allowed: Permissions = NOTHING) -> None:
    """Raises ModelError unless a folder holds a causal model that can be loaded, as far as names tell."""
    check_files(str(folder), folder, file_names(folder), allowed)


def check_files(
    label: str, folder: Path, names: Collection[str], allowed: Permissions = NOTHING
) -> None:
    """Raises ModelError unless files make a causal model that can be loaded.

    label: what messages call it. folder: the small files. names: of all files.
    """
    check_causal(label, read_config(label, folder, allowed), allowed)
    check_weights(label, names, read_index(label, folder), allowed)
    check_tokenizer(label, names)


def file_names(folder: Path) -> frozenset[str]:
    """Returns the names of the files in a folder."""
    return frozenset(path.name for path in folder.iterdir() if path.is_file())


def read_config(label: str, folder: Path, allowed: Permissions = NOTHING) -> PreTrainedConfig:
    """Returns a folder's config. label: what messages call the model.

    Raises:
        ModelError: there is none, or transformers does not know what it describes.
    """
    if (folder / ADAPTER).is_file():
        # transformers would put it over the model where peft is installed, and leave it out elsewhere.
        raise ModelError(
            f"{label!r} holds a PEFT adapter ({ADAPTER}); give the model beneath it, and the adapter as a "
            "proposal of kind adapter, or merge the two"
        )
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{label!r} is no model folder: it has no config.json; give a folder with config.json, "
            "safetensors weights and a tokenizer"
        )
    try:
        check_origin(label, folder, allowed)
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            folder, trust_remote_code=allowed.remote_code
        )
    except CONFIG_ERRORS as error:
        raise ModelError(
            f"{label!r} cannot be used: its config.json names no architecture this version knows, or asks "
            "for code of its own, which runs only where the operator's configuration allows it "
            f"({reason(error)[:160]})"
        ) from error
    return config


def check_origin(label: str, folder: Path, allowed: Permissions = NOTHING) -> None:
    """Raises ModelError if a config sends us to files that the permissions for its model do not cover.

    Nothing of what the config names is opened or run.
    """
    config, _ = PreTrainedConfig.get_config_dict(folder)
    weights = config.get("transformers_weights")
    if weights and not allowed.pickle and str(weights).endswith(PICKLE_SUFFIXES):
        raise ModelError(
            f"{label!r} names pickled weights in its config ({weights}), which can run code when opened; "
            "convert them to safetensors, or let the operator's configuration allow it"
        )
    if not allowed.remote_code:
        return
    classes = [config.get("auto_map")]
    with suppress(*CONFIG_ERRORS):
        classes.append(get_tokenizer_config(folder).get("auto_map"))
    for repository in sorted(_repositories(classes) - {label}):
        if not operator().permissions(repository).remote_code:
            raise ModelError(
                f"{label!r} asks for code from {repository!r}, which the operator's configuration does not "
                "name among those whose code may be run"
            )


def _repositories(classes: object) -> set[str]:
    """Returns the other repositories that an auto_map names: 'org/name--file.Class'."""
    if isinstance(classes, str):
        before, parted, _ = classes.partition("--")
        return {before} if parted else set()
    if isinstance(classes, dict):
        classes = list(classes.values())
    found = [_repositories(one) for one in classes] if isinstance(classes, list | tuple) else []
    return set().union(*found)


def check_causal(label: str, config: PreTrainedConfig, allowed: Permissions = NOTHING) -> None:
    """Raises ModelError unless there is a causal language model for this config."""
    if config.is_encoder_decoder:
        raise ModelError(f"{label!r} is an encoder-decoder model; a causal one is needed")
    brings_class = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING and not (
        brings_class and allowed.remote_code
    ):
        raise ModelError(
            f"{label!r} is of type {config.model_type!r}, which is no causal language model; a causal one "
            "is needed"
        )
    layers = getattr(config.get_text_config(), "num_hidden_layers", None)
    if isinstance(layers, int) and layers > MAX_LAYERS:
        # Building it would use up the memory before anything else could be noticed.
        raise ModelError(f"{label!r} asks for {layers:,} layers, more than any model has")


def read_index(label: str, folder: Path, file: str = WEIGHTS_INDEX) -> dict[str, Any] | None:
    """Returns the index of sharded weights; None if they are not sharded.

    Raises:
        ModelError: the index cannot be read.
    """
    path = folder / file
    if not path.is_file():
        return None
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        index["weight_map"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{label!r} has a damaged {file}; fetch it again ({error})") from error
    return index


def check_weights(
    label: str,
    names: Collection[str],
    index: dict[str, Any] | None = None,
    allowed: Permissions = NOTHING,
) -> None:
    """Raises ModelError unless safetensors weights are among the files, every shard of them."""
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(PICKLE_SUFFIXES))
        if pickled and allowed.pickle:
            return
        if pickled:
            raise ModelError(
                f"{label!r} has its weights only as pickle ({pickled[0]}), which can run code when "
                "opened; convert them to safetensors, or let the operator's configuration allow it"
            )
        raise ModelError(f"{label!r} holds no weights; a *.safetensors file is needed")
    missing = sorted(set(index["weight_map"].values()) - set(names)) if index else []
    if missing and SAFE_WEIGHTS not in names:
        raise ModelError(
            f"{label!r} lacks {len(missing)} of its weights' files, the first of them {missing[0]}"
        )


def check_tokenizer(label: str, names: Collection[str]) -> None:
    """Raises ModelError unless a tokenizer is among the files."""
    if not any(name in names for name in TOKENIZER_FILES):
        raise ModelError(f"{label!r} holds no tokenizer; tokenizer.json is needed")


def stop_token_ids(generation: Any, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Returns every token that ends an answer, ascending. generation: a generation config, or None."""
    # The generation config may list several (Llama-3 does); leaving one out changes every probability.
    listed = getattr(generation, "eos_token_id", None)
    stops = [listed] if isinstance(listed, int) else list(listed or [])
    if not stops and tokenizer.eos_token_id is not None:
        stops = [tokenizer.eos_token_id]
    return tuple(sorted({int(stop) for stop in stops}))


def reason(error: Exception) -> str:
    """Returns an error's own words on one line, without the token that the Hub was asked with."""
    return one_line(str(error))[:300] or type(error).__name__


def one_line(text: str) -> str:
    """Returns a text on one line, without the token that the Hub was asked with."""
    token = get_token()
    words = " ".join(text.split())
    return words.replace(token, "...") if token else words
