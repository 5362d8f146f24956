"""Finds a model's transformer blocks by rule, so that no list of architectures is needed."""

from torch import nn
from transformers.modeling_utils import PreTrainedModel

from core.errors import ModelError


def find_blocks(model: PreTrainedModel) -> tuple[nn.Module, ...]:
    """Returns the transformer blocks in order: the largest module list with one entry a hidden layer.

    Raises:
        ModelError: the model has no such list.
    """
    layers = int(model.config.get_text_config().num_hidden_layers)
    lists = [
        module
        for module in model.modules()
        if isinstance(module, nn.ModuleList) and len(module) == layers
    ]
    if not lists:
        raise ModelError(
            f"no list of {layers} transformer blocks found in {type(model).__name__}; "
            "steering needs the residual stream after each block"
        )
    blocks = max(lists, key=lambda blocks: sum(p.numel() for p in blocks.parameters()))
    return tuple(blocks)
