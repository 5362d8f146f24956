"""A hash of everything that decides a model's probabilities: weights, config, tokenizer, stop tokens."""

import hashlib
import json

import torch
from accelerate.utils import align_module_device
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.models.templates import writes_date

# Fields that describe a model's origin or how it is computed, not what it computes.
TRANSIENT = ("_name_or_path", "transformers_version", "_attn_implementation")


def fingerprint(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, stops: tuple[int, ...]
) -> str:
    """Returns 32 hex digits; the same on every device, and for weights that were moved to disk."""
    digest = hashlib.sha256()
    digest.update(type(model).__name__.encode())
    digest.update(json.dumps(stops).encode())
    digest.update(str(getattr(tokenizer, "chat_template", None)).encode())
    if writes_date(tokenizer):
        # Draws from before dates were pinned are of unknown prompts; which date it is, the settings say.
        digest.update(b"the date is pinned")
    digest.update(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    config = model.config.to_dict()
    for name in TRANSIENT:
        config.pop(name, None)
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for name in sorted(model.state_dict()):
        digest.update(name.encode())
        path, _, leaf = name.rpartition(".")
        module = model.get_submodule(path)
        # Weights offloaded to disk are read one module at a time.
        with align_module_device(module):
            tensor: torch.Tensor = module.state_dict()[leaf]
            flat = tensor.detach().to("cpu").contiguous().flatten().view(torch.uint8)
            digest.update(flat.numpy().data)
    return digest.hexdigest()[:32]
