"""Preflight: what can be told about a model before it is loaded, for models good and bad."""

import json
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

from core.cli.app import main
from core.errors import ModelError, SpecError
from core.models import devices, sources
from core.models.checks import check_folder
from core.models.findings import Preflight, in_bytes
from core.models.loading import EMBEDDED_MODELS, load_model
from core.models.memory import ARMS, MemoryNeed, empty_model, memory_need
from core.models.preflight import preflight
from core.models.spec import LoadingSpec
from tests.models.tiny_models import ARCHITECTURES, tiny_model

TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}"


def levels(found: Preflight) -> dict[str, str]:
    assert len({finding.code for finding in found.findings}) == len(found.findings)
    for finding in found.findings:
        assert finding.message.endswith("."), finding
        assert "\n" not in finding.message
        assert finding.what_to_do or finding.level in ("ok", "note"), finding
    return {finding.code: finding.level for finding in found.findings}


def message(found: Preflight, code: str) -> str:
    return next(finding.message for finding in found.findings if finding.code == code)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "tiny")


def saved(path: Path, architecture: str = "llama", **options: Any) -> Path:
    loaded = tiny_model(architecture, **options)
    loaded.tokenizer.chat_template = TEMPLATE
    loaded.model.save_pretrained(path)
    loaded.tokenizer.save_pretrained(path)
    return path


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", ["aster", "briar", str(EMBEDDED_MODELS / "aster")])
def test_the_embedded_models_are_fine(name: str) -> None:
    found = preflight(name)
    assert set(levels(found).values()) == {"ok"}
    assert set(levels(found)) == {
        "source", "config", "weights", "tokenizer", "chat_template", "architecture", "context",
        "stop_tokens", "vocabulary", "memory",
    }  # fmt: skip
    assert found.ok
    loaded = load_model(name)
    assert found.weights_bytes == 4 * loaded.parameters
    assert found.largest_batch is not None
    assert found.largest_batch > 250
    for stop in loaded.stop_token_ids:
        assert repr(loaded.tokenizer.decode([stop])) in message(found, "stop_tokens")


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_every_architecture_that_can_be_used_is_let_through(
    architecture: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / architecture, architecture)
    found = preflight(str(path))
    assert set(levels(found).values()) == {"ok"}
    loaded = load_model(str(path))
    assert found.weights_bytes == 4 * loaded.parameters


