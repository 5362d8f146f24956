"""LoRA adapters: the target stays what it is, bit for bit, and an adapter that does not fit is named."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from core.errors import ModelError, SpecError
from core.models.hooks import recorded
from core.models.loading import LoadedModel, load_model
from core.proposals import AdapterSpec, Proposal, ProposalContext, prepare
from tests.exactness.kinds import save_adapter
from tests.models.tiny_models import COMMON, tiny_model

IDS = torch.tensor([[3, 4, 5, 6, 20, 21]])


def logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(IDS).logits


def no_direction(position: object) -> None:
    raise AssertionError("an adapter needs no direction")


def ready(loaded: LoadedModel, folder: Path) -> Proposal:
    return prepare(loaded, AdapterSpec(path=str(folder)), ProposalContext(no_direction, load_model))


def test_the_target_stays_itself_and_lends_its_weights(tmp_path: Path) -> None:
    loaded = tiny_model()
    save_adapter(tmp_path, tiny_model().model)
    before = logits(loaded)
    weights = {name: p.clone() for name, p in loaded.model.named_parameters()}
    adapted = ready(loaded, tmp_path).loaded
    assert not torch.allclose(logits(adapted), before, atol=0.1)
    assert torch.equal(logits(loaded), before)
    for name, parameter in loaded.model.named_parameters():
        assert torch.equal(parameter, weights[name])
    lent = {id(parameter) for parameter in loaded.model.parameters()}
    own = [name for name, p in adapted.model.named_parameters() if id(p) not in lent]
    assert own
    assert all("lora_" in name for name in own)
    assert ready(loaded, tmp_path).loaded is adapted, "adapted once, then looked up"
    assert not any("lora" in name for name, _ in loaded.model.named_modules())


def test_the_adapted_copy_can_be_recorded(tmp_path: Path) -> None:
    loaded = tiny_model()
    save_adapter(tmp_path, tiny_model().model)
    with recorded() as record:
        logits(ready(loaded, tmp_path).loaded)
    assert sorted(record) == [0, 1, 2]


def test_target_and_adapted_copy_run_in_two_threads(tmp_path: Path) -> None:
    loaded = tiny_model()
    save_adapter(tmp_path, tiny_model().model)
    both = [loaded, ready(loaded, tmp_path).loaded]
    alone = [logits(one) for one in both]
    wrong: list[int] = []
    start = threading.Barrier(2)

    def work(number: int) -> None:
        start.wait()
        for _ in range(100):
            if not torch.equal(logits(both[number]), alone[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def of_another_size(**changes: int) -> torch.nn.Module:
    """A bare Llama beside the usual tiny one."""
    config = AutoConfig.for_model("llama", **COMMON | {"vocab_size": 48, **changes})
    return AutoModelForCausalLM.from_config(config)


def of_another_architecture(folder: Path) -> None:
    save_adapter(folder, tiny_model("gpt2").model, target_modules=["c_attn"])


def of_other_shapes(folder: Path) -> None:
    save_adapter(folder, of_another_size(intermediate_size=64))


def of_more_layers(folder: Path) -> None:
    save_adapter(folder, of_another_size(num_hidden_layers=4))


def of_fewer_layers(folder: Path) -> None:
    save_adapter(folder, of_another_size(num_hidden_layers=2))


def with_biases(folder: Path) -> None:
    save_adapter(folder, tiny_model("qwen2").model, bias="all")


def that_rewrites_weights(folder: Path) -> None:
    save_adapter(folder, tiny_model().model, init_lora_weights="pissa")


def without_weights(folder: Path) -> None:
    save_adapter(folder, tiny_model().model)
    (folder / "adapter_model.safetensors").unlink()


def with_pickled_weights(folder: Path) -> None:
    without_weights(folder)
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04.")


def cut_short(folder: Path) -> None:
    save_adapter(folder, tiny_model().model)
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])


def without_sense(folder: Path) -> None:
    save_adapter(folder, tiny_model().model)
    (folder / "adapter_config.json").write_text("[1")


def a_list(folder: Path) -> None:
    save_adapter(folder, tiny_model().model)
    (folder / "adapter_config.json").write_text("[1]")


def of_another_kind(folder: Path) -> None:
    save_adapter(folder, tiny_model().model)
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4})
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "without adapter_config.json"),
        (without_weights, "without adapter_model.safetensors"),
        (with_pickled_weights, "pickle"),
        (cut_short, "does not fit"),
        (without_sense, "no adapter configuration"),
        (a_list, "no adapter configuration"),
        (of_another_architecture, "does not fit"),
        (of_other_shapes, "does not fit"),
        (of_more_layers, "does not fit"),
        (of_fewer_layers, "does not fit"),
        (with_biases, "bias 'all'"),
        (that_rewrites_weights, "init_lora_weights 'pissa'"),
        (of_another_kind, "peft_type 'PROMPT_TUNING'"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_does_not_fit_is_one_sentence(
    make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    make(tmp_path)
    loaded = tiny_model()
    before = logits(loaded)
    with pytest.raises(SpecError, match=words) as error:
        ready(loaded, tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
    assert torch.equal(logits(loaded), before)


def test_without_peft_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_adapter(tmp_path, tiny_model().model)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match=r"requirements-adapter\.txt"):
        ready(tiny_model(), tmp_path)
