"""The memory that a model needs to draw answers. All sizes in bytes."""

from dataclasses import dataclass

import torch
from transformers import AutoModelForCausalLM
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel

from core.errors import ModelError
from core.models.batching import padded_rows
from core.settings.operator import NOTHING, Permissions

ARMS = 3  # the target and the two proposals of the default method
# float32 numbers held at once for each token of the vocabulary: each arm's logits and log-probabilities, the
# mixture, and its parts.
LOGITS_ALIVE = 6


@dataclass(frozen=True)
class MemoryNeed:
    """Memory for drawing answers, at most. cache_row, logits_row: of one answer, all arms together."""

    weights: int
    cache_row: int
    logits_row: int

    def cache(self, batch_rows: int) -> int:
        return padded_rows(batch_rows) * self.cache_row

    def total(self, batch_rows: int) -> int:
        return self.weights + padded_rows(batch_rows) * (self.cache_row + self.logits_row)

    def largest_batch(self, memory: int) -> int:
        """Returns the most answers at once that fit; 0 if none do."""
        rows = (memory - self.weights) // (self.cache_row + self.logits_row)
        multiple = padded_rows(1)
        return max(0, rows // multiple * multiple)


def empty_model(config: PreTrainedConfig, allowed: Permissions = NOTHING) -> PreTrainedModel:
    """Returns a model of this config without weights, which takes no memory."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(
            config, trust_remote_code=allowed.remote_code
        )
    return model


def memory_need(
    model: PreTrainedModel, dtype: torch.dtype, tokens: int, stored: int | None = None
) -> MemoryNeed:
    """Returns a model's need. tokens: of prompt and answer. stored: the weights' size, if known."""
    config = model.config.get_text_config()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    keys_and_values = 2 * config.num_hidden_layers * heads * width * dtype.itemsize
    return MemoryNeed(
        weights=stored or parameters * dtype.itemsize,
        cache_row=ARMS * tokens * keys_and_values,
        logits_row=LOGITS_ALIVE * config.vocab_size * torch.float32.itemsize,
    )


def dtype_of(config: PreTrainedConfig, dtype: str) -> torch.dtype:
    """Returns the number type of loaded weights. dtype: 'auto' for the config's.

    Raises:
        ModelError: there is no such number type.
    """
    own = config.dtype or config.get_text_config().dtype or torch.float32
    kind = own if dtype == "auto" else getattr(torch, dtype, None)
    if isinstance(kind, str):
        kind = getattr(torch, kind, None)
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise ModelError(f"dtype must be auto, float32, bfloat16 or float16, got {dtype!r}")
    return kind
