"""GGUF files: loaded like any model folder, to the same probabilities; what cannot be read is named."""

from pathlib import Path

import pytest
import torch

from core.errors import ModelError
from core.models.chat import prompt_ids
from core.models.gguf_header import gguf_in, read_header
from core.models.loading import LoadedModel, load_model
from core.models.preflight import preflight
from core.models.spec import LoadingSpec
from core.models.tokens import stop_token_ids
from tests.models import tiny_models
from tests.models.gguf_files import VOCABULARY, write_gguf
from tests.models.tiny_models import COMMON, tiny_model

ARCHITECTURES = ("llama", "qwen2", "qwen3", "phi3", "gemma2")
FLOAT = LoadingSpec(dtype="float32")


def tiny(architecture: str = "llama") -> LoadedModel:
    return tiny_model(architecture, vocabulary=VOCABULARY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "tiny.gguf", tiny())


def refusal(name: str) -> str:
    """Returns how preflight refuses a model, which loading must refuse too."""
    found = preflight(name)
    assert not found.ok
    with pytest.raises(ModelError):
        load_model(name)
    return found.refused[0].message


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_are_those_of_the_same_weights_as_safetensors(
    architecture: str, tmp_path: Path
) -> None:
    one = tiny(architecture)
    if architecture == "qwen2":
        # Biases begin at 0, which would hide one that is lost.
        for name, tensor in one.model.state_dict().items():
            if name.endswith("bias"):
                tensor.normal_()
    if architecture == "gemma2":
        one.model.lm_head.weight = one.model.get_input_embeddings().weight
    path = write_gguf(tmp_path / "tiny.gguf", one)
    found = preflight(str(path))
    assert found.ok, found.to_text()
    read = load_model(str(path))
    ids = torch.tensor([[5, 9, 40, 7, 101, 12, 3, 200, 77, 31]])
    with torch.no_grad():
        expected, got = one.model(ids).logits, read.model(ids).logits
    assert read.model.dtype == torch.float32
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
    assert found.weights_bytes == 4 * read.parameters


def test_quantised_weights_become_plain_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.models.number_format.short_numbers_are_fast", lambda: True)
    one = tiny()
    path = write_gguf(tmp_path / "tiny.gguf", one, quantised=True)
    found = preflight(str(path))
    assert found.ok, found.to_text()
    told = next(finding for finding in found.findings if finding.code == "quantised")
    assert told.level == "note"
    assert "Q8_0" in told.message
    read = load_model(str(path))
    # Two bytes a number, by which preflight tells the memory it needs.
    assert read.model.dtype == torch.bfloat16
    assert found.weights_bytes == 2 * read.parameters
    assert preflight(str(path), loading=FLOAT).weights_bytes == 4 * read.parameters
    exact = load_model(str(path), FLOAT).model.state_dict()
    for name, tensor in one.model.state_dict().items():
        # Q8_0: 127 steps to the largest of 32 numbers.
        assert (exact[name] - tensor).abs().max() <= tensor.abs().max() / 127
    assert exact.keys() == read.model.state_dict().keys()


