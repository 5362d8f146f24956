"""Teacher-forced scoring: the log-probability of every token of given answers, all tokens in one pass.

Written apart from the sampling loop (no step-by-step cache, no row removal, no step-by-step mixing), so that
each is a check on the other. One pass a strength gives every mixing and switch for nothing. The prompt is
read once for an arm (`core.sampling.prompt_pass`), and answers go through in parts whose logits fit a bound.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.proposals.base import Arm
from core.sampling.loop import PAD
from core.sampling.prompt_pass import PromptPass
from core.sampling.streams import blended
from core.sampling.token_distribution import proposal_log_probs, target_log_probs
from core.sampling.token_rules import under_rules
from core.spec import GenerationSpec
from core.tasks import Beat, Progress, Steps, at_once, check_cancelled

TokenLogProbs = NDArray[np.float64]

# More answers at once gain nothing: their tokens fill the matrix products.
ROWS_AT_ONCE = 256
# For the logits of one part, in bytes. With a vocabulary of 49,152 and 40 tokens, 256 answers at once took
# 7.3 GB.
LOGITS_MEMORY = 600_000_000
# float32 numbers held at once for each token of the vocabulary: the target's logits and log-probabilities, an
# arm's own, and two in passing.
LOGITS_ALIVE = 6


def score_steps(
    target: Arm,
    proposals: Sequence[Arm],
    tokens: NDArray[np.int32],
    generation: GenerationSpec,
    *,
    rows_at_once: int | None = None,
) -> Steps[None, tuple[TokenLogProbs, list[TokenLogProbs]]]:
    """Returns each token's log-probability (n, T) under the target, and under each proposal, unmixed.

    All arms have one prompt, the target's being the same query's. tokens: (n, T) int32, PAD after the
    end. rows_at_once: answers in one pass; None for as many as `LOGITS_MEMORY` allows. Yields the progress,
    in passes.
    """
    rows_at_once = rows_at_once or rows_that_fit(tokens.shape[1], _width(target))
    starts = range(0, len(tokens), rows_at_once)
    passes, beat = [], Beat()
    total, done = (1 + len(proposals)) * (1 + len(starts)), 0
    for arm in (target, *proposals):
        check_cancelled()
        passes.append(PromptPass(arm))
        done += 1
        if beat.due:
            yield Progress(done, total, "passes")
    parts = []
    for start in starts:
        part = _score(passes, tokens[start : start + rows_at_once], generation)
        scores: list[TokenLogProbs] = []
        for _ in passes:
            check_cancelled()
            scores.append(next(part))
            done += 1
            if beat.due:
                yield Progress(done, total, "passes")
        parts.append(scores)
    own, *others = (np.concatenate(column) for column in zip(*parts, strict=True))
    return own, list(others)


score_answers = at_once(score_steps)


def rows_that_fit(steps: int, width: int) -> int:
    """Returns how many answers of this many tokens to score at once. width: logits of a token."""
    bytes_a_row = LOGITS_ALIVE * torch.float32.itemsize * max(steps, 1) * width
    return max(1, min(ROWS_AT_ONCE, LOGITS_MEMORY // bytes_a_row))


def _width(arm: Arm) -> int:
    return int(arm.loaded.model.config.get_text_config().vocab_size)


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
    passes: Sequence[PromptPass], tokens: NDArray[np.int32], generation: GenerationSpec
) -> Iterator[TokenLogProbs]:
    """Yields the target's and each proposal's log-probabilities, (n, T) each."""
    target = passes[0].arm
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

    logits = passes[0].answer_logits(answers)
    log_probs = target_log_probs(ready(logits), generation, vocabulary)
    yield of_answers(log_probs)
    for each in passes[1:]:
        own = each.answer_logits(answers).to(logits.device)
        if each.arm.blend != 1.0:
            own = blended(logits, own, each.arm.blend)
        own = proposal_log_probs(ready(own), log_probs, generation, vocabulary)
        yield of_answers(own)


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
