"""A Llama's next-token log-probabilities for many answers to few prompts, whose keys are kept once.

Transformers' cache holds the prompt's keys and values once a row; copying them made most of the cost
of a prefix tree. ``check`` compares this pass with Transformers' own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Past = list[tuple[Tensor, Tensor]]
Memory = tuple[Tensor, list[Past]]


@dataclass(frozen=True)
class _Layer:
    norm_in: Tensor
    qkv: Tensor
    out: Tensor
    norm_mlp: Tensor
    gate_up: Tensor
    down: Tensor


class SharedPrompt:
    """``NextLogProbs`` of a Llama under several conditionings at once (see ``prefix_tree``).

    ``prompts``: for each conditioning (roots, prompt length) token ids. Their pasts, (roots, heads,
    prompt, head_dim), are shared by all rows of a root; the tree carries as ``memory`` each row's
    root and the answers' pasts, (rows, heads, answer so far, head_dim).
    """

    def __init__(self, model: Any, prompts: list[np.ndarray]) -> None:
        config = model.config
        self._heads, self._dim = config.num_attention_heads, config.head_dim
        self._eps = config.rms_norm_eps
        self._inverse = model.model.rotary_emb.inv_freq
        self._embed, self._head = model.model.embed_tokens.weight, model.lm_head.weight
        self._norm = model.model.norm.weight
        self._layers = []
        for layer in model.model.layers:
            a, m = layer.self_attn, layer.mlp
            self._layers.append(
                _Layer(
                    layer.input_layernorm.weight,
                    torch.cat([a.q_proj.weight, a.k_proj.weight, a.v_proj.weight]),
                    a.o_proj.weight,
                    layer.post_attention_layernorm.weight,
                    torch.cat([m.gate_proj.weight, m.up_proj.weight]),
                    m.down_proj.weight,
                )
            )
        self._prompts = prompts
        self._prompt_pasts: list[Past] = []

    def _rotate(self, x: Tensor, positions: Tensor) -> Tensor:
        """Rotary embedding of x (..., positions, head_dim)."""
        angles = positions[:, None].float() * self._inverse
        cos, sin = torch.cat([angles, angles], -1).cos(), torch.cat([angles, angles], -1).sin()
        first, second = x.chunk(2, -1)
        return x * cos + torch.cat([-second, first], -1) * sin

    def _project(self, x: Tensor, layer: _Layer, positions: Tensor) -> list[Tensor]:
        """Queries, keys and values, each (rows, heads, length, head_dim)."""
        normed = F.rms_norm(x, x.shape[-1:], layer.norm_in, self._eps)
        rows, length = x.shape[:2]
        split = F.linear(normed, layer.qkv).view(rows, length, 3, self._heads, self._dim)
        q, k, v = (split[:, :, i].transpose(1, 2) for i in range(3))
        return [self._rotate(q, positions), self._rotate(k, positions), v]

    def _finish(self, x: Tensor, attended: Tensor, layer: _Layer) -> Tensor:
        """The rest of a block: attention's output projection and the MLP."""
        x = x + F.linear(attended.transpose(1, 2).flatten(2), layer.out)
        normed = F.rms_norm(x, x.shape[-1:], layer.norm_mlp, self._eps)
        gate, up = F.linear(normed, layer.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer.down)

    def _log_probs(self, last: Tensor) -> np.ndarray:
        logits = F.linear(F.rms_norm(last, last.shape[-1:], self._norm, self._eps), self._head)
        log_p = torch.log_softmax(logits.double(), -1)
        if not torch.isfinite(log_p).all():
            raise ValueError("the model gave a logit that is not finite")
        return log_p.numpy()

    def _read_prompts(self, prompts: np.ndarray) -> tuple[np.ndarray, Past]:
        x = self._embed[torch.from_numpy(prompts)]
        positions = torch.arange(prompts.shape[1])
        past: Past = []
        for layer in self._layers:
            q, k, v = self._project(x, layer, positions)
            past.append((k, v))
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = self._finish(x, attended, layer)
        return self._log_probs(x[:, -1]), past

    def _step(
        self, tokens: Tensor, roots: Tensor, shared: Past, own: Past
    ) -> tuple[np.ndarray, Past]:
        x = self._embed[tokens][:, None]
        position = torch.tensor([shared[0][0].shape[2] + own[0][0].shape[2]])
        out: Past = []
        for layer, (prompt_k, prompt_v), (past_k, past_v) in zip(
            self._layers, shared, own, strict=True
        ):
            q, k, v = self._project(x, layer, position)
            own_k, own_v = torch.cat([past_k, k], 2), torch.cat([past_v, v], 2)
            out.append((own_k, own_v))
            on_prompt = prompt_k[roots] @ q.transpose(2, 3)
            on_own = own_k @ q.transpose(2, 3)
            scores = torch.cat([on_prompt, on_own], 2).transpose(2, 3) * self._dim**-0.5
            weights = torch.softmax(scores, -1)
            w_prompt, w_own = weights.split([on_prompt.shape[2], on_own.shape[2]], -1)
            attended = w_prompt @ prompt_v[roots] + w_own @ own_v
            x = self._finish(x, attended, layer)
        return self._log_probs(x[:, -1]), out

    @torch.inference_mode()
    def start(self) -> tuple[list[np.ndarray], Memory]:
        both = [self._read_prompts(prompts) for prompts in self._prompts]
        self._prompt_pasts = [past for _, past in both]
        roots = len(self._prompts[0])
        empty = torch.empty(roots, self._heads, 0, self._dim)
        memory = torch.arange(roots), [[(empty, empty) for _ in self._layers] for _ in both]
        return [b[0] for b in both], memory

    @torch.inference_mode()
    def advance(
        self, memory: Memory, parents: np.ndarray, tokens: np.ndarray
    ) -> tuple[list[np.ndarray], Memory]:
        index, column = torch.from_numpy(parents), torch.from_numpy(tokens)
        roots = memory[0][index]
        both = [
            self._step(column, roots, shared, [(k[index], v[index]) for k, v in own])
            for shared, own in zip(self._prompt_pasts, memory[1], strict=True)
        ]
        return [b[0] for b in both], (roots, [b[1] for b in both])


def check(model: Any, prompt: tuple[int, ...], answer: tuple[int, ...]) -> float:
    """The largest difference, in nats, from Transformers' own log-probabilities along an answer."""
    with torch.inference_mode():
        logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 :]
    expected = torch.log_softmax(logits.double(), -1).numpy()
    source = SharedPrompt(model, [np.array([prompt])])
    got, memory = source.start()
    worst = float(np.abs(got[0][0] - expected[0]).max())
    for i, token in enumerate(answer):
        got, memory = source.advance(memory, np.array([0]), np.array([token]))
        worst = max(worst, float(np.abs(got[0][0] - expected[i + 1]).max()))
    return worst
