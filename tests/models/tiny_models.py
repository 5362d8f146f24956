"""Tiny random models of the architectures Tailscope meets, and a tokenizer for them."""

from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from core.models.loading import LoadedModel, wrap_model

COMMON = {
    "num_hidden_layers": 3,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": COMMON,
    "qwen2": COMMON,
    "phi3": COMMON,
    "olmo3": COMMON | {"sliding_window": 8},
    "gemma2": COMMON | {"head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8},
    "gpt2": {"n_layer": 3, "n_embd": 32, "n_head": 4, "n_positions": 128},
    "gpt_neox": COMMON,
    "mistral": COMMON | {"sliding_window": 8},
    "qwen3": COMMON | {"head_dim": 8},
    "gemma3_text": COMMON | {"head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8},
    "mixtral": COMMON | {"num_local_experts": 4, "num_experts_per_tok": 2},
}


def tiny_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Returns a tokenizer of `vocabulary` words: <pad>, <stop>, <halt>, a, w4, w5, ..."""
    words = ["<pad>", "<stop>", "<halt>", "a"] + [f"w{i}" for i in range(4, vocabulary)]
    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="a")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<stop>", unk_token="a"
    )


def tiny_model(
    architecture: str = "llama",
    *,
    vocabulary: int = 48,
    seed: int = 0,
    stops: tuple[int, ...] = (1,),
    dtype: torch.dtype = torch.float32,
    scale: float = 6.0,
    padded_vocabulary: int = 0,
) -> LoadedModel:
    """Returns a random model whose next-token distribution is far from uniform.

    scale: factor on the output layer, so that probabilities spread over decades. padded_vocabulary:
    extra logits past the tokenizer's last id.
    """
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        architecture,
        **ARCHITECTURES[architecture],
        vocab_size=vocabulary + padded_vocabulary,
        tie_word_embeddings=False,
        eos_token_id=list(stops),
        bos_token_id=None,
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").to(dtype)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.get_output_embeddings().weight.data.mul_(scale / 3)
    model.generation_config.eos_token_id = list(stops)
    return wrap_model(model, tiny_tokenizer(vocabulary), name=f"tiny-{architecture}")


# An expert computes the tokens sent to it together, and how many those are depends on the batch: there,
# rows agree to rounding and not bit for bit.
MIXTURES_OF_EXPERTS = {"mixtral"}


def assert_same_rows(architecture: str, one: Any, other: Any) -> None:
    """Asserts that two draws of the same rows agree, bit for bit where the architecture allows it."""
    tolerance = 1e-4 if architecture in MIXTURES_OF_EXPERTS else 0.0
    for name in ("tokens", "lengths", "log_p", "log_q"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=0, atol=tolerance, err_msg=name
        )
