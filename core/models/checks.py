"""Checks a model's files by its config and their names; reads no weights."""

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
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from core.errors import ModelError
from core.files.json_text import parse_json
from core.settings.operator import NOTHING, Permissions, operator

SAFE_WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED_WEIGHTS, PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
MAX_LAYERS = 1000
# Errors that transformers raises for an invalid config.
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
    """Keeps progress bars and advice of transformers out of this program's output."""
    disable_progress_bar()
    set_verbosity_error()
    # Otherwise a model with pickled weights only is sent to a conversion service, and that service's
    # result is loaded.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"


def check_folder(folder: Path, allowed: Permissions = NOTHING) -> None:
    """Raises ModelError unless a folder holds a loadable causal model, as far as file names show."""
    check_files(str(folder), folder, file_names(folder), allowed)


def check_files(
    label: str, folder: Path, names: Collection[str], allowed: Permissions = NOTHING
) -> None:
    """Raises ModelError unless the files are a loadable causal model.

    label: the model's name in messages. folder: of the small files. names: of all files.
    """
    check_causal(label, read_config(label, folder, allowed), allowed)
    check_weights(label, names, read_index(label, folder), allowed)
    check_tokenizer(label, names)


def file_names(folder: Path) -> frozenset[str]:
    """Returns the names of the files in a folder."""
    return frozenset(path.name for path in folder.iterdir() if path.is_file())


def read_config(label: str, folder: Path, allowed: Permissions = NOTHING) -> PreTrainedConfig:
    """Returns a folder's config. label: the model's name in messages.

    Raises:
        ModelError: there is no config, or transformers does not know its architecture.
    """
    if (folder / ADAPTER).is_file():
        # transformers would apply the adapter if peft is installed, and silently skip it otherwise.
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
    """Raises ModelError if a config names files that the permissions for its model do not cover.

    Nothing that the config names is opened or run.
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
    """Returns the other repositories named in an auto_map, as 'org/name--file.Class'."""
    if isinstance(classes, str):
        repository, separator, _ = classes.partition("--")
        return {repository} if separator else set()
    if isinstance(classes, dict):
        classes = list(classes.values())
    named = [_repositories(each) for each in classes] if isinstance(classes, list | tuple) else []
    return set().union(*named)


def check_causal(label: str, config: PreTrainedConfig, allowed: Permissions = NOTHING) -> None:
    """Raises ModelError unless the config is of a causal language model."""
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
        # Building it would exhaust the memory before any other check.
        raise ModelError(f"{label!r} asks for {layers:,} layers, more than any model has")


def read_index(label: str, folder: Path, file: str = WEIGHTS_INDEX) -> dict[str, Any] | None:
    """Returns the index of sharded weights; None if the weights are not sharded.

    Raises:
        ModelError: the index cannot be read.
    """
    path = folder / file
    if not path.is_file():
        return None
    try:
        index: dict[str, Any] = parse_json(path.read_bytes())
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
    """Raises ModelError unless the files include safetensors weights with all their shards."""
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
    """Raises ModelError unless the files include a tokenizer."""
    if not any(name in names for name in TOKENIZER_FILES):
        raise ModelError(f"{label!r} holds no tokenizer; tokenizer.json is needed")


def reason(error: Exception) -> str:
    """Returns an error's message on one line, without the Hub token."""
    return one_line(str(error))[:300] or type(error).__name__


def one_line(text: str) -> str:
    """Returns a text on one line, without the Hub token."""
    token = get_token()
    words = " ".join(text.split())
    return words.replace(token, "...") if token else words
