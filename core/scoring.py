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
    plans: Sequence[SteerPlan] = (),
    *,
    rows_at_once: int = 256,
) -> tuple[TokenLogProbs, list[TokenLogProbs]]:
    """Returns each token's log-probability (n, T) under the target, and under each steered model, unmixed.

    tokens: (n, T) int32, PAD after the end. One forward pass for the target and one for each plan.
    """
    parts = [
        _score(loaded, prompt, tokens[start : start + rows_at_once], generation, plans)
        for start in range(0, len(tokens), rows_at_once)
    ]
    target, *steered = (np.concatenate(column) for column in zip(*parts, strict=True))
    return target, list(steered)


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
    plans: Sequence[SteerPlan],
) -> list[TokenLogProbs]:
    """Returns the target's and each plan's log-probabilities, (n, T) each."""
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

    def of_answers(log_probs: torch.Tensor) -> TokenLogProbs:
        chosen = log_probs.gather(2, answers.unsqueeze(2)).squeeze(2)
        full = np.zeros(tokens.shape)
        full[:, :steps] = chosen.double().cpu().numpy()
        return np.where(tokens != PAD, full, 0.0)

    target = target_log_probs(logits(None), generation, loaded.vocabulary)
    scores = [of_answers(target)]
    for plan in plans:
        coefficient = plan.coefficients(ids.shape[1], len(prompt)).expand(len(ids), -1)
        edit = ResidualEdit(plan.layer, plan.vector, coefficient.to(loaded.device))
        scores.append(
            of_answers(proposal_log_probs(logits(edit), target, generation, loaded.vocabulary))
        )
    return scores