def test_the_fingerprint_is_of_the_weights(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one = load_model(str(write_gguf(tmp_path / "a" / "x.gguf", tiny())))
    again = load_model(str(tmp_path / "a"))
    assert again.fingerprint == one.fingerprint
    other = tiny_model(vocabulary=VOCABULARY, seed=1)
    assert load_model(str(write_gguf(tmp_path / "b.gguf", other))).fingerprint != one.fingerprint


def test_every_end_of_a_turn_ends_an_answer(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", tiny(), fields={"tokenizer.ggml.eot_token_id": 2})
    loaded = load_model(str(path))
    assert loaded.stop_token_ids == (1, 2)
    assert stop_token_ids(loaded.model.generation_config, loaded.tokenizer) == (1, 2)


def test_its_template_and_tokens_make_the_prompt(path: Path) -> None:
    loaded = load_model(str(path))
    ids = prompt_ids(loaded, "b a")
    assert loaded.tokenizer.convert_ids_to_tokens(list(ids)) == ["b", "Ġ", "a", "<stop>", "<halt>"]


@pytest.mark.parametrize(
    ("pre", "tokens"),
    [("smollm", ["ĊĊ", "2"]), ("gpt-2", ["Ċ", "Ċ", "2"])],
)
def test_text_is_cut_as_the_vocabulary_was_learned(
    pre: str, tokens: list[str], tmp_path: Path
) -> None:
    loaded = load_model(str(write_gguf(tmp_path / "tiny.gguf", tiny(), pre=pre)))
    ids = loaded.tokenizer("\n\n2")["input_ids"]
    assert loaded.tokenizer.convert_ids_to_tokens(ids) == tokens


def test_a_cut_that_is_not_known_is_a_warning(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", tiny(), pre="viking")
    found = preflight(str(path))
    told = next(finding for finding in found.findings if finding.code == "tokenizer_cut")
    assert (told.level, "'viking'" in told.message) == ("warning", True)


def test_several_files_in_a_folder_are_named(path: Path) -> None:
    other = path.with_name("other.gguf")
    other.write_bytes(path.read_bytes())
    message = refusal(str(path.parent))
    assert "other.gguf, tiny.gguf" in message
    assert gguf_in(other) == other


def test_a_part_of_a_split_model_is_refused(path: Path) -> None:
    part = path.rename(path.with_name("tiny-00001-of-00003.gguf"))
    assert "one of 3 parts" in refusal(str(part))
    part.with_name("tiny-00002-of-00003.gguf").write_bytes(part.read_bytes())
    assert "one of 3 parts" in refusal(str(part.parent))


def test_a_file_that_was_cut_off_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    assert "cut off" in refusal(str(path))
    path.write_bytes(whole[:300])
    assert "damaged" in refusal(str(path))
    path.write_bytes(b"not at all")
    assert "damaged or no GGUF file" in refusal(str(path))


def test_an_architecture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    fields = {"general.architecture": "rwkv7"}
    path = tmp_path / "tiny.gguf"
    content = write_gguf(path, tiny()).read_bytes()
    path.write_bytes(content.replace(b"llama", b"rwkv7"))
    message = refusal(str(path))
    assert fields["general.architecture"] in message
    assert "qwen2" in message


def test_what_reading_would_leave_out_is_refused(tmp_path: Path) -> None:
    more = {"blk.0.attn_sinks.weight": torch.ones(4)}
    path = write_gguf(tmp_path / "a.gguf", tiny(), tensors=more)
    assert "blk.0.attn_sinks.weight" in refusal(str(path))
    stretched = {"rope_freqs.weight": torch.tensor([1.0, 2.0, 3.0, 7.0])}
    path = write_gguf(tmp_path / "c.gguf", tiny(), tensors=stretched)
    assert "in another way than Llama 3.1" in refusal(str(path))
    path = write_gguf(tmp_path / "d.gguf", tiny("qwen2"), tensors=stretched)
    assert "rope_freqs.weight" in refusal(str(path))
    path = write_gguf(tmp_path / "b.gguf", tiny(), fields={"llama.rope.scaling.type": "yarn"})
    assert "yarn" in refusal(str(path))


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_positions_are_stretched_as_llama_3_1_does(
    factor: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretched = {
        "rope_type": "llama3",
        "rope_theta": 500_000.0,
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    fields = COMMON | {"rope_parameters": stretched, "max_position_embeddings": 131_072}
    monkeypatch.setitem(tiny_models.ARCHITECTURES, "llama", fields)
    one = tiny()
    plain = 500_000.0 ** (-torch.arange(0, 8, 2) / 8)
    factors = plain / one.model.model.rotary_emb.inv_freq
    # As it is, half-stretched and whole: all three kinds are there.
    assert factors[0] == 1
    assert 1 < factors[2] < factor
    assert factors[3] == pytest.approx(factor)
    path = write_gguf(tmp_path / "a.gguf", one, tensors={"rope_freqs.weight": factors})
    read = load_model(str(path))
    ids = torch.arange(200)[None] % VOCABULARY
    with torch.no_grad():
        expected, got = one.model(ids).logits, read.model(ids).logits
        left_out = load_model(str(write_gguf(tmp_path / "b.gguf", one))).model(ids).logits
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    assert (left_out - expected).abs().max() > 0.01


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf", tiny(), leave_out="blk.1.ffn_up.weight")
    assert "blk.1.ffn_up.weight" in refusal(str(path))


def test_the_header_tells_types_and_numbers(path: Path) -> None:
    header = read_header(path)
    assert (header.architecture, header.kind, header.quantised) == ("llama", "F32", False)
    assert header.parameters == tiny().parameters
