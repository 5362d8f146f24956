"""Rules on tokens, against the common generation code, and the loop against teacher forcing."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import NumericsError
from core.proposals.base import Arm
from core.proposals.steer import SteerPlan
from core.sampling.loop import PAD, TokenMixing, row_uniforms, run_rows
from core.sampling.rows import Rows
from core.sampling.scoring import mix_steps, score_answers
from core.sampling.streams import open_stream
from core.sampling.token_rules import NOTHING, aligned, under_rules
from core.spec import GenerationSpec
from tests.models.tiny_models import assert_same_rows, tiny_model

STEPS, SWITCH, ALPHA = 10, 4, 0.2
PROMPTS = ((5, 6, 7, 8, 9, 10, 3, 4, 11, 12), (11, 12, 13))
RULES = GenerationSpec(
    max_new_tokens=STEPS, temperature=1.3, repetition_penalty=1.6, no_repeat_ngram_size=2,
    suppress_tokens=(7, 20),
)  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"repetition_penalty": 1.3, "temperature": 0.9},
        {"repetition_penalty": 0.7},
        {"no_repeat_ngram_size": 2},
        {"suppress_tokens": [20, 21, 22, 23], "min_p": 0.01},
        {"no_repeat_ngram_size": 1, "repetition_penalty": 1.2},
        {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "temperature": 1.5, "top_k": 30, "top_p": 0.9,
         "min_p": 0.02},
    ],
    ids=str,
)  # fmt: skip
def test_log_p_is_that_of_transformers_generate(fields: dict[str, Any]) -> None:
    """Answers that `generate` drew, with the scores it drew them from."""
    loaded, prompt = tiny_model(stops=(1, 2, 30)), PROMPTS[0]
    torch.manual_seed(0)
    made = loaded.model.generate(
        torch.tensor([prompt]), do_sample=True, max_new_tokens=STEPS, num_return_sequences=32,
        return_dict_in_generate=True, output_scores=True, pad_token_id=0, **({"top_k": 0} | fields),
    )  # fmt: skip
    tokens = made.sequences[:, len(prompt) :].numpy().astype(np.int32)
    expected = np.zeros(tokens.shape)
    for step, scores in enumerate(made.scores):
        each = scores.double().log_softmax(-1).numpy()
        expected[:, step] = each[np.arange(len(tokens)), tokens[:, step]]
    ended = np.cumsum(np.isin(tokens, loaded.stop_token_ids), axis=1)
    over = (ended - np.isin(tokens, loaded.stop_token_ids)) > 0
    tokens[over], expected[over] = PAD, 0.0
    assert over.any()
    generation = GenerationSpec.build(max_new_tokens=STEPS, **fields)
    log_p, _ = score_answers(Arm(loaded, (prompt,)), [], tokens, generation)
    np.testing.assert_allclose(log_p, expected, atol=1e-4)
    without, _ = score_answers(Arm(loaded, (prompt,)), [], tokens, GenerationSpec())
    assert np.abs(without - expected).max() > 0.1, "the settings must change something"


def draw(rows: range, prompts: tuple[tuple[int, ...], ...] = PROMPTS) -> Rows:
    loaded = tiny_model(stops=(1, 2, 30))
    return run_rows(
        open_stream([Arm(loaded, prompts), Arm(loaded, prompts, plan())], STEPS),
        RULES,
        stop_token_ids=loaded.stop_token_ids,
        vocabulary=loaded.vocabulary,
        uniforms=row_uniforms(1, 2, rows, STEPS),
        mixings=[TokenMixing(ALPHA, SWITCH)],
        prompts=np.arange(len(rows)) % len(prompts),
    )


def plan() -> SteerPlan:
    return SteerPlan(1, torch.linspace(-0.5, 0.7, 32), 1.0, on_prompt=True, on_answer=True)


def test_the_loop_looks_back_on_each_rows_own_prompt_and_answer() -> None:
    loaded, rows = tiny_model(stops=(1, 2, 30)), draw(range(64))
    assert len(set(rows.lengths.tolist())) > 3
    for index, prompt in enumerate(PROMPTS):
        mine = np.arange(len(rows)) % 2 == index
        arms = Arm(loaded, (prompt,)), [Arm(loaded, (prompt,), plan())]
        log_p, (log_q,) = score_answers(*arms, rows.tokens[mine], RULES)
        np.testing.assert_allclose(rows.log_p[mine], log_p, atol=1e-4)
        mixed = mix_steps(log_p, log_q, ALPHA, SWITCH)
        np.testing.assert_allclose(rows.log_q[0, mine], mixed, atol=1e-4)
    pairs = [
        list(pairwise(read))
        for read in (
            [*PROMPTS[row % 2], *tokens[:length].tolist()]
            for row, (tokens, length) in enumerate(zip(rows.tokens, rows.lengths, strict=True))
        )
    ]
    assert all(len(set(of_row)) == len(of_row) for of_row in pairs), "no pair of tokens comes twice"
    assert not np.isin(rows.tokens, RULES.suppress_tokens).any()


def test_draws_do_not_depend_on_the_batch() -> None:
    together = draw(range(40), PROMPTS[:1])
    apart = [draw(range(start, min(start + 7, 40)), PROMPTS[:1]) for start in range(0, 40, 7)]
    assert_same_rows("llama", together, Rows.joined(apart))


def test_a_shorter_history_is_no_other_than_alone() -> None:
    logits = torch.randn(2, 20, generator=torch.Generator().manual_seed(0))
    both = under_rules(logits, aligned([(4, 5, 4), (7,)]), RULES, 20)
    alone = under_rules(logits[1:], aligned([(7,)]), RULES, 20)
    assert torch.equal(both[1:], alone)
    assert aligned([(4, 5, 4), (7,)])[1].tolist() == [NOTHING, NOTHING, 7]
    assert both[0, 5] == -torch.inf
    # Ids beyond the logits, as another model's may be, change nothing.
    assert torch.equal(under_rules(logits[1:], aligned([(25, 7)]), RULES, 20), alone)


def test_no_token_left_and_bad_logits_are_errors() -> None:
    nothing_twice = GenerationSpec(no_repeat_ngram_size=1)
    with pytest.raises(NumericsError, match=r"no_repeat_ngram_size 1 and .* leave no token"):
        under_rules(torch.zeros(1, 4), torch.tensor([[0, 1, 2]]), nothing_twice, 3)
    with pytest.raises(NumericsError, match="NaN or infinite"):
        under_rules(torch.tensor([[0.0, torch.nan]]), torch.tensor([[0]]), RULES, 2)
