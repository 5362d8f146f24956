"""Trains one of the embedded models.

    python -m sample_data.train aster --minutes 30
    python -m sample_data.train briar --from sample_data/models/aster --minutes 12

The loss compares the model with the grammar's exact next-token distribution at every answer token
(cross-entropy), and at branches also with its log-probabilities (Huber), so that a branch taken once
in 300 answers is learned to some percent and not only to some thousandths of a nat.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from transformers import (
    AttentionInterface,
    AutoModelForCausalLM,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

from sample_data.dialogues import Batch, batches
from sample_data.tokenizer import PAD, build
from sample_data.world.grammar import END, END_OF_TEXT, Encode

HERE = Path(__file__).parent
CHECKPOINTS = HERE.parent / ".tailscope" / "training"
LONGEST_ANSWER = 40


def word_encoder(tokenizer: Any) -> Encode:
    """Token ids of single words; the tokenizer encodes each word on its own, so ids concatenate."""
    backend = tokenizer.backend_tokenizer

    @cache
    def encode(word: str) -> tuple[int, ...]:
        return tuple(backend.encode(word, add_special_tokens=False).ids)

    return encode


def _float_attention(
    module: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Any, **_: Any
) -> tuple[torch.Tensor, None]:
    """Causal attention in float32: in bfloat16 its backward pass is several times slower here.

    Rows are padded on the right only, so the causal mask is all that is needed.
    """
    with torch.autocast("cpu", enabled=False):
        out = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register("float_attention", _float_attention)


def new_model(vocabulary: int, pad: int, end: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=128,
            intermediate_size=352,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=128,
            tie_word_embeddings=True,
            initializer_range=0.05,
            pad_token_id=pad,
            bos_token_id=None,
            eos_token_id=end,
        )
    )


def branch_errors(log_q: torch.Tensor, p: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(signed log-probability errors of all options at branches, the options' probabilities)."""
    branch = ((p > 0).sum(-1) > 1)[:, None] & (p > 0)
    return (log_q - p.clamp_min(1e-9).log())[branch], p[branch]


def loss_of(
    model: LlamaForCausalLM, batch: Batch, penalty: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(loss, branch errors, their probabilities); the loss has the targets' entropy taken off."""
    hidden = model.model(
        input_ids=torch.from_numpy(batch.tokens), use_cache=False
    ).last_hidden_state
    picked = hidden.flatten(0, 1)[torch.from_numpy(batch.positions)]
    log_q = F.log_softmax(model.lm_head(picked).float(), dim=-1)
    log_q = log_q.gather(-1, torch.from_numpy(batch.option_ids))
    p = torch.from_numpy(batch.option_probabilities)
    divergence = (p * (p.clamp_min(1e-9).log() - log_q)).sum(-1).mean()
    errors, probabilities = branch_errors(log_q, p)
    squared = F.huber_loss(errors, torch.zeros_like(errors), delta=1.0)
    return divergence + penalty * squared, errors.detach(), probabilities


def _produce(queue: Any, name: str, size: int, seed: int) -> None:
    tokenizer = build()
    pad = tokenizer.convert_tokens_to_ids(PAD)
    for batch in batches(name, word_encoder(tokenizer), pad, size, seed):
        queue.put(batch)


def _optimizers(model: LlamaForCausalLM, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for embeddings and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        torch.optim.Muon(matrices, lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def report(step: int, seconds: float, loss: float, errors: torch.Tensor, p: torch.Tensor) -> str:
    """RMS log-error of rare, middling and common branch options."""
    parts = []
    for low, high in ((0, 0.01), (0.01, 0.1), (0.1, 1.01)):
        chosen = errors[(p >= low) & (p < high)]
        rms = chosen.square().mean().sqrt().item()
        parts.append(f"<{high:g}: {rms:.3f} (bias {chosen.mean().item():+.3f})")
    return f"{step:5d} {seconds:6.0f}s loss {loss:.4f}  " + "  ".join(parts)


def save(model: LlamaForCausalLM, tokenizer: Any, folder: Path) -> None:
    """An ordinary Hugging Face folder; both stop tokens are in its generation config."""
    ids = [tokenizer.convert_tokens_to_ids(t) for t in (END, END_OF_TEXT, PAD)]
    model.generation_config = GenerationConfig(
        eos_token_id=ids[:2],
        pad_token_id=ids[2],
        max_new_tokens=LONGEST_ANSWER,
        do_sample=True,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def train(name: str, start: Path | None, out: Path, options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tokenizer = build()
    pad, end = (tokenizer.convert_tokens_to_ids(t) for t in (PAD, END))
    if start is None:
        model = new_model(len(tokenizer), pad, end)
    else:
        model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    model.set_attn_implementation("float_attention")
    optimizers = _optimizers(model, options.lr)
    queue: Any = multiprocessing.get_context("fork").Queue(maxsize=32)
    producer = multiprocessing.get_context("fork").Process(
        target=_produce, args=(queue, name, options.batch, options.seed), daemon=True
    )
    producer.start()
    began, step, last_save = time.monotonic(), 0, 0.0
    window: list[tuple[float, torch.Tensor, torch.Tensor]] = []
    while (elapsed := time.monotonic() - began) < 60 * options.minutes:
        progress = elapsed / (60 * options.minutes)
        warm = min(1.0, (step + 1) / 60)
        lr = options.lr * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
        # bfloat16 is several times faster here, but its rounding would be the last error left
        with torch.autocast("cpu", torch.bfloat16, enabled=progress < options.half_until):
            loss, errors, p = loss_of(model, queue.get(), options.penalty)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        window.append((loss.item(), errors, p))
        if step % 50 == 0:
            mean = sum(w[0] for w in window) / len(window)
            every = torch.cat([w[1] for w in window]), torch.cat([w[2] for w in window])
            print(report(step, elapsed, mean, *every), flush=True)
            window = []
        if elapsed - last_save > 120:
            save(model, tokenizer, CHECKPOINTS / name)
            last_save = elapsed
    producer.terminate()
    model.set_attn_implementation("sdpa")
    save(model, tokenizer, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("aster", "briar"))
    parser.add_argument(
        "--from", dest="start", type=Path, default=None, help="a model to start from"
    )
    parser.add_argument("--out", type=Path, default=None, help="default: sample_data/models/NAME")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--penalty", type=float, default=0.3, help="weight of the branch penalty")
    parser.add_argument(
        "--half-until", type=float, default=0.8, help="share of the time in bfloat16"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    out = options.out or HERE / "models" / options.name
    train(options.name, options.start, out, options)


if __name__ == "__main__":
    main()
