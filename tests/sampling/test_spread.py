"""A model spread by accelerate, some blocks in memory and some on disk, gives the numbers of a whole one."""

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import dispatch_model
from accelerate.hooks import AlignDevicesHook
from transformers import AutoModelForCausalLM

from core.behaviours.load import ContrastPair
from core.errors import ModelError
from core.models.loading import LoadedModel, load_model, wrap_model
from core.models.spec import LoadingSpec
from core.proposals.adapter import adapted
from core.proposals.base import Arm
from core.sampling.streams import open_stream
from core.steering.build import build_direction
from tests.exactness.kinds import save_adapter
from tests.models.tiny_models import tiny_model
from tests.sampling.test_mixed_streams import MIXINGS, PROMPT, arms, check_scored, draw

IDS = torch.tensor([[3, 4, 5, 6, 20, 21]])
LONGER = (20, 21, 22, 23, 24, 25, 5, 6, 7, 8)
PLACES = {
    "model.embed_tokens": "cpu",
    "model.layers.0": "disk",
    "model.layers.1": "cpu",
    "model.layers.2": "disk",
    "model.norm": "cpu",
    "model.rotary_emb": "cpu",
    "lm_head": "disk",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    loaded = tiny_model(stops=tuple(range(1, 9)))
    loaded.model.save_pretrained(tmp_path / "tiny")
    loaded.tokenizer.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def whole(folder: Path) -> LoadedModel:
    return load_model(str(folder))


def dispatched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    """Through accelerate's own call, after loading."""
    whole = load_model(str(folder))
    model = dispatch_model(
        whole.model, PLACES, main_device="cpu", offload_dir=str(folder / "off"), force_hooks=True
    )
    return wrap_model(model, whole.tokenizer, name="spread")


def loaded_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    """As `device="auto"` does where memory is short: straight from the weights' files."""
    real = AutoModelForCausalLM.from_pretrained

    def short_of_memory(*arguments: object, **options: object) -> object:
        assert options["device_map"] == "auto"
        return real(*arguments, **options | {"device_map": PLACES})

    with monkeypatch.context() as context:
        context.setattr(AutoModelForCausalLM, "from_pretrained", short_of_memory)
        return load_model(str(folder), LoadingSpec(device="auto"))


@pytest.fixture(params=[dispatched, loaded_so], ids=lambda way: way.__name__)
def spread(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> LoadedModel:
    way: Callable[[Path, pytest.MonkeyPatch], LoadedModel] = request.param
    loaded = way(folder, monkeypatch)
    assert loaded.blocks[0].mlp.up_proj.weight.device.type == "meta", "it waits on disk"
    return loaded


def test_it_is_the_same_model(spread: LoadedModel, whole: LoadedModel) -> None:
    with torch.inference_mode():
        assert torch.equal(spread.model(IDS).logits, whole.model(IDS).logits)
    assert spread.device == torch.device("cpu")
    assert spread.parameters == whole.parameters
    assert spread.fingerprint == whole.fingerprint
    assert spread.blocks[0].mlp.up_proj.weight.device.type == "meta", "and goes back there"


def test_several_arms_in_one_stream(spread: LoadedModel, whole: LoadedModel) -> None:
    """The target, steered, ablated, and in another context; rows leave, arms are dropped."""
    drawn = [draw(loaded, arms(loaded, LONGER), range(48)) for loaded in (spread, whole)]
    np.testing.assert_array_equal(drawn[0].tokens, drawn[1].tokens)
    np.testing.assert_allclose(drawn[0].log_p, drawn[1].log_p, rtol=0, atol=1e-5)
    np.testing.assert_allclose(drawn[0].log_q, drawn[1].log_q, rtol=0, atol=1e-5)
    check_scored(arms(spread, LONGER), drawn[0], MIXINGS)


@pytest.mark.parametrize("position", ["last_prompt", "answer_mean"])
def test_directions(position: str, spread: LoadedModel, whole: LoadedModel) -> None:
    def dialogue(*words: str) -> tuple[dict[str, str], ...]:
        roles = ("user", "assistant")
        return tuple({"role": r, "content": w} for r, w in zip(roles, words, strict=True))

    pairs = [
        ContrastPair(dialogue(f"w{n} w5 w6", "w7 w8"), dialogue(f"w{n} w5 w6", f"w9 w1{n - 4}"))
        for n in (4, 6, 8)
    ]
    if position == "last_prompt":
        pairs = [
            ContrastPair(dialogue(f"w{n} w5", "w7"), dialogue(f"w{n} w30", "w7")) for n in (4, 6, 8)
        ]
    own, other = (build_direction(loaded, pairs, position) for loaded in (spread, whole))
    np.testing.assert_allclose(own.vectors, other.vectors, rtol=0, atol=1e-5)
    assert np.abs(own.vectors).max() > 0.01


def test_an_adapter_over_one_that_is_all_in_memory(
    folder: Path, whole: LoadedModel, tmp_path: Path
) -> None:
    """With hooks that bring activations to each block, as over several devices."""
    pytest.importorskip("peft")
    save_adapter(tmp_path / "adapter", tiny_model().model)
    places = dict.fromkeys(PLACES, "cpu")
    hooked = dispatch_model(
        load_model(str(folder)).model, places, main_device="cpu", force_hooks=True
    )
    assert isinstance(hooked.model.layers[0].mlp.up_proj._hf_hook, AlignDevicesHook)
    spread = wrap_model(hooked, whole.tokenizer, name="spread")
    drawn = []
    for loaded in (spread, whole):
        other = adapted(loaded, tmp_path / "adapter")
        used = [Arm(loaded, (PROMPT,)), Arm(other, (PROMPT,), blend=0.7)]
        drawn.append(draw(loaded, used, range(32), MIXINGS[:1]))
    np.testing.assert_array_equal(drawn[0].tokens, drawn[1].tokens)
    np.testing.assert_allclose(drawn[0].log_q, drawn[1].log_q, rtol=0, atol=1e-5)
    assert np.abs(drawn[0].log_q[0] - drawn[0].log_p).max() > 0.05


def test_an_adapter_needs_a_model_that_is_all_in_memory(
    spread: LoadedModel, tmp_path: Path
) -> None:
    pytest.importorskip("peft")
    save_adapter(tmp_path / "adapter", tiny_model().model)
    with pytest.raises(ModelError, match=r"adapter proposal needs all of .* in memory"):
        adapted(spread, tmp_path / "adapter")


def test_weights_that_are_stored_in_another_shape_wait_in_a_folder_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The experts of a mixture are put together when they are loaded."""
    tiny = tiny_model("mixtral")
    tiny.model.save_pretrained(tmp_path / "tiny")
    tiny.tokenizer.save_pretrained(tmp_path / "tiny")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "waiting"))
    (tmp_path / "waiting").mkdir()
    loaded = loaded_so(tmp_path / "tiny", monkeypatch)
    assert list((tmp_path / "waiting").glob("*/*.safetensors"))
    assert loaded.fingerprint == load_model(str(tmp_path / "tiny")).fingerprint
    del loaded
    gc.collect()
    assert not list((tmp_path / "waiting").iterdir())


def test_tokens_go_where_the_first_block_is(spread: LoadedModel) -> None:
    """On a machine with GPUs the embedding runs on one, though its weights may lie elsewhere."""
    hook = spread.model.get_input_embeddings()._hf_hook
    assert isinstance(hook, AlignDevicesHook)
    hook.execution_device = "meta"
    assert spread.device == torch.device("meta")


def test_a_stream_counts_its_tokens_alike(spread: LoadedModel, whole: LoadedModel) -> None:
    counts = [open_stream(arms(one, LONGER), 4).forward_tokens for one in (spread, whole)]
    assert counts[0] == counts[1] == 3 * len(PROMPT) + len(LONGER)


def test_the_setting_reaches_transformers(
    whole: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = AutoModelForCausalLM.from_pretrained

    def listen(*arguments: object, **options: object) -> object:
        asked.append(options.get("device_map"))
        return real(*arguments, **options)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", listen)
    load_model("aster", LoadingSpec(device="auto"))
    load_model("aster")
    assert asked == ["auto", None]
