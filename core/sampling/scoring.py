"""Teacher-forced scoring: the log-probability of every token of given answers in one forward pass.

Written apart from the sampling loop (no cache, no row removal, no step-by-step mixing), so that each is a
check on the other. One pass a strength gives every mixing and switch for nothing.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.models.hooks import edited_positions, steered
from core.proposals.base import Arm
from core.sampling.loop import PAD
from core.sampling.streams import blended
from core.sampling.token_distribution import proposal_log_probs, target_log_probs
from core.sampling.token_rules import under_rules
from core.spec import GenerationSpec

TokenLogProbs = NDArray[np.float64]


def score_answers(
    target: Arm,
    proposals: Sequence[Arm],
    tokens: NDArray[np.int32],
    generation: GenerationSpec,
    *,
    rows_at_once: int = 256,
) -> tuple[TokenLogProbs, list[TokenLogProbs]]:
    """Returns each token's log-probability (n, T) under the target, and under each proposal, unmixed.

    All arms have one prompt, the target's being the same query's. tokens: (n, T) int32, PAD after the
    end. One forward pass for the target and one for each proposal.
    """
    parts = [
        _score(target, proposals, tokens[start : start + rows_at_once], generation)
        for start in range(0, len(tokens), rows_at_once)
    ]
    own, *others = (np.concatenate(column) for column in zip(*parts, strict=True))
    return own, list(others)


def mix_steps(
    log_p: TokenLogProbs, log_q: TokenLogProbs, alpha_mix: float, t_switch: int
) -> TokenLogProbs:
    """Returns the mixed proposal's log-probability of each token, (n, T), from the unmixed ones."""
    mixed = log_p.copy()
    if alpha_mix < 1.0 and t_switch > 0:
        head = log_q[:, :t_switch] + np.log1p(-alpha_mix)
        if alpha_mix > 0.0:
            head = np.logaddexp(head, log_p[:, :t_switch] + np.log(alpha_mix))
        # Past the end both are 0 (probability 1), and so is their mixture but for rounding.
        mixed[:, :t_switch] = np.where(
            log_p[:, :t_switch] == log_q[:, :t_switch], log_p[:, :t_switch], head
        )
    return mixed


def _score(
    target: Arm,
    proposals: Sequence[Arm],
    tokens: NDArray[np.int32],
    generation: GenerationSpec,
) -> list[TokenLogProbs]:
    """Returns the target's and each proposal's log-probabilities, (n, T) each."""
    steps = int((tokens != PAD).sum(1).max())
    answers = torch.from_numpy(np.maximum(tokens[:, :steps], 0).astype(np.int64))
    answers = answers.to(target.loaded.device)
    vocabulary = target.loaded.vocabulary

    def of_answers(log_probs: torch.Tensor) -> TokenLogProbs:
        chosen = log_probs.gather(2, answers.unsqueeze(2)).squeeze(2)
        full = np.zeros(tokens.shape)
        full[:, :steps] = chosen.cpu().double().numpy()
        return np.where(tokens != PAD, full, 0.0)

    def ready(logits: torch.Tensor) -> torch.Tensor:
        if not generation.has_token_rules:
            return logits
        return _under_rules(logits, target.prompts[0], answers, generation, vocabulary)

    logits = _answer_logits(target, answers)
    log_probs = target_log_probs(ready(logits), generation, vocabulary)
    scores = [of_answers(log_probs)]
    for arm in proposals:
        own = _answer_logits(arm, answers).to(logits.device)
        if arm.blend != 1.0:
            own = blended(logits, own, arm.blend)
        own = proposal_log_probs(ready(own), log_probs, generation, vocabulary)
        scores.append(of_answers(own))
    return scores


def _under_rules(
    logits: torch.Tensor,
    prompt: Sequence[int],
    answers: torch.Tensor,
    generation: GenerationSpec,
    vocabulary: int,
) -> torch.Tensor:
    """Returns the logits (n, T, vocabulary) under the rules on tokens."""
    start = torch.tensor([*prompt], device=answers.device).expand(len(answers), -1)
    history = torch.cat([start, answers], dim=1)
    steps = [
        under_rules(logits[:, step], history[:, : len(prompt) + step], generation, vocabulary)
        for step in range(answers.shape[1])
    ]
    return torch.stack(steps, dim=1)


def _answer_logits(arm: Arm, answers: torch.Tensor) -> torch.Tensor:
    """Returns the logits (n, T, vocabulary) from which each answer token was drawn."""
    (prompt,) = arm.prompts
    answers = answers.to(arm.loaded.device)
    start = torch.tensor(prompt, device=arm.loaded.device).expand(len(answers), -1)
    ids = torch.cat([start, answers], dim=1)
    edits = []
    if arm.edit is not None:
        changed = edited_positions(arm.edit, len(prompt), answers.shape[1])
        edits.append(arm.edit.edit(changed, slice(None)))
    with torch.inference_mode(), steered(*edits):
        output = arm.loaded.model(input_ids=ids, use_cache=False)
    # The output at the last prompt position predicts the first answer token.
    logits: torch.Tensor = output.logits[:, len(prompt) - 1 : -1]
    return logits
