"""Pickled weights and a model's own code: refused, unless the operator's configuration names the model."""

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers.dynamic_module_utils as dynamic_modules

from core.errors import ModelError
from core.models.findings import Finding, Preflight
from core.models.loading import LoadedModel, load_model
from core.models.preflight import preflight
from tests.models.own_architecture import RAN, save_own_architecture
from tests.models.tiny_models import tiny_model
from tests.sampling.test_mixed_streams import MIXINGS, arms, check_scored, draw

IDS = torch.tensor([[3, 4, 5, 6, 20, 21]])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's folder; code that models bring is copied to a folder of the test's own."""
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(dynamic_modules, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv(RAN, raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def allow(home: Path, **names: object) -> None:
    lines = [f"{field} = {json.dumps([str(name)])}" for field, name in names.items()]
    (home / "config.toml").write_text("\n".join(lines))


def finding(found: Preflight, code: str) -> Finding:
    return next(one for one in found.findings if one.code == code)


def logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(IDS).logits


def refusal(name: object) -> str:
    """Returns why a model is not loaded, which must be one sentence of a sensible length."""
    with pytest.raises(ModelError) as told:
        load_model(str(name))
    text = str(told.value)
    assert "\n" not in text
    assert len(text) < 700
    return text


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    loaded = tiny_model()
    loaded.model.save_pretrained(tmp_path / "safe")
    loaded.tokenizer.save_pretrained(tmp_path / "safe")
    return tmp_path / "safe"


@pytest.fixture
def pickled(safe: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(safe, tmp_path / "pickled"))
    (folder / "model.safetensors").unlink()
    torch.save(tiny_model().model.state_dict(), folder / "pytorch_model.bin")
    return folder


def test_pickled_weights_are_read_where_the_operator_says_so(
    home: Path, safe: Path, pickled: Path
) -> None:
    assert "pytorch_model.bin" in refusal(pickled)
    assert finding(preflight(str(pickled)), "weights").level == "refused"
    allow(home, allow_pickle=safe)
    assert "pytorch_model.bin" in refusal(pickled)
    allow(home, allow_remote_code=pickled)
    assert "pytorch_model.bin" in refusal(pickled)

    allow(home, allow_pickle=pickled)
    found = preflight(str(pickled))
    assert found.ok
    assert finding(found, "weights").level == "warning"
    assert "operator's configuration allows" in finding(found, "weights").message
    loaded = load_model(str(pickled))
    assert torch.equal(logits(loaded), logits(load_model(str(safe))))
    assert loaded.fingerprint == load_model(str(safe)).fingerprint


def test_safetensors_go_first_also_where_pickles_are_allowed(home: Path, safe: Path) -> None:
    (safe / "pytorch_model.bin").write_bytes(b"no weights at all")
    allow(home, allow_pickle="*")
    assert finding(preflight(str(safe)), "weights").level == "ok"
    assert torch.equal(logits(load_model(str(safe))), logits(tiny_model()))


def test_a_safetensors_file_of_another_name_lets_no_pickle_in(
    home: Path, safe: Path, pickled: Path
) -> None:
    shutil.copy(safe / "model.safetensors", pickled / "other.safetensors")
    assert repr(str(pickled)) in refusal(pickled)
    allow(home, allow_pickle=pickled)
    assert torch.equal(logits(load_model(str(pickled))), logits(tiny_model()))


class Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"echo run > {self.path}",)


@pytest.mark.parametrize("form", ["zip", "legacy", "bare", "cut", "empty", "words"])
def test_a_pickle_that_would_run_something_runs_nothing(
    form: str, home: Path, pickled: Path, tmp_path: Path
) -> None:
    trace, weights = tmp_path / "trace", pickled / "pytorch_model.bin"
    state = {**tiny_model().model.state_dict(), "more": Runs(trace)}
    if form in ("zip", "legacy"):
        torch.save(state, weights, _use_new_zipfile_serialization=form == "zip")
    else:
        whole = weights.read_bytes()
        content = {"bare": pickle.dumps(Runs(trace), protocol=2), "cut": whole[:2000], "empty": b""}
        weights.write_bytes(content.get(form, b"these are no weights"))
    allow(home, allow_pickle=pickled)
    assert repr(str(pickled)) in refusal(pickled)
    assert not trace.exists()


def test_a_config_cannot_point_at_a_pickle(home: Path, safe: Path) -> None:
    change = {"transformers_weights": "adapter_model.bin"}
    torch.save(tiny_model(seed=1).model.state_dict(), safe / "adapter_model.bin")
    config = safe / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    assert "adapter_model.bin" in refusal(safe)
    assert "adapter_model.bin" in preflight(str(safe)).refused[0].message


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = save_own_architecture(tmp_path / "own")
    os.environ.pop(RAN)
    return folder


def test_code_runs_where_the_operator_says_so(home: Path, own: Path, safe: Path) -> None:
    for named in (None, safe, "own", "own/modeling_own.py"):
        if named is not None:
            allow(home, allow_remote_code=named, allow_pickle="*")
        assert "operator's configuration" in refusal(own)
        found = preflight(str(own))
        assert [one.code for one in found.refused] == ["remote_code"]
        assert "operator's configuration" in found.refused[0].message
        assert RAN not in os.environ

    allow(home, allow_remote_code=own)
    found = preflight(str(own))
    assert found.ok
    assert finding(found, "remote_code").level == "warning"
    assert "which runs" in finding(found, "remote_code").message
    loaded = load_model(str(own))
    assert os.environ[RAN] == "yes"
    assert loaded.architecture == "OwnForCausalLM"
    assert found.weights_bytes == 4 * loaded.parameters


def test_an_architecture_of_its_own_is_steered_like_any(home: Path, own: Path) -> None:
    allow(home, allow_remote_code=own)
    loaded = load_model(str(own))
    assert [type(block).__name__ for block in loaded.blocks] == ["LlamaDecoderLayer"] * 3
    used = arms(loaded, (20, 21, 22, 23, 24, 25, 5, 6, 7, 8))
    rows = draw(loaded, used, range(32))
    check_scored(used, rows, MIXINGS)
    assert np.isfinite(rows.log_q).all()


def test_code_of_a_known_architecture_is_left_alone_unless_allowed(home: Path, safe: Path) -> None:
    (safe / "own.py").write_text(f"import os\nos.environ[{RAN!r}] = 'yes'\n")
    config = safe / "config.json"
    classes = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    config.write_text(json.dumps(json.loads(config.read_text()) | {"auto_map": classes}))
    assert finding(preflight(str(safe)), "remote_code").level == "note"
    assert load_model(str(safe)).architecture == "LlamaForCausalLM"
    assert RAN not in os.environ
    allow(home, allow_remote_code=safe)
    assert repr(str(safe)) in refusal(safe)  # there is no such class in its code
    assert not preflight(str(safe)).ok


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_from_elsewhere_needs_a_permission_of_its_own(
    file: str, home: Path, own: Path
) -> None:
    path = own / file
    content = json.loads(path.read_text())
    tokenizer = file.startswith("tokenizer")
    part = (
        {"AutoTokenizer": ["else/where--m.T", None]}
        if tokenizer
        else {"AutoModel": "else/where--m.M"}
    )
    path.write_text(json.dumps(content | {"auto_map": content.get("auto_map", {}) | part}))
    allow(home, allow_remote_code=own)
    assert "'else/where'" in refusal(own)
    assert "'else/where'" in preflight(str(own)).refused[0].message
    assert RAN not in os.environ
