"""An arm's prompt, read once: its keys and values are then shared by all answers that are scored."""

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from core.models.hooks import edited_positions, steered
from core.proposals.base import Arm


class PromptPass:
    """Gives the logits of given answers to an arm's one prompt.

    Where a layer's cache is no plain list of keys and values (a window that slides, a recurrent state),
    prompt and answer go through the model together instead, for every answer.
    """

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        (self._prompt,) = arm.prompts
        self._read: tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]] | None = None
        cache = DynamicCache(config=arm.loaded.model.config)
        if not cache.layers or any(type(layer) is not DynamicLayer for layer in cache.layers):
            return
        ids = torch.tensor([self._prompt], device=arm.loaded.device)
        last = self._forward(ids, 0, cache)[
            :, -1:
        ].clone()  # the other positions' logits are let go
        kept = [
            (layer.keys, layer.values)
            for layer in cache.layers
            if type(layer) is DynamicLayer and layer.keys is not None and layer.values is not None
        ]
        if len(kept) == len(cache.layers):
            self._read = last, kept

    def answer_logits(self, answers: torch.Tensor) -> torch.Tensor:
        """Returns the logits (n, T, vocabulary) from which each token of the answers (n, T) was drawn."""
        answers = answers.to(self.arm.loaded.device)
        count, steps = answers.shape
        if self._read is None:
            start = torch.tensor(self._prompt, device=answers.device).expand(count, -1)
            # The output at the last prompt position predicts the first answer token.
            together = torch.cat([start, answers], dim=1)
            return self._forward(together, 0, None)[:, len(self._prompt) - 1 : -1]
        last, kept = self._read
        first = last.expand(count, -1, -1)
        if steps == 1:
            return first
        cache = DynamicCache(config=self.arm.loaded.model.config)
        for layer, (keys, values) in enumerate(kept):
            cache.update(keys.expand(count, -1, -1, -1), values.expand(count, -1, -1, -1), layer)
        # The last token predicts nothing that is scored.
        rest = self._forward(answers[:, :-1], len(self._prompt), cache)
        return torch.cat([first, rest], dim=1)

    def _forward(self, ids: torch.Tensor, start: int, cache: DynamicCache | None) -> torch.Tensor:
        """Returns the logits of tokens (n, length, vocabulary) that stand from position `start` on."""
        length = ids.shape[1]
        plan, edits = self.arm.edit, []
        if plan is not None:
            prompt = len(self._prompt)
            changed = edited_positions(plan, prompt, start + length - min(prompt, start + length))
            edits.append(plan.edit(changed[start : start + length], slice(None)))
        positions = torch.arange(start, start + length, device=ids.device).unsqueeze(0)
        with torch.inference_mode(), steered(*edits):
            output = self.arm.loaded.model(
                input_ids=ids,
                position_ids=positions.expand(len(ids), -1),
                past_key_values=cache,
                use_cache=cache is not None,
            )
        logits: torch.Tensor = output.logits
        return logits