def test_no_chat_template_is_a_note(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    found = preflight(str(folder))
    assert found.ok
    assert levels(found)["chat_template"] == "note"


def test_a_broken_chat_template_is_refused(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{% for m in messages %}")
    assert levels(preflight(str(folder)))["chat_template"] == "refused"


def test_no_tokenizer_is_refused(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    found = preflight(str(folder))
    assert levels(found)["tokenizer"] == "refused"
    assert found.weights_bytes is not None


def test_pickled_missing_and_damaged_weights_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert levels(preflight(str(folder)))["weights"] == "refused"
    weights.unlink()
    found = preflight(str(folder))
    assert "no weights" in message(found, "weights")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    found = preflight(str(folder))
    assert "pytorch_model.bin" in message(found, "weights")
    assert [finding.code for finding in found.refused] == ["weights"]


def test_sharded_weights_tell_their_size_and_must_be_complete(folder: Path) -> None:
    model = tiny_model().model
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 1
    found = preflight(str(folder))
    assert found.ok
    index = folder / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    assert found.weights_bytes == content["metadata"]["total_size"]
    content["metadata"]["total_size"] = 12_345_678
    index.write_text(json.dumps(content))
    assert preflight(str(folder)).weights_bytes == 12_345_678
    by_parameters = preflight(str(folder), loading=LoadingSpec(dtype="bfloat16")).weights_bytes
    assert by_parameters == 2 * sum(parameter.numel() for parameter in model.parameters())
    shards[1].unlink()
    found = preflight(str(folder))
    assert levels(found)["weights"] == "refused"
    assert shards[1].name in message(found, "weights")
    with pytest.raises(ModelError, match=shards[1].name):
        load_model(str(folder))
    for damaged in ("[]", "{}", "{", '{"weight_map": 3}'):
        index.write_text(damaged)
        assert levels(preflight(str(folder)))["weights"] == "refused"


@pytest.mark.parametrize("config", ["", "{", "[]", "3", '{"model_type": 3}', "{}"])
def test_a_damaged_config_is_refused(config: str, folder: Path) -> None:
    (folder / "config.json").write_text(config)
    found = preflight(str(folder))
    assert levels(found)["config"] == "refused"
    assert levels(found)["weights"] == "ok"
    with pytest.raises(ModelError):
        load_model(str(folder))


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": -4}, {"hidden_size": "wide"}, {"num_attention_heads": 0}, {"vocab_size": None},
        {"num_hidden_layers": 10**9}, {"num_hidden_layers": None}, {"rope_parameters": 3},
        {"dtype": "float3"}, {"head_dim": "a"},
    ],
    ids=str,
)  # fmt: skip
def test_nonsense_in_a_config_is_never_an_error(changes: dict[str, Any], folder: Path) -> None:
    change_config(folder, **changes)
    found = preflight(str(folder))
    levels(found)
    assert not found.ok
    with pytest.raises(ModelError):
        load_model(str(folder))


def test_a_model_deeper_than_any_is_not_even_begun(folder: Path) -> None:
    change_config(folder, num_hidden_layers=10**9)
    with pytest.raises(ModelError, match="1,000,000,000 layers"):
        check_folder(folder)


def test_models_that_are_not_causal_are_refused(folder: Path) -> None:
    for kind, word in (("t5", "encoder-decoder"), ("bart", "encoder-decoder"), ("vit", "'vit'")):
        AutoConfig.for_model(kind).save_pretrained(folder)
        found = preflight(str(folder))
        assert levels(found)["config"] == "refused"
        assert word in message(found, "config")
        with pytest.raises(ModelError, match=word):
            load_model(str(folder))


def test_a_cache_that_cannot_be_taken_apart_is_refused(folder: Path) -> None:
    AutoConfig.for_model("qwen3_next", num_hidden_layers=4, hidden_size=32).save_pretrained(folder)
    found = preflight(str(folder))
    assert levels(found)["architecture"] == "refused"
    assert "LinearAttention" in message(found, "architecture")


def test_code_of_its_own_is_refused_or_not_run(folder: Path) -> None:
    mine = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "evil.py").write_text("raise SystemExit('this was run')\n")
    change_config(folder, auto_map=mine)
    assert levels(preflight(str(folder)))["remote_code"] == "note"
    change_config(folder, model_type="evil", auto_map=mine)
    found = preflight(str(folder))
    assert levels(found)["remote_code"] == "refused"
    assert "runs only where the operator's configuration allows it" in message(found, "remote_code")


def test_weights_of_another_task_are_a_warning(folder: Path) -> None:
    change_config(folder, architectures=["LlamaForSequenceClassification"])
    found = preflight(str(folder))
    assert found.ok
    assert levels(found)["architecture"] == "warning"
    assert "LlamaForSequenceClassification" in message(found, "architecture")


def test_quantised_weights_are_a_warning(folder: Path) -> None:
    change_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    found = preflight(str(folder))
    assert levels(found)["quantised"] == "warning"
    assert "gptq" in message(found, "quantised")


