"""A causal model that brings its own code, as a folder: its blocks are in a list called `stages`."""

import json
from pathlib import Path

import torch

from tests.models.tiny_models import COMMON, tiny_model

CODE = """
import os
from torch import nn
from transformers import GenerationMixin, LlamaConfig
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.models.llama.modeling_llama import (
    LlamaDecoderLayer, LlamaPreTrainedModel, LlamaRMSNorm, LlamaRotaryEmbedding,
)

os.environ["TAILSCOPE_TEST_CODE_RAN"] = "yes"


class OwnConfig(LlamaConfig):
    model_type = "own_of_test"


class OwnForCausalLM(LlamaPreTrainedModel, GenerationMixin):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.heads = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
        self.stages = nn.ModuleList(
            LlamaDecoderLayer(config, number) for number in range(config.num_hidden_layers)
        )
        self.last = LlamaRMSNorm(config.hidden_size)
        self.turns = LlamaRotaryEmbedding(config=config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids, attention_mask=None, position_ids=None, past_key_values=None,
                use_cache=None, logits_to_keep=0):
        hidden = self.words(input_ids)
        if position_ids is None:
            position_ids = input_ids.new_ones(input_ids.shape).cumsum(-1) - 1
        mask = create_causal_mask(
            config=self.config, inputs_embeds=hidden, attention_mask=attention_mask,
            past_key_values=past_key_values, position_ids=position_ids,
        )
        for stage in self.stages:
            hidden = stage(
                hidden, attention_mask=mask, position_ids=position_ids,
                past_key_values=past_key_values, use_cache=use_cache,
                position_embeddings=self.turns(hidden, position_ids),
            )
        return CausalLMOutputWithPast(logits=self.lm_head(self.last(hidden)))
"""
RAN = "TAILSCOPE_TEST_CODE_RAN"


def save_own_architecture(folder: Path) -> Path:
    """Writes the model's folder: config, code, safetensors weights and a tokenizer."""
    space: dict[str, object] = {"__name__": "own_architecture_for_saving"}
    exec(CODE, space)
    torch.manual_seed(0)
    config = space["OwnConfig"](**COMMON, vocab_size=48, eos_token_id=1)  # type: ignore[operator]
    model = space["OwnForCausalLM"](config)  # type: ignore[operator]
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tiny_model().tokenizer.save_pretrained(folder)
    (folder / "modeling_own.py").write_text(CODE)
    path = folder / "config.json"
    classes = {"AutoConfig": "modeling_own.OwnConfig"}
    classes["AutoModelForCausalLM"] = "modeling_own.OwnForCausalLM"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": classes}))
    return folder
