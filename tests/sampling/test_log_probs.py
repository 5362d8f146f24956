"""In-loop log-probabilities equal teacher-forced ones on every architecture, in any batch."""

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
from core.spec import GenerationSpec
from tests.models.tiny_models import ARCHITECTURES, assert_same_rows, tiny_model

STEPS, SWITCH, ALPHA = 12, 5, 0.2
GENERATION = GenerationSpec(max_new_tokens=STEPS)
PROMPTS = ((5, 6, 7, 8, 9, 10, 3, 4, 11, 12), (11, 12, 13))


def plan(strength: float = 1.0) -> SteerPlan:
    vector = torch.linspace(-0.5, 0.7, 32)[
        torch.randperm(32, generator=torch.Generator().manual_seed(1))
    ]
    return SteerPlan(1, vector, strength, on_prompt=True, on_answer=True)


def draw(loaded, rows: range = range(48), *, steer: SteerPlan | None, prompts=PROMPTS) -> Rows:
    uniforms = row_uniforms(1, 2, rows, STEPS)
    arms = [Arm(loaded, prompts)] + ([] if steer is None else [Arm(loaded, prompts, steer)])
    return run_rows(
        open_stream(arms, STEPS),
        GENERATION,
        stop_token_ids=loaded.stop_token_ids,
        vocabulary=loaded.vocabulary,
        uniforms=uniforms,
        mixings=[] if steer is None else [TokenMixing(ALPHA, SWITCH)],
        prompts=np.arange(len(rows)) % len(prompts),
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("steer", [False, True], ids=["plain", "steered"])
def test_loop_equals_teacher_forcing(architecture: str, steer: bool) -> None:
    """Left padding (prompts of 10 and 3 tokens), cache reuse, row removal, windows of 8 tokens."""
    loaded = tiny_model(architecture, stops=tuple(range(1, 9)))
    used = plan() if steer else None
    rows = draw(loaded, steer=used)
    assert len(set(rows.lengths.tolist())) > 3, "rows must leave at different steps"
    for index, prompt in enumerate(PROMPTS):
        of_prompt = np.arange(len(rows.lengths)) % len(PROMPTS) == index
        arms = [] if used is None else [Arm(loaded, (prompt,), used)]
        target = Arm(loaded, (prompt,))
        log_p, scored = score_answers(target, arms, rows.tokens[of_prompt], GENERATION)
        np.testing.assert_allclose(rows.log_p[of_prompt], log_p, atol=1e-4)
        if used is not None:
            (log_q,) = scored
            mixed = mix_steps(log_p, log_q, ALPHA, SWITCH)
            np.testing.assert_allclose(rows.log_q[0, of_prompt], mixed, atol=1e-4)
            assert np.abs(log_p - log_q).max() > 0.1, "steering must change the distribution"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_draws_do_not_depend_on_the_batch(architecture: str) -> None:
    """Same tokens and log-probabilities, bit for bit, drawn 48 at once or in batches of 5."""
    loaded = tiny_model(architecture, stops=(1, 2))
    together = draw(loaded, steer=plan(), prompts=PROMPTS[:1])
    apart = [
        draw(loaded, range(start, min(start + 5, 48)), steer=plan(), prompts=PROMPTS[:1])
        for start in range(0, 48, 5)
    ]
    assert_same_rows(architecture, together, Rows.joined(apart))


def test_tokens_after_the_end_are_padding() -> None:
    rows = draw(tiny_model(stops=(1, 2)), steer=None)
    for tokens, length in zip(rows.tokens, rows.lengths, strict=True):
        assert (tokens[length:] == PAD).all()
        assert not np.isin(tokens[: length - 1], (1, 2)).any()
        assert tokens[length - 1] in (1, 2) or length == STEPS


def test_strength_zero_has_weights_of_one() -> None:
    loaded = tiny_model(stops=(1, 2))
    rows = draw(loaded, steer=plan(0.0))
    np.testing.assert_allclose(rows.log_p, rows.log_q[0], atol=1e-6)


def test_ids_past_the_tokenizer_are_never_drawn() -> None:
    loaded = tiny_model(stops=(1,), vocabulary=20, padded_vocabulary=40)
    rows = draw(loaded, steer=plan(), prompts=((5, 6, 7),))
    assert rows.tokens.max() < 20


def test_nan_logits_are_an_error() -> None:
    loaded = tiny_model()
    with pytest.raises(NumericsError, match="NaN or infinite"):
        draw(loaded, steer=plan(float("inf")), prompts=((5, 6, 7),))


def test_matches_generate_truncation() -> None:
    """Temperature, top-k and top-p mean what they mean in the common generation code."""
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    from core.sampling.token_distribution import target_log_probs

    logits = torch.randn(64, 40, generator=torch.Generator().manual_seed(0)) * 3
    generation = GenerationSpec(temperature=0.8, top_k=12, top_p=0.85)
    expected = logits
    for warper in (TemperatureLogitsWarper(0.8), TopKLogitsWarper(12), TopPLogitsWarper(0.85)):
        expected = warper(None, expected)
    torch.testing.assert_close(
        target_log_probs(logits, generation, 40), expected.log_softmax(-1), atol=1e-6, rtol=1e-5
    )