def test_stop_tokens_are_those_that_sampling_uses(folder: Path) -> None:
    generation = folder / "generation_config.json"
    generation.write_text('{"eos_token_id": [1, 2]}')
    found = preflight(str(folder))
    assert message(found, "stop_tokens") == "Answers end at '<stop>', '<halt>'."
    assert load_model(str(folder)).stop_token_ids == (1, 2)
    generation.write_text("{")
    assert levels(preflight(str(folder)))["stop_tokens"] == "warning"
    generation.unlink()
    assert load_model(str(folder)).stop_token_ids == (1,)
    assert message(preflight(str(folder)), "stop_tokens") == "Answers end at '<stop>'."
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer.pop("eos_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    change_config(folder, eos_token_id=None)
    found = preflight(str(folder))
    assert found.ok
    assert levels(found)["stop_tokens"] == "warning"
    assert load_model(str(folder)).stop_token_ids == ()


def test_vocabulary_against_tokenizer(tmp_path: Path) -> None:
    found = preflight(str(saved(tmp_path / "padded", padded_vocabulary=16)))
    assert found.ok
    assert message(found, "vocabulary").startswith("16 of 64 logits")
    path = saved(tmp_path / "small", vocabulary=40)
    tiny_model(vocabulary=48).tokenizer.save_pretrained(path)
    found = preflight(str(path))
    assert levels(found)["vocabulary"] == "refused"
    assert "8 tokens, the first of them 'w40'" in message(found, "vocabulary")
    assert "40" in message(found, "vocabulary")


def test_an_answer_needs_room(folder: Path) -> None:
    assert levels(preflight(str(folder), new_tokens=127))["context"] == "ok"
    assert levels(preflight(str(folder), new_tokens=128))["context"] == "refused"


def test_memory_is_counted_as_by_hand() -> None:
    config = LlamaConfig(
        vocab_size=100, hidden_size=64, intermediate_size=128, num_hidden_layers=3,
        num_attention_heads=8, num_key_value_heads=2, tie_word_embeddings=True,
    )  # fmt: skip
    model = empty_model(config)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    need = memory_need(model, torch.bfloat16, tokens=50)
    attention = 64 * 64 * 2 + 64 * 16 * 2
    assert need.weights == 2 * (100 * 64 + 3 * (attention + 3 * 64 * 128 + 2 * 64) + 64)
    assert ARMS == 3  # the target and two proposals
    assert need.cache_row == 3 * 2 * 3 * 2 * 8 * 50 * 2
    assert need.logits_row == 6 * 100 * 4
    need = MemoryNeed(weights=1000, cache_row=8, logits_row=2)
    assert need.total(250) == 1000 + 256 * 10
    assert [need.largest_batch(size) for size in (900, 1159, 1160, 1479, 3560)] == [
        0,
        0,
        16,
        32,
        256,
    ]
    assert need.total(256) == 3560


@pytest.mark.parametrize(
    ("free", "level", "largest"),
    [(1.3, "ok", None), (1.2, "warning", None), (0.999, "refused", 240), (0.01, "refused", 0)],
)
def test_memory_that_is_tight_or_too_small(
    free: float, level: str, largest: int | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = preflight(str(folder))
    total = sum(found.to_dict()[f"{part}_bytes"] for part in ("weights", "cache", "logits"))
    monkeypatch.setattr(devices, "_available", lambda: int(free * total))
    monkeypatch.setattr(devices, "_container_limit", lambda: None)
    found = preflight(str(folder))
    assert levels(found)["memory"] == level
    assert found.memory_bytes == int(free * total)
    if largest is not None:
        assert found.largest_batch == largest
        advice = found.refused[0].what_to_do
        assert ("at most 240 at once" in advice) == (largest == 240)
        if largest:
            assert preflight(str(folder), batch_rows=largest).ok
            assert not preflight(str(folder), batch_rows=largest + 1).ok


def test_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    free = devices.free_memory("cpu")
    assert free is not None
    assert 1e8 < free < 1e14
    monkeypatch.setattr(devices, "_container_limit", lambda: 123)
    assert devices.free_memory("cpu") == 123
    monkeypatch.setattr(devices, "_container_limit", lambda: None)
    monkeypatch.setattr(devices, "_available", lambda: None)
    assert devices.free_memory("cpu") is None
    assert levels(preflight("aster"))["memory"] == "note"


def test_a_huge_model_is_refused_without_allocating_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = LlamaConfig(
        vocab_size=128_256, hidden_size=8192, intermediate_size=28_672, num_hidden_layers=80,
        num_attention_heads=64, num_key_value_heads=8, max_position_embeddings=131_072,
        dtype="bfloat16",
    )  # fmt: skip
    config.save_pretrained(folder)
    monkeypatch.setattr(devices, "_available", lambda: 64 * 10**9)
    monkeypatch.setattr("core.models.number_format.short_numbers_are_fast", lambda: True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = preflight(str(folder))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB
    assert found.weights_bytes == 2 * 70_553_706_496
    assert levels(found)["memory"] == "refused"
    assert found.largest_batch == 0
    assert "141 GB" in message(found, "memory")


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    if device in devices.devices_here() or (device == "cuda" and torch.cuda.is_available()):
        pytest.skip("there is one")
    found = preflight("aster", loading=LoadingSpec(device=device))
    assert [finding.code for finding in found.refused] == ["device"]
    assert repr(device) in message(found, "device")


def test_auto_does_on_every_machine() -> None:
    found = preflight("aster", loading=LoadingSpec(device="auto"))
    assert found.ok
    assert "on auto" in message(found, "memory")


def test_memory_of_all_devices_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_container_limit", lambda: None)
    monkeypatch.setattr(devices, "_available", lambda: 1_000)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (10 ** (4 + place.index), 0))
    assert devices.devices_here()[:3] == ("cpu", "cuda:0", "cuda:1")
    assert devices.free_memory("auto") == 1_000 + 10_000 + 100_000
    monkeypatch.setattr(devices, "_available", lambda: None)
    assert devices.free_memory("auto") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("dtype", dtype) for dtype in ("float3", "int8", "nn", "")]
    + [("device", device) for device in ("tpu", "", "cpu:3", "cuda:", "CUDA", "cuda:1\n", "disk")]
    + [("attention", "fast")]
    + [("revision", revision) for revision in ("../x", "a/../b", "", "-x", "a b")],
)  # fmt: skip
def test_a_setting_of_loading_that_does_not_exist_is_refused(
    field: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SpecError) as told:
        LoadingSpec.build(**{field: value})
    assert field in str(told.value)
    assert repr(value) in str(told.value)
    code, out, err = run(capsys, f"--{field}={value}", "--json")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert repr(value) in err


