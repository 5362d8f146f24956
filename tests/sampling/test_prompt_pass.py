"""Scoring with the prompt read once equals a plain pass over prompt and answer, on every architecture."""

import numpy as np
import pytest
import torch

from core.models.hooks import edited_positions, steered
from core.proposals.base import Arm
from core.proposals.steer import SteerPlan
from core.sampling.prompt_pass import PromptPass
from core.sampling.scoring import LOGITS_MEMORY, ROWS_AT_ONCE, rows_that_fit, score_answers
from core.spec import GenerationSpec
from tests.models.tiny_models import ARCHITECTURES, tiny_model

PROMPT = (5, 6, 7, 8, 9, 10, 3, 4, 11, 12)
WHERE = {"prompt": (True, False), "answer": (False, True), "both": (True, True)}


def answers(count: int, steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(1, 30, (count, steps), generator=generator)


def steering(where: str) -> SteerPlan:
    on_prompt, on_answer = WHERE[where]
    vector = torch.linspace(-0.9, 1.3, 32)[
        torch.randperm(32, generator=torch.Generator().manual_seed(1))
    ]
    return SteerPlan(1, vector, 1.5, on_prompt=on_prompt, on_answer=on_answer)


def plain_logits(arm: Arm, given: torch.Tensor) -> torch.Tensor:
    """By one pass over prompt and answers, without a cache."""
    ids = torch.cat([torch.tensor(PROMPT).expand(len(given), -1), given], dim=1)
    edits = []
    if arm.edit is not None:
        edits.append(
            arm.edit.edit(edited_positions(arm.edit, len(PROMPT), given.shape[1]), slice(None))
        )
    with torch.inference_mode(), steered(*edits):
        logits = arm.loaded.model(input_ids=ids, use_cache=False).logits
    return logits[:, len(PROMPT) - 1 : -1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_equals_a_plain_pass(architecture: str) -> None:
    """Answers of 12 tokens, past the windows of 8; also of one token, which needs the prompt alone."""
    loaded = tiny_model(architecture)
    for where in ("none", *WHERE):
        arm = Arm(loaded, (PROMPT,), None if where == "none" else steering(where))
        shared = PromptPass(arm)
        for given in (answers(7, 12), answers(3, 1), answers(5, 12)):
            found = shared.answer_logits(given).log_softmax(-1)
            expected = plain_logits(arm, given).log_softmax(-1)
            # Tokens that nothing will draw have log-probabilities of -30, and float32's rounding of them.
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, msg=where)


def test_reads_the_prompt_once() -> None:
    """Tokens that go through a model, counted at its first block."""
    loaded = tiny_model("llama")
    seen: list[int] = []
    hook = loaded.blocks[0].register_forward_pre_hook(
        lambda module, inputs, named: seen.append(
            (inputs[0] if inputs else named["hidden_states"]).shape[:2].numel()
        ),
        with_kwargs=True,
    )
    try:
        tokens = answers(10, 6).numpy().astype(np.int32)
        score_answers(Arm(loaded, (PROMPT,)), [], tokens, GenerationSpec(), rows_at_once=4)
    finally:
        hook.remove()
    assert seen == [len(PROMPT), 4 * 5, 4 * 5, 2 * 5]


def test_parts_change_nothing() -> None:
    loaded = tiny_model("llama")
    arms = Arm(loaded, (PROMPT,)), [Arm(loaded, (PROMPT,), steering("both"))]
    tokens = answers(50, 9).numpy().astype(np.int32)
    whole = score_answers(*arms, tokens, GenerationSpec())
    parts = score_answers(*arms, tokens, GenerationSpec(), rows_at_once=7)
    np.testing.assert_allclose(whole[0], parts[0], atol=1e-5)
    np.testing.assert_allclose(whole[1][0], parts[1][0], atol=1e-5)
    assert np.abs(whole[0] - whole[1][0]).max() > 0.1, "steering must change the distribution"


def test_logits_of_a_part_fit_the_bound() -> None:
    """A small vocabulary is scored in full batches, a large one in parts; one answer always goes."""
    assert rows_that_fit(40, 768) == ROWS_AT_ONCE
    rows = rows_that_fit(40, 49_152)
    assert 8 <= rows <= 16
    assert rows * 40 * 49_152 * 4 * 6 <= LOGITS_MEMORY
    assert rows_that_fit(4_000, 256_000) == 1
