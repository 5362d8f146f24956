"""Several kinds of proposals in one stream, on every architecture: each is what it is on its own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import ModelError
from core.models.hooks import EditPlan, halves, recorded, steered
from core.models.loading import LoadedModel
from core.proposals import ContextSpec, Proposal, target_arm
from core.proposals.ablate import AblatePlan
from core.proposals.adapter import adapted
from core.proposals.base import Arm
from core.proposals.steer import SteerPlan
from core.sampling.loop import TokenMixing, row_uniforms, run_rows
from core.sampling.rows import Rows
from core.sampling.scoring import mix_steps, score_answers
from core.sampling.streams import open_stream
from core.spec import GenerationSpec
from tests.exactness.kinds import save_adapter
from tests.models.tiny_models import ARCHITECTURES, assert_same_rows, tiny_model

STEPS = 12
GENERATION = GenerationSpec(max_new_tokens=STEPS)
PROMPT, LONGER, OTHER = (5, 6, 7, 8), (20, 21, 22, 23, 24, 25, 5, 6, 7, 8), (30, 6, 31, 8)
MIXINGS = [TokenMixing(0.2, 9), TokenMixing(0.0, 5), TokenMixing(0.1, STEPS)]


def direction(seed: int) -> torch.Tensor:
    return torch.randn(32, generator=torch.Generator().manual_seed(seed))


STEER = SteerPlan(1, 0.4 * direction(1), 1.0, on_prompt=True, on_answer=True)


def ablate(positions: str = "both", strength: float = 1.0) -> AblatePlan:
    unit = direction(2) / direction(2).norm()
    return AblatePlan(unit, strength, positions != "answer", positions != "prompt")


def arms(loaded: LoadedModel, context: tuple[int, ...]) -> list[Arm]:
    """The target, steered, ablated, and in another context."""
    edits: list[tuple[tuple[int, ...], EditPlan | None]] = [
        (PROMPT, None), (PROMPT, STEER), (PROMPT, ablate()), (context, None),
    ]  # fmt: skip
    return [Arm(loaded, (prompt,), edit) for prompt, edit in edits]


def draw(
    loaded: LoadedModel, used: list[Arm], rows: range, mixings: list[TokenMixing] = MIXINGS
) -> Rows:
    return run_rows(
        open_stream(used, STEPS),
        GENERATION,
        stop_token_ids=loaded.stop_token_ids,
        vocabulary=loaded.vocabulary,
        uniforms=row_uniforms(1, 2, rows, STEPS),
        mixings=mixings,
        component=np.array(rows) % len(used),
    )


def check_scored(used: list[Arm], rows: Rows, mixings: list[TokenMixing]) -> None:
    log_p, scored = score_answers(used[0], used[1:], rows.tokens, GENERATION)
    np.testing.assert_allclose(rows.log_p, log_p, atol=1e-4)
    for own, alone, mixing in zip(rows.log_q, scored, mixings, strict=True):
        mixed = mix_steps(log_p, alone, mixing.alpha_mix, mixing.t_switch)
        np.testing.assert_allclose(own, mixed, atol=1e-4)
        assert np.abs(log_p - alone).max() > 0.1, "the proposal must change the distribution"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_loop_equals_teacher_forcing(architecture: str) -> None:
    """Left padding (contexts of 4 and 10 tokens), cache reuse, row removal, arms dropped one by one."""
    loaded = tiny_model(architecture, stops=tuple(range(1, 9)))
    used = arms(loaded, LONGER)
    rows = draw(loaded, used, range(48))
    assert len(set(rows.lengths.tolist())) > 3, "rows must leave at different steps"
    check_scored(used, rows, MIXINGS)


@pytest.mark.parametrize("positions", ["prompt", "answer"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma3_text"])
def test_ablated_positions(architecture: str, positions: str) -> None:
    loaded = tiny_model(architecture, stops=(1, 2))
    used = [Arm(loaded, (LONGER,)), Arm(loaded, (LONGER,), ablate(positions, 0.7))]
    rows = draw(loaded, used, range(32), MIXINGS[:1])
    check_scored(used, rows, MIXINGS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_draws_do_not_depend_on_the_batch(architecture: str) -> None:
    """Same tokens and log-probabilities, bit for bit, drawn 48 at once or in batches of 5."""
    loaded = tiny_model(architecture, stops=(1, 2))
    used = arms(loaded, OTHER)
    together = draw(loaded, used, range(48))
    apart = Rows.joined(
        [draw(loaded, used, range(start, min(start + 5, 48))) for start in range(0, 48, 5)]
    )
    assert_same_rows(architecture, together, apart)


def test_blends_adapters_and_other_models_in_one_stream(tmp_path: Path) -> None:
    """Each is what it is on its own, and its rows do not depend on the batch, bit for bit."""
    loaded = tiny_model(stops=tuple(range(1, 9)))
    save_adapter(tmp_path, tiny_model().model)
    used = [
        Arm(loaded, (PROMPT,)),
        Arm(loaded, (OTHER,), blend=0.6),
        Arm(adapted(loaded, tmp_path), (PROMPT,)),
        Arm(tiny_model(seed=4, padded_vocabulary=16), (PROMPT,), blend=0.5),
    ]
    rows = draw(loaded, used, range(48))
    check_scored(used, rows, MIXINGS)
    apart = [draw(loaded, used, range(start, start + 6)) for start in range(0, 48, 6)]
    assert_same_rows("llama", rows, Rows.joined(apart))


HALVES = {
    "gpt2": ("attn", "mlp"),
    "gpt_neox": ("attention", "mlp"),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_halves_of_every_block_are_found(architecture: str) -> None:
    for block in tiny_model(architecture).blocks:
        names = {id(child): name for name, child in block.named_children()}
        found = [(site, names[id(part)]) for site, part in halves(block)]
        attention, mlp = HALVES.get(architecture, ("self_attn", "mlp"))
        assert found == [("attention", attention), ("mlp", mlp)]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "mixtral", "gpt2", "gpt_neox"])
def test_a_full_ablation_leaves_nothing_of_the_direction(architecture: str) -> None:
    """Where the halves add straight to the stream, no block's output has any of it left."""
    loaded, plan = tiny_model(architecture), ablate()
    ids = torch.tensor([LONGER])
    everywhere = torch.ones(len(LONGER), dtype=torch.bool)
    shares = []
    for edits in ((), (plan.edit(everywhere),)):
        with torch.inference_mode(), steered(*edits), recorded() as record:
            loaded.model(ids)
        shares.append([float((states @ plan.unit).abs().max()) for states in record.values()])
    assert min(shares[0]) > 0.1
    assert max(shares[1]) < 1e-4


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_an_answer_that_runs_out_of_room_is_refused(architecture: str) -> None:
    """At 128 positions: a prompt of 113 tokens leaves room for 16, for the last is never read."""
    loaded = tiny_model(architecture)
    query = "w4 " * 111
    target_arm(loaded, [query], GenerationSpec(max_new_tokens=16))
    with pytest.raises(ModelError, match=r"takes 113 tokens and an answer up to 17, .* 128 in all"):
        target_arm(loaded, [query], GenerationSpec(max_new_tokens=17))
    longer = Proposal(ContextSpec(answer_prefix="w5"), loaded, answer_prefix="w5")
    with pytest.raises(ModelError, match="takes 114 tokens"):
        longer.arm(loaded, [query], GenerationSpec(max_new_tokens=16))
