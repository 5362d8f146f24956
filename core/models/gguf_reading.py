"""Reads config, tokenizer and weights from a GGUF file; quantised weights become plain numbers."""

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.configuration_utils import PreTrainedConfig
from transformers.integrations.gguf.gguf_config_mapping import GGUF_CONFIG_ARCHS
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
from transformers.modeling_gguf_pytorch_utils import (
    TENSOR_PROCESSORS,
    TensorProcessor,
    get_gguf_hf_weights_map,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError
from core.models.gguf_header import GgufFile
from core.models.gguf_positions import FACTORS, READS_FACTORS, set_positions

# How a byte-level tokenizer cuts text before it merges bytes (tokenizer.ggml.pre). These cut as GPT-2 does.
_AS_GPT2 = ("", "default", "gpt-2", "mpt", "olmo", "jais", "phi-2")
# These cut off each digit first (llama.cpp, llama-vocab.cpp); transformers would cut them as GPT-2 does, and
# blanks before a digit, as in a numbered list, would become other tokens.
_DIGITS_FIRST = (
    "smollm",
    "refact",
    "command-r",
    "starcoder",
    "codeshell",
    "exaone",
    "minerva-7b",
)
# Blocks of the 27B models.
_LARGEST_GEMMA = {"gemma2": 46, "gemma3": 62}
_EXPERTS = ("moe", "gpt-oss", "minimax")


def read_config(file: GgufFile) -> PreTrainedConfig:
    """Returns the config, with every token that ends an answer, and the weights' number type once read."""
    seen = file.path.stat()
    config = deepcopy(_config(file.path, seen.st_size, seen.st_mtime_ns))
    config.dtype = file.dtype
    _complete(config, file)
    set_positions(config, file)
    # llama.cpp ends an answer at the end of a turn too, which transformers does not read.
    named = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")
    stops = {file.metadata[name] for name in named if name in file.metadata}
    own = config.eos_token_id
    stops |= {own} if isinstance(own, int) else set(own or ())
    if len(stops) > 1:
        config.eos_token_id = sorted(stops)
    return config


def _complete(config: PreTrainedConfig, file: GgufFile) -> None:
    """Sets what the header says of a head, and transformers leaves at its class's default: one model's."""
    width = file.metadata.get(f"{file.architecture}.attention.key_length")
    if width is None or not hasattr(config, "head_dim") or file.architecture == "gemma4":
        return
    config.head_dim = width
    if file.architecture in _LARGEST_GEMMA:
        # As llama.cpp does, which has no field for it: the largest scale by another width than a head's.
        largest = config.num_hidden_layers == _LARGEST_GEMMA[file.architecture]
        config.query_pre_attn_scalar = (
            config.hidden_size // config.num_attention_heads if largest else width
        )


@lru_cache(maxsize=4)
def _config(path: Path, size: int, changed: int) -> PreTrainedConfig:
    """Returns the config as transformers reads it, which takes seconds; kept while the file is the same."""
    config: PreTrainedConfig = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    return config


def read_tokenizer(file: GgufFile) -> PreTrainedTokenizerBase:
    """Returns the tokenizer; it cuts text as its vocabulary was learned."""
    tokenizer: Any = AutoTokenizer.from_pretrained(file.path.parent, gguf_file=file.path.name)
    if _pre(file) in _DIGITS_FIRST:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    return tokenizer  # type: ignore[no-any-return]


def guessed_cut(file: GgufFile) -> str | None:
    """Returns how a byte-level tokenizer cuts text where that is not known here; None where it is."""
    if file.metadata.get("tokenizer.ggml.model") != "gpt2":
        return None
    known = {*_AS_GPT2, *_DIGITS_FIRST, *GGUF_PRE_TOKENIZER_SPLITS}
    return None if _pre(file) in known else _pre(file)


def read_model(
    file: GgufFile, dtype: str = "auto", attention: str = "eager", **place: Any
) -> tuple[PreTrainedModel, dict[str, Any]]:
    """Returns the model, its weights turned into plain numbers, and what loading tells.

    dtype: auto is as stored, bfloat16 for quantised weights. place: device_map and the like.

    Raises:
        ModelError: the file holds tensors that would be left out.
    """
    config = read_config(file)
    with torch.device("meta"):
        empty: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    check_tensors(file, empty)
    kind = file.dtype if dtype == "auto" else getattr(torch, dtype)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        file.path.parent,
        gguf_file=file.path.name,
        config=config,
        # Left packed, weights are multiplied by kernels that know float32 alone.
        quantization_config=GgufConfig(dequantize=True),
        output_loading_info=True,
        dtype=kind,
        attn_implementation=attention,
        **place,
    )
    model = loaded[0]
    # It holds plain numbers now, and can be saved and fingerprinted as such.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    return model, loaded[1]


def check_tensors(file: GgufFile, model: PreTrainedModel) -> None:
    """Raises ModelError if reading would leave out a tensor of the file, or find one missing.

    model: of the file's config; it needs no weights. Experts are stored as stacks, under other names, and are
    not checked, nor is what transformers maps by rules of its own.
    """
    if file.architecture in GGUF_CONFIG_ARCHS or any(
        word in file.architecture for word in _EXPERTS
    ):
        return
    processor: Any = TENSOR_PROCESSORS.get(file.architecture, TensorProcessor)
    try:
        known = get_gguf_hf_weights_map(model, processor(config=model.config.to_dict()))
    except NotImplementedError:
        return
    read_already = {FACTORS} if file.architecture in READS_FACTORS else set()
    unread = [name for name in file.tensors if name not in known and name not in read_already]
    if unread:
        raise ModelError(
            f"{file.path.name} holds {len(unread)} tensors that cannot be read into a "
            f"{type(model).__name__} here, the first of them {unread[0]}, and its probabilities would be "
            "wrong without them; use the model's safetensors weights"
        )
    held = set(file.tensors)
    tied = {"output.weight"} if model.config.tie_word_embeddings else set()
    missing = sorted(set(known) - held - tied)
    if missing:
        raise ModelError(
            f"{file.path.name} lacks {len(missing)} of the weights that a {type(model).__name__} needs, "
            f"the first of them {missing[0]}"
        )


def _pre(file: GgufFile) -> str:
    return str(file.metadata.get("tokenizer.ggml.pre", ""))