@pytest.mark.parametrize("name", ["", "  ", "\n"])
def test_only_a_blank_name_is_an_error(name: str) -> None:
    with pytest.raises(ModelError, match="blank"):
        preflight(name)


@pytest.mark.parametrize("name", ["/dev/null", "./no/such", "~/no/such", "a b", "x/y/z", "a\0b"])
def test_names_that_name_nothing(name: str) -> None:
    found = preflight(name)
    assert levels(found) == {"not_found": "refused"}


# The Hub, which is not to be had in tests.


def answer() -> SimpleNamespace:
    return SimpleNamespace(status_code=401, headers={}, request=None, url="", text="")


def hub(monkeypatch: pytest.MonkeyPatch, folder: Path | None = None, **errors: Exception) -> list:
    """Stands in for the Hub: a repository whose small files are in `folder`, or these errors."""
    asked: list[dict[str, Any]] = []

    def model_info(name: str, **options: Any) -> SimpleNamespace:
        asked.append(options)
        if "info" in errors:
            raise errors["info"]
        assert folder is not None
        files = [SimpleNamespace(rfilename=p.name, size=p.stat().st_size) for p in folder.iterdir()]
        files.append(SimpleNamespace(rfilename="original/consolidated.pth", size=10))
        return SimpleNamespace(siblings=files, sha="c0ffee")

    def snapshot_download(name: str, **options: Any) -> str:
        asked.append(options)
        local = options.get("local_files_only", False)
        error = errors.get("local" if local else "download")
        if error is not None:
            raise error
        assert folder is not None
        if local:
            return str(folder)
        small = folder.parent / "c0ffee"  # the client calls the folder as the commit
        small.mkdir(exist_ok=True)
        for pattern in options["allow_patterns"]:
            for path in folder.glob(pattern):
                shutil.copy(path, small)
        return str(small)

    monkeypatch.setattr(sources, "model_info", model_info)
    monkeypatch.setattr(sources, "snapshot_download", snapshot_download)
    return asked


