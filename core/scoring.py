"""Teacher-forced scoring: the log-probability of every token of given answers in one forward pass.

Written apart from the sampling loop (no cache, no row removal, no step-by-step mixing), so that each is a
check on the other. One pass a steering strength gives every mixing and switch for nothing.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.models.loading import LoadedModel
from core.sampling import PAD
from core.spec import GenerationSpec
from core.steering.interventions import ResidualEdit, steered
from core.streams import SteerPlan
from core.token_distribution import proposal_log_probs, target_log_probs

TokenLogProbs = NDArray[np.float64]


def score_answers(
    loaded: LoadedModel,
    prompt: Sequence[int],
    tokens: NDArray[np.int32],
    generation: GenerationSpec,
    plan: SteerPlan | None = None,
    *,
    rows_at_once: int = 256,
) -> tuple[TokenLogProbs, TokenLogProbs]:
    """Returns each token's log-probability (n, T) under the target and under the steered model, unmixed.

    tokens: (n, T) int32, PAD after the end. Without a plan both are the target's.
    """
    parts = [
        _score(loaded, prompt, tokens[start : start + rows_at_once], generation, plan)
        for start in range(0, len(tokens), rows_at_once)
    ]
    return np.concatenate([p for p, _ in parts]), np.concatenate([q for _, q in parts])


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
    loaded: LoadedModel,
    prompt: Sequence[int],
    tokens: NDArray[np.int32],
    generation: GenerationSpec,
    plan: SteerPlan | None,
) -> tuple[TokenLogProbs, TokenLogProbs]:
    steps = int((tokens != PAD).sum(1).max())
    answers = torch.from_numpy(np.maximum(tokens[:, :steps], 0).astype(np.int64)).to(loaded.device)
    start = torch.tensor(list(prompt), device=loaded.device).expand(len(tokens), -1)
    ids = torch.cat([start, answers], dim=1)
    first = len(prompt) - 1  # the output at this position predicts the first answer token

    def logits(edit: ResidualEdit | None) -> torch.Tensor:
        with torch.inference_mode(), steered(edit):
            output = loaded.model(input_ids=ids, use_cache=False)
        result: torch.Tensor = output.logits[:, first:-1]
        return result

    target = target_log_probs(logits(None), generation, loaded.vocabulary)
    log_p = target.gather(2, answers.unsqueeze(2)).squeeze(2)
    log_q = log_p
    if plan is not None:
        coefficient = plan.coefficients(ids.shape[1], len(prompt)).expand(len(ids), -1)
        edit = ResidualEdit(plan.layer, plan.vector, coefficient.to(loaded.device))
        proposal = proposal_log_probs(logits(edit), target, generation, loaded.vocabulary)
        log_q = proposal.gather(2, answers.unsqueeze(2)).squeeze(2)
    inside = tokens != PAD
    full_p, full_q = np.zeros(tokens.shape), np.zeros(tokens.shape)
    full_p[:, :steps] = log_p.double().cpu().numpy()
    full_q[:, :steps] = log_q.double().cpu().numpy()
    return np.where(inside, full_p, 0.0), np.where(inside, full_q, 0.0)
