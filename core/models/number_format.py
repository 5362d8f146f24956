"""The number type that a model is computed in when none is asked for."""

import platform

import torch
from transformers.configuration_utils import PreTrainedConfig

from core.models.spec import LoadingSpec

SHORT = (torch.bfloat16, torch.float16)


def short_numbers_are_fast() -> bool:
    """Returns whether this machine's CPU multiplies 16-bit numbers by instructions of its own.

    Without them (a CPU with AVX2 alone), SmolLM2 took six times as long in bfloat16 as in float32.
    """
    # A matter of the CPU's kind, not of a measurement: the type is part of every draw's key.
    return bool(
        torch.cpu._is_amx_tile_supported()
        or torch.cpu._is_avx512_bf16_supported()
        or platform.machine().lower() in ("arm64", "aarch64")  # untried: left as it was
    )


def computed_dtype(stored: object, loading: LoadingSpec) -> str:
    """Returns the `dtype` to load with: float32 for 16-bit weights on a CPU that is slow at them.

    float32 holds every such weight exactly. stored: the weights' own type, from the configuration.
    """
    short = stored in SHORT or stored in ("bfloat16", "float16")
    if loading.dtype == "auto" and loading.device == "cpu" and short:
        return "auto" if short_numbers_are_fast() else "float32"
    return loading.dtype


def stored_dtype(config: PreTrainedConfig) -> object:
    """Returns the type that a configuration names for its weights; None where they are packed or unnamed."""
    if getattr(config, "quantization_config", None) is not None:
        return None
    return config.dtype or config.get_text_config().dtype
