"""Loading: damaged folders are one sentence; numbers, attention and device are what was asked for."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import ModelError
from core.models.loading import LoadedModel, load_model
from core.models.preflight import preflight
from core.models.spec import LoadingSpec
from core.proposals.base import Arm
from core.sampling.loop import TokenMixing, row_uniforms, run_rows
from core.sampling.scoring import mix_steps, score_answers
from core.sampling.streams import open_stream
from core.sampling.token_distribution import target_log_probs
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model
from tests.sampling.test_mixed_streams import PROMPT, STEER, arms

IDS = torch.tensor([[3, 4, 5, 6, 20, 21]])
STEPS = 12
GENERATION = GenerationSpec(max_new_tokens=STEPS)


def logits(loaded: LoadedModel) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(IDS).logits


def log_probs(loaded: LoadedModel) -> torch.Tensor:
    return target_log_probs(logits(loaded)[0], GENERATION, loaded.vocabulary)


def refusal(name: object, loading: LoadingSpec | None = None) -> str:
    with pytest.raises(ModelError) as told:
        load_model(str(name), loading)
    text = str(told.value)
    assert "\n" not in text
    assert len(text) < 700
    return text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    loaded = tiny_model(stops=tuple(range(1, 9)))
    loaded.model.save_pretrained(tmp_path / "tiny")
    loaded.tokenizer.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


# Folders that are not whole.


def cut_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def lose_a_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    tiny_model().model.save_pretrained(folder, max_shard_size="20KB")
    sorted(folder.glob("*.safetensors"))[1].unlink()


def lose_a_weight(folder: Path) -> None:
    model = tiny_model().model
    state = dict(model.state_dict())
    state.pop("model.layers.1.mlp.up_proj.weight")
    model.save_pretrained(folder, state_dict=state)


def other_width(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"intermediate_size": 64}))


def lose(pattern: str) -> Callable[[Path], None]:
    def without(folder: Path) -> None:
        for path in folder.glob(pattern):
            path.unlink()

    return without


def nonsense_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"model": 3}')


def nonsense_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llama", "hidden_size": "wide"}')


def adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/other"}')


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "weights cut off": (cut_weights, "could not be loaded"),
    "weights empty": (empty_weights, "could not be loaded"),
    "a shard missing": (lose_a_shard, "lacks 1 of its weights' files"),
    "a weight missing": (lose_a_weight, "layers.1.mlp.up_proj.weight"),
    "weights of another width": (other_width, "could not be loaded"),
    "no weights": (lose("*.safetensors"), "holds no weights"),
    "no tokenizer": (lose("token*"), "holds no tokenizer"),
    "tokenizer is nonsense": (nonsense_tokenizer, "could not be loaded"),
    "no config": (lose("config.json"), "has no config.json"),
    "config is nonsense": (nonsense_config, "config.json"),
    "empty": (lose("*"), "has no config.json"),
    "an adapter beside it": (adapter, "PEFT adapter"),
}


# What only the weights themselves tell, which preflight does not read.
NOT_FORESEEN = {"a weight missing", "weights of another width"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_folder_that_is_not_whole_is_one_sentence(damage: str, folder: Path) -> None:
    done, words = DAMAGES[damage]
    done(folder)
    told = refusal(folder)
    assert words in told
    assert not preflight(str(folder)).ok or damage in NOT_FORESEEN
    assert repr(str(folder)) in told


@pytest.mark.parametrize("name", ["", " ", "./no/such", "/dev/null", "~nobody-here/x", "a\0b"])
def test_a_name_that_names_nothing_is_one_sentence(name: str) -> None:
    refusal(name)


# Number types.


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_number_types(dtype: str, folder: Path) -> None:
    loaded = load_model(str(folder), LoadingSpec(dtype=dtype))
    assert {p.dtype for p in loaded.model.parameters()} == {getattr(torch, dtype)}
    own = log_probs(loaded)
    assert own.dtype == torch.float32
    np.testing.assert_allclose(own.double().exp().sum(-1), 1.0, rtol=0, atol=1e-6)
    plain = load_model(str(folder))
    assert (loaded.fingerprint == plain.fingerprint) == (dtype == "float32")
    assert torch.equal(logits(loaded), logits(plain)) == (dtype == "float32")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_answers_in_short_numbers_score_as_they_were_drawn(dtype: str, folder: Path) -> None:
    loaded = load_model(str(folder), LoadingSpec(dtype=dtype))
    used = arms(loaded, PROMPT)[:3]
    mixings = [TokenMixing(0.2, 9), TokenMixing(0.0, 5)]
    rows = run_rows(
        open_stream(used, STEPS),
        GENERATION,
        stop_token_ids=loaded.stop_token_ids,
        vocabulary=loaded.vocabulary,
        uniforms=row_uniforms(1, 2, range(48), STEPS),
        mixings=mixings,
        component=np.arange(48) % 3,
    )
    assert len(set(rows.lengths.tolist())) > 3
    log_p, scored = score_answers(used[0], used[1:], rows.tokens, GENERATION)
    # One pass and step by step may round differently, 0.4 % of a logit of about 10 at the worst.
    room = 0.05 if dtype == "bfloat16" else 0.01
    np.testing.assert_allclose(rows.log_p, log_p, atol=room)
    assert abs((rows.log_p - log_p).mean()) < room / 20
    for own, alone, mixing in zip(rows.log_q, scored, mixings, strict=True):
        mixed = mix_steps(log_p, alone, mixing.alpha_mix, mixing.t_switch)
        np.testing.assert_allclose(own, mixed, atol=room)


# Attention.


def test_other_attention_gives_the_same_numbers(folder: Path) -> None:
    eager = load_model(str(folder))
    fused = load_model(str(folder), LoadingSpec(attention="sdpa"))
    assert eager.model.config._attn_implementation == "eager"
    assert fused.model.config._attn_implementation == "sdpa"
    assert fused.fingerprint == eager.fingerprint
    np.testing.assert_allclose(log_probs(fused), log_probs(eager), rtol=0, atol=1e-4)
    drawn = []
    for loaded in (eager, fused):
        used = [Arm(loaded, (PROMPT, PROMPT[1:])), Arm(loaded, (PROMPT, PROMPT[1:]), STEER)]
        rows = run_rows(
            open_stream(used, STEPS),
            GENERATION,
            stop_token_ids=loaded.stop_token_ids,
            vocabulary=loaded.vocabulary,
            uniforms=row_uniforms(1, 2, range(32), STEPS),
            mixings=[TokenMixing(0.1, 6)],
            prompts=np.arange(32) % 2,
        )
        drawn.append(rows)
    np.testing.assert_array_equal(drawn[0].tokens, drawn[1].tokens)
    np.testing.assert_allclose(drawn[0].log_q, drawn[1].log_q, rtol=0, atol=1e-4)


def test_attention_that_is_not_installed_is_one_sentence(folder: Path) -> None:
    assert "flash" in refusal(folder, LoadingSpec(attention="flash_attention_2")).lower()


# Devices.


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_not_there_is_one_sentence(device: str, folder: Path) -> None:
    assert refusal(folder, LoadingSpec(device=device)) == f"this machine has no device {device!r}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_auto_is_the_cpu_where_there_is_nothing_else(folder: Path) -> None:
    loaded = load_model(str(folder), LoadingSpec(device="auto"))
    plain = load_model(str(folder))
    assert loaded.device == torch.device("cpu")
    assert loaded.loading.device == "auto"
    assert loaded.fingerprint == plain.fingerprint
    assert torch.equal(logits(loaded), logits(plain))


# The token.


def test_the_token_is_in_no_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = "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"
    monkeypatch.setenv("HF_TOKEN", token)
    caplog.set_level(logging.DEBUG)
    loaded = load_model(str(folder))
    assert token not in repr(loaded) + repr(loaded.loading) + loaded.loading.model_dump_json()

    def repeats(*arguments: object, **options: object) -> None:
        raise OSError(f"401 for https://user:{token}@hub/api\nAuthorization: Bearer {token}")

    for place in (
        "core.models.loading.AutoModelForCausalLM.from_pretrained",
        "core.models.file_findings.AutoTokenizer.from_pretrained",
        "core.models.checks.AutoConfig.from_pretrained",
        "core.models.sources.model_info",
    ):
        with monkeypatch.context() as context:
            context.setattr(place, repeats)
            for name in (str(folder), "org/model"):
                told = json.dumps(preflight(name).to_dict()) + preflight(name).to_text()
                assert token not in told
                try:
                    load_model(name)
                except ModelError as error:
                    told = str(error)
                assert token not in told
    assert token not in caplog.text
