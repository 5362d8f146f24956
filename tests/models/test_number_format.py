"""The number type of a model when none is asked for: as stored, but float32 on a CPU slow at 16 bits."""

from pathlib import Path

import pytest
import torch

from core.models.loading import load_model
from core.models.number_format import computed_dtype
from core.models.preflight import preflight
from core.models.spec import LoadingSpec
from tests.models.tiny_models import tiny_model

SWITCH = "core.models.number_format.short_numbers_are_fast"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose weights are stored in bfloat16."""
    path = tmp_path_factory.mktemp("short") / "model"
    loaded = tiny_model("llama")
    loaded.model.to(torch.bfloat16).save_pretrained(path)
    loaded.tokenizer.save_pretrained(path)
    return path


@pytest.mark.parametrize("fast", [True, False])
def test_type_of_weights_stored_in_16_bits(
    fast: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded and told alike; the draws' key is that of the type asked for by name."""
    monkeypatch.setattr(SWITCH, lambda: fast)
    name = "bfloat16" if fast else "float32"
    loaded = load_model(str(folder))
    asked = load_model(str(folder), LoadingSpec(dtype=name))
    assert loaded.model.dtype == asked.model.dtype == getattr(torch, name)
    assert loaded.fingerprint == asked.fingerprint
    found = preflight(str(folder))
    assert found.ok, found.to_text()
    assert found.weights_bytes == (2 if fast else 4) * loaded.parameters


def test_float32_holds_every_weight_exactly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SWITCH, lambda: False)
    wide = load_model(str(folder)).model.state_dict()
    short = load_model(str(folder), LoadingSpec(dtype="bfloat16")).model.state_dict()
    assert wide.keys() == short.keys()
    for name, tensor in wide.items():
        assert torch.equal(tensor.to(torch.bfloat16), short[name]), name


@pytest.mark.parametrize(
    ("stored", "loading", "expected"),
    [
        (torch.bfloat16, LoadingSpec(), "float32"),
        (torch.float16, LoadingSpec(), "float32"),
        ("bfloat16", LoadingSpec(), "float32"),
        (torch.float32, LoadingSpec(), "auto"),
        (None, LoadingSpec(), "auto"),
        (torch.bfloat16, LoadingSpec(dtype="bfloat16"), "bfloat16"),
        (torch.bfloat16, LoadingSpec(device="cuda"), "auto"),
    ],
)
def test_only_16_bits_on_a_cpu_without_a_request_are_widened(
    stored: object, loading: LoadingSpec, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SWITCH, lambda: False)
    assert computed_dtype(stored, loading) == expected
