"""The distribution of one token: the target's under its generation settings, and the proposal's mixture."""

import math

import torch

from core.errors import NumericsError
from core.spec import GenerationSpec


def target_log_probs(
    logits: torch.Tensor, generation: GenerationSpec, vocabulary: int
) -> torch.Tensor:
    """Returns the target's log-probabilities (rows, vocabulary), -inf outside its support.

    logits: (rows, at least vocabulary), under the rules on tokens (`core.sampling.token_rules`).

    Temperature, then top-k, top-p and min-p, as the usual generation code applies them. float32, or wider
    where the logits are.

    Raises:
        NumericsError: a logit is NaN or infinite.
    """
    scores = _scaled(logits, generation, vocabulary)
    if generation.top_k is not None and generation.top_k < scores.shape[-1]:
        smallest = scores.topk(generation.top_k, dim=-1).values[..., -1:]
        scores = scores.masked_fill(scores < smallest, -math.inf)
    if generation.top_p < 1.0:
        ordered, index = scores.sort(dim=-1)
        tail = ordered.softmax(-1).cumsum(-1) <= 1.0 - generation.top_p
        tail[..., -1] = False  # the likeliest token always stays
        scores = scores.masked_fill(tail.scatter(-1, index, tail), -math.inf)
    if generation.min_p > 0.0:
        shares = scores.softmax(-1)
        likeliest = shares.amax(-1, keepdim=True)
        scores = scores.masked_fill(shares < generation.min_p * likeliest, -math.inf)
    return scores.log_softmax(-1)


def proposal_log_probs(
    logits: torch.Tensor,
    target: torch.Tensor,
    generation: GenerationSpec,
    vocabulary: int,
) -> torch.Tensor:
    """Returns the steered model's log-probabilities, restricted to the target's support and renormalised.

    target: (rows, vocabulary) from `target_log_probs`. A draw outside the target's support would have
    weight 0, so none is made.
    """
    scores = _scaled(logits, generation, vocabulary)
    if generation.truncates:
        scores = scores.masked_fill(target == -math.inf, -math.inf)
    return scores.log_softmax(-1)


def mix_log_probs(target: torch.Tensor, proposal: torch.Tensor, alpha_mix: float) -> torch.Tensor:
    """Returns log((1 - alpha_mix) q + alpha_mix p), elementwise (docs/method.md#proposals)."""
    if alpha_mix == 0.0:
        return proposal
    if alpha_mix == 1.0:
        return target
    return torch.logaddexp(proposal + math.log1p(-alpha_mix), target + math.log(alpha_mix))


def draw_tokens(
    log_probs: torch.Tensor, place: torch.Tensor, uniforms: torch.Tensor
) -> torch.Tensor:
    """Returns one token a row, (rows,) int64, by inversion of the cumulative distribution.

    log_probs: (places, vocabulary). place: (rows,), whose distribution each row draws from. uniforms:
    (rows,) float64 in [0, 1). The cumulative sum is float64, so that a token of probability 1e-9 at the
    end of a large vocabulary still gets its share.
    """
    # The mps device has no float64.
    exact = log_probs.cpu() if log_probs.device.type == "mps" else log_probs
    cumulative = exact.exp().cumsum(-1, dtype=torch.float64).index_select(0, place.to(exact.device))
    point = uniforms.to(cumulative.device).unsqueeze(1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, point, right=True).squeeze(1)


def _scaled(logits: torch.Tensor, generation: GenerationSpec, vocabulary: int) -> torch.Tensor:
    # Models may score more ids than the tokenizer has; those are never drawn.
    scores = logits[..., :vocabulary].to(torch.promote_types(logits.dtype, torch.float32))
    # What a rule has ruled out is -inf, and was checked before.
    checked = scores
    if generation.rules_out_tokens:
        checked = scores.masked_fill(scores == -math.inf, 0.0)
    if not bool(torch.isfinite(checked.sum())):
        raise NumericsError(
            "the model returned NaN or infinite logits, so there is no probability to report; "
            "a lower strength or a wider number format (float32) usually helps"
        )
    if generation.temperature != 1.0:
        scores = scores / generation.temperature
    return scores
