"""Stretched positions in GGUF files, as Llama 3.1 and later have them."""

import math
from typing import Any

import torch
from transformers.configuration_utils import PreTrainedConfig
from transformers.integrations.gguf.reader import GgufHeader, load_gguf_state_dict

from core.errors import ModelError
from core.models.gguf_header import GgufFile

# What each rotary frequency is divided by; transformers leaves the tensor out without a word.
FACTORS = "rope_freqs.weight"
READS_FACTORS = ("llama",)
# Of every Llama since 3.1; only the largest factor differs between them, 8 or 32.
_LOW, _HIGH, _TRAINED = 1.0, 4.0, 8192


def set_positions(config: PreTrainedConfig, file: GgufFile) -> None:
    """Sets how a config's positions are stretched, where the file says so.

    Raises:
        ModelError: they are stretched in another way than Llama 3.1's.
    """
    if FACTORS not in file.tensors or file.architecture not in READS_FACTORS:
        return
    written = load_gguf_state_dict(GgufHeader.from_file(str(file.path)))[FACTORS][...]
    factors = written.double()
    if bool((factors == 1).all()):
        return
    theta, width = float(config.rope_parameters["rope_theta"]), int(config.head_dim)
    factor = round(float(factors.max()), 3)
    expected = llama3_factors(theta, width, factor)
    if factors.shape != expected.shape or not torch.allclose(factors, expected, rtol=1e-4):
        raise ModelError(
            f"{file.path.name} stretches its positions ({FACTORS}) in another way than Llama 3.1, which is "
            "not read from GGUF here and would change its probabilities; use the model's safetensors weights"
        )
    parameters: dict[str, Any] = {
        "rope_type": "llama3",
        "rope_theta": theta,
        "factor": factor,
        "low_freq_factor": _LOW,
        "high_freq_factor": _HIGH,
        "original_max_position_embeddings": _TRAINED,
    }
    config.rope_parameters = parameters


def llama3_factors(theta: float, width: int, factor: float) -> torch.Tensor:
    """Returns what Llama 3.1 divides each rotary frequency by, (width / 2,) float64.

    Waves that fit the trained length often keep their frequency, those longer than it are stretched by
    `factor`, and between them the share is linear (Llama 3.1's reference code, `apply_scaling`).
    """
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    waves = _TRAINED * frequencies / (2 * math.pi)
    kept = ((waves - _LOW) / (_HIGH - _LOW)).clamp(0, 1)
    return 1 / ((1 - kept) / factor + kept)
