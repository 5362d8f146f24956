"""A model small enough that all its answers can be enumerated, and its densities by brute force.

The densities share no code with `core`: plain forward passes, plain hooks, probabilities and not their
logarithms.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from core.models.loading import LoadedModel
from tests.models.tiny_models import tiny_model

VOCABULARY, STEPS, STOPS = 6, 4, (1, 2)
QUERY = "w4 w5"
# "Question: {query}\nAnswer:"; the tokenizer knows neither of the words around the query.
PROMPT = (3, 4, 5, 3)


def attention(  # type: ignore[no-untyped-def]
    module, query, key, value, mask, scaling: float, **unused
) -> tuple[torch.Tensor, None]:
    """Attention in float64 throughout; the usual one takes its softmax in float32."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * scaling
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return (weights @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register("float64", attention)
AttentionMaskInterface.register("float64", eager_mask)


def toy_model(seed: int = 3, padded_vocabulary: int = 2) -> LoadedModel:
    """A random model of six tokens; the target, or another one with the same tokenizer."""
    loaded = tiny_model(
        vocabulary=VOCABULARY, stops=STOPS, dtype=torch.float64, seed=seed,
        padded_vocabulary=padded_vocabulary, scale=3.0,
    )  # fmt: skip
    loaded.model.set_attn_implementation("float64")
    return loaded


LOADED = toy_model()

FloatArray = NDArray[np.float64]
Answer = tuple[int, ...]
# The answer so far -> logits of the next token, (VOCABULARY,).
Logits = Callable[[Answer], FloatArray]


def all_answers() -> list[Answer]:
    """Every answer: ends at a stop token or at STEPS tokens."""
    done: list[Answer] = []
    growing: list[Answer] = [()]
    for step in range(STEPS):
        longer = [(*answer, token) for answer in growing for token in range(VOCABULARY)]
        ended = [a for a in longer if a[-1] in STOPS or step + 1 == STEPS]
        done += ended
        growing = [a for a in longer if a not in set(ended)]
    return done


ANSWERS = all_answers()


def harmful(answer: Answer) -> bool:
    """A lopsided event that looks at tokens, at the length and at which stop token ended the answer."""
    return (4 in answer and answer[-1] == 2) or answer[:2] == (5, 3)


HARMFUL = np.array([harmful(answer) for answer in ANSWERS])


@dataclass(frozen=True)
class Setting:
    """One way to generate and to mix."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    alpha_mix: float = 0.1
    t_switch: int = 2
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    suppress_tokens: tuple[int, ...] = ()


def logits_of(
    model: torch.nn.Module = LOADED.model,
    prompt: Answer = PROMPT,
    changes: Callable[[int], Iterator[torch.utils.hooks.RemovableHandle]] | None = None,
) -> Logits:
    """The model's logits after a prompt. changes: given the prompt's length, puts hooks on the model."""

    @cache
    def after(prefix: Answer) -> FloatArray:
        hooks = list(changes(len(prompt))) if changes else []
        with torch.no_grad():
            logits = model(torch.tensor([prompt + prefix])).logits[0, -1, :VOCABULARY].numpy()
        for hook in hooks:
            hook.remove()
        return logits

    return after


def between(near: Logits, far: Logits, blend: float) -> Logits:
    """Logits that are `blend` of the way from near to far."""
    return lambda prefix: (1.0 - blend) * near(prefix) + blend * far(prefix)


TARGET = logits_of()


def looking_back(logits: FloatArray, read: Answer, setting: Setting) -> FloatArray:
    """Logits after repetition penalty, ban on repeated runs and suppressed tokens, token by token."""
    changed, size = logits.copy(), setting.no_repeat_ngram_size
    for token in range(VOCABULARY):
        if token in read:
            factor = setting.repetition_penalty
            changed[token] = logits[token] / factor if logits[token] > 0 else logits[token] * factor
        run = (*read, token)[-size:]
        if token in setting.suppress_tokens:
            changed[token] = -np.inf
        if size and any(read[at : at + size] == run for at in range(len(read) - size + 1)):
            changed[token] = -np.inf
    return changed


def truncated(logits: FloatArray, setting: Setting) -> FloatArray:
    """Target probabilities after temperature, top-k, top-p and min-p, by sorting."""
    scores = np.exp((logits - logits.max()) / setting.temperature)
    order = np.argsort(-scores)
    kept = order[: setting.top_k] if setting.top_k else order
    probabilities = scores[kept] / scores[kept].sum()
    before = np.concatenate([[0.0], np.cumsum(probabilities)[:-1]])
    kept = kept[(before < setting.top_p) & (probabilities >= setting.min_p * probabilities[0])]
    result = np.zeros(VOCABULARY)
    result[kept] = scores[kept] / scores[kept].sum()
    return result


def brute_force(setting: Setting, own: Logits) -> tuple[FloatArray, FloatArray]:
    """p(x) and q(x) of every answer in ANSWERS, for the proposal with these logits."""

    @cache
    def both(prefix: Answer) -> tuple[FloatArray, FloatArray]:
        read = PROMPT + prefix
        p = truncated(looking_back(TARGET(prefix), read, setting), setting)
        raw = looking_back(own(prefix), read, setting) / setting.temperature
        q = np.where(p > 0, np.exp(raw - raw.max()), 0.0)
        q /= q.sum()
        mixed = (1 - setting.alpha_mix) * q + setting.alpha_mix * p
        return p, mixed if len(prefix) < setting.t_switch else p

    p = np.array([np.prod([both(a[:t])[0][a[t]] for t in range(len(a))]) for a in ANSWERS])
    q = np.array([np.prod([both(a[:t])[1][a[t]] for t in range(len(a))]) for a in ANSWERS])
    return p, q


def chosen_positions(positions: str, prompt: int, length: int) -> torch.Tensor:
    """Which positions are edited, (length,): the last one of the prompt predicts the first answer token."""
    answer = torch.arange(length) >= prompt - 1
    return {"answer": answer, "prompt": ~answer, "both": answer | ~answer}[positions]


def subtracting(layer: int, vector: torch.Tensor, positions: str):  # type: ignore[no-untyped-def]
    """Plain hooks that subtract a vector after one block."""

    def changes(prompt: int) -> Iterator[torch.utils.hooks.RemovableHandle]:
        def subtract(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
            where = chosen_positions(positions, prompt, output.shape[1])
            return torch.where(where[:, None], output - vector, output)

        yield LOADED.blocks[layer].register_forward_hook(subtract)

    return changes


def projecting(direction: torch.Tensor, fraction: float, positions: str):  # type: ignore[no-untyped-def]
    """Plain hooks that take a fraction of a direction out of block inputs, attention and feed-forward."""
    away = torch.eye(len(direction), dtype=torch.float64)
    away -= fraction * torch.outer(direction, direction) / direction.dot(direction)

    def changes(prompt: int) -> Iterator[torch.utils.hooks.RemovableHandle]:
        def project(hidden: torch.Tensor) -> torch.Tensor:
            where = chosen_positions(positions, prompt, hidden.shape[1])
            return torch.where(where[:, None], hidden @ away, hidden)

        for block in LOADED.blocks:
            yield block.register_forward_pre_hook(
                lambda _, inputs: (project(inputs[0]), *inputs[1:])
            )
            yield block.self_attn.register_forward_hook(
                lambda _, inputs, output: (project(output[0]), *output[1:])
            )
            yield block.mlp.register_forward_hook(lambda _, inputs, output: project(output))

    return changes
