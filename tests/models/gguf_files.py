"""Writes tiny models as GGUF files, as llama.cpp's converter would."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers.convert_slow_tokenizer import bytes_to_unicode

from core.models.loading import LoadedModel

TEMPLATE = (
    "{% for m in messages %}{{ m['content'] }}<stop>{% endfor %}"
    "{% if add_generation_prompt %}<halt>{% endif %}"
)
SPECIAL = ["<pad>", "<stop>", "<halt>"]
VOCABULARY = 264
CONTROL, NORMAL = 3, 1


def write_gguf(
    path: Path,
    loaded: LoadedModel,
    *,
    quantised: bool = False,
    pre: str = "gpt-2",
    fields: dict[str, Any] | None = None,
    tensors: dict[str, torch.Tensor] | None = None,
    leave_out: str = "",
) -> Path:
    """Writes a model's weights with a byte-level tokenizer of VOCABULARY tokens; returns the path.

    quantised: matrices as Q8_0. fields, tensors: what stands in the file beside its own.
    """
    config = loaded.model.config
    architecture = config.model_type
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"tiny {architecture}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(width)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    writer.add_vocab_size(config.vocab_size)
    _write_tokenizer(writer, pre)
    for name, value in (fields or {}).items():
        write = writer.add_uint32 if isinstance(value, int) else writer.add_string
        write(name, value)
    for name, tensor in {**_tensors(loaded), **(tensors or {})}.items():
        if name == leave_out:
            continue
        numbers = tensor.detach().float().numpy()
        if quantised and numbers.ndim == 2 and numbers.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(numbers, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, np.ascontiguousarray(numbers))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_tokenizer(writer: gguf.GGUFWriter, pre: str) -> None:
    letters = list(bytes_to_unicode().values())
    tokens = SPECIAL + letters
    line = bytes_to_unicode()[ord("\n")]
    tokens += [2 * line, *(2 * letter for letter in letters)][: VOCABULARY - len(tokens)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL] * len(SPECIAL) + [NORMAL] * (len(tokens) - len(SPECIAL)))
    writer.add_token_merges([f"{line} {line}"])
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_chat_template(TEMPLATE)


def _tensors(loaded: LoadedModel) -> dict[str, torch.Tensor]:
    config, names = loaded.model.config, {}
    architecture = next(
        key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == config.model_type
    )
    mapped = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, tensor in loaded.model.state_dict().items():
        stem, _, suffix = name.rpartition(".")
        if config.model_type == "gemma2" and name == "lm_head.weight":
            continue  # its embedding is its output matrix
        names[f"{mapped.get_name(stem)}.{suffix}"] = _as_llama_cpp(name, tensor, config)
    return names


def _as_llama_cpp(name: str, tensor: torch.Tensor, config: Any) -> torch.Tensor:
    if config.model_type == "llama" and "self_attn.q_proj" in name:
        return _paired(tensor, config.num_attention_heads)
    if config.model_type == "llama" and "self_attn.k_proj" in name:
        return _paired(tensor, config.num_key_value_heads)
    return tensor + 1 if config.model_type == "gemma2" and "norm" in name else tensor


def _paired(weights: torch.Tensor, heads: int) -> torch.Tensor:
    """Returns rows in llama.cpp's order: the two halves of a rotary pair stand side by side."""
    rows, width = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)