def test_a_repository_is_looked_at_without_its_weights(folder: Path, monkeypatch) -> None:
    asked = hub(monkeypatch, folder)
    found = preflight("some/model", loading=LoadingSpec(revision="v2"))
    assert set(levels(found).values()) == {"ok"}
    size = in_bytes((folder / "model.safetensors").stat().st_size)
    assert f"{size} of weights" in message(found, "source")
    assert not list((folder.parent / "c0ffee").glob("*.safetensors"))
    assert [asking["revision"] for asking in asked] == ["v2", "v2"]
    assert asked[0]["timeout"] <= 10
    assert asked[1]["etag_timeout"] <= 10


def test_a_repository_with_pickled_weights_only(folder: Path, monkeypatch) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hub(monkeypatch, folder)
    assert [finding.code for finding in preflight("some/model").refused] == ["weights"]


MISSING = LocalEntryNotFoundError("nothing fetched before")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ({"info": RepositoryNotFoundError("401", response=answer())}, "not_found"),
        ({"info": RevisionNotFoundError("404", response=answer())}, "revision"),
        ({"info": GatedRepoError("403", response=answer())}, "gated"),
        ({"download": GatedRepoError("403", response=answer())}, "gated"),
        ({"info": OfflineModeIsEnabled("offline"), "local": MISSING}, "offline"),
        ({"info": TimeoutError(), "local": MISSING}, "offline"),
        ({"download": RuntimeError("half-way"), "local": MISSING}, "offline"),
    ],
    ids=str,
)
def test_repositories_that_cannot_be_had(errors, code: str, folder: Path, monkeypatch) -> None:
    hub(monkeypatch, folder, **errors)
    found = preflight("some/model")
    assert levels(found) == {code: "refused"}


def test_what_was_fetched_before_does_offline(folder: Path, monkeypatch) -> None:
    hub(monkeypatch, folder, info=OfflineModeIsEnabled("offline"))
    found = preflight("some/model")
    assert found.ok
    assert levels(found)["source"] == "note"


# The command line.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["preflight", *arguments])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def test_command_says_what_it_found(capsys) -> None:
    code, out, err = run(
        capsys, "--model", "aster", "--batch", "100", "--dtype", "bfloat16", "--json"
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["ok"] is True
    assert set(found) == {
        "ok", "model", "findings", "weights_bytes", "cache_bytes", "logits_bytes", "memory_bytes",
        "largest_batch",
    }  # fmt: skip
    assert set(found["findings"][0]) == {"code", "level", "message", "what_to_do"}
    assert found["weights_bytes"] == 2 * load_model("aster").parameters
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert out.count("\n") == 10
    assert out.startswith("ok       source: 'aster'")


def test_command_refuses_with_the_findings_and_one_line(capsys, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    for arguments in ((), ("--json",)):
        code, out, err = run(capsys, "--model", str(folder), *arguments)
        assert code == 2
        assert err.count("\n") == 1
        assert err.startswith("tailscope: ")
        assert "holds no weights" in err
        assert "weights" in out
    assert json.loads(out)["ok"] is False


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--model", " "), "' '"),
        (("--batch", "0"), "got 0"),
        (("--max-new-tokens", "0"), "max_new_tokens"),
        (("--colour", "red"), "--colour"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], named: str, capsys) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert named in err


def test_what_is_let_through_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The config's type without its weights' names says nothing about their shapes; loading does."""
    monkeypatch.setattr("core.models.number_format.short_numbers_are_fast", lambda: True)
    model = AutoModelForCausalLM.from_config(LlamaConfig(**ARCHITECTURES["llama"], vocab_size=48))
    path = tmp_path / "half"
    model.to(torch.bfloat16).save_pretrained(path)
    tiny_model().tokenizer.save_pretrained(path)
    found = preflight(str(path))
    assert found.ok
    loaded = load_model(str(path))
    assert loaded.model.dtype == torch.bfloat16
    assert found.weights_bytes == 2 * loaded.parameters
