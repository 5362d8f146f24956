"""The sampling settings in a model's own files: read, told, taken over, or said to be out of reach."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import GenerationConfig

import core
from core.cli.app import main
from core.errors import ModelError, SpecError
from core.models.asked_with import asked_with, written_date
from core.models.own_settings import own_settings, read_own_settings, with_own_settings
from core.models.spec import LoadingSpec
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model

OWN = {
    "temperature": 0.6, "top_k": 20, "top_p": 0.95, "repetition_penalty": 1.3, "suppress_tokens": [10, 11],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "model", **OWN, num_beams=3)


def saved(path: Path, **settings: Any) -> Path:
    """A tiny model's folder, with these settings in its generation config."""
    loaded = tiny_model()
    loaded.model.save_pretrained(path)
    loaded.tokenizer.save_pretrained(path)
    (path / "generation_config.json").write_text(json.dumps({"eos_token_id": 1} | settings))
    return path


def estimated(capsys: pytest.CaptureFixture[str], model: Path, *more: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main(
            ["estimate", "--query", "w5 w6", "--method", "mc", "--samples", "40", "--max-new-tokens", "6",
             "--json", f"--model={model}", *more]
        )  # fmt: skip
    told = capsys.readouterr()
    assert not ended.value.code, told.err
    found: dict[str, Any] = json.loads(told.out)
    return found


def test_what_can_be_taken_over_and_what_cannot() -> None:
    config = GenerationConfig(
        temperature=0.6,
        top_k=0,
        top_p=1.0,
        min_p=0.05,
        no_repeat_ngram_size=3,
        num_beams=4,
        typical_p=0.9,
    )
    own = own_settings(config)
    assert own.taken_over == {"temperature": 0.6, "min_p": 0.05, "no_repeat_ngram_size": 3}
    assert own.lost == {"num_beams": 4, "typical_p": 0.9}
    assert own.unused(GenerationSpec(temperature=0.6, min_p=0.05)) == {
        "no_repeat_ngram_size": 3, "num_beams": 4, "typical_p": 0.9,
    }  # fmt: skip
    # A temperature of 0 is no distribution to sample from.
    assert own_settings(GenerationConfig(temperature=0.0)).lost == {"temperature": 0.0}
    for plain in (
        None,
        GenerationConfig(),
        GenerationConfig(temperature=1.0, top_p=1.0, num_beams=1),
    ):
        assert own_settings(plain).unused(GenerationSpec()) == {}


def test_options_go_before_the_models_own(folder: Path) -> None:
    assert read_own_settings(str(folder)).lost == {"num_beams": 3}
    found = with_own_settings({str(folder): LoadingSpec()}, {"temperature": 1.0, "top_p": 0.5})
    assert found == GenerationSpec(
        temperature=1.0, top_k=20, top_p=0.5, repetition_penalty=1.3, suppress_tokens=(10, 11)
    )


def test_models_of_different_settings_are_told_apart(folder: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", **OWN | {"temperature": 0.7})
    models = {str(folder): LoadingSpec(), str(other): LoadingSpec()}
    with pytest.raises(SpecError, match=r"temperature 0\.6, .* temperature 0\.7, "):
        with_own_settings(models, {})
    (other / "generation_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"generation_config\.json of .* cannot be read"):
        with_own_settings(models, {})
    with pytest.raises(ModelError, match="neither a folder nor a Hugging Face id"):
        read_own_settings(str(tmp_path / "nowhere"))


def test_an_estimate_tells_what_is_not_in_use_and_takes_over_on_request(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    plain = estimated(capsys, folder)
    assert plain["own_settings_unused"] == OWN | {"num_beams": 3}
    (notice,) = plain["notices"]
    assert "repetition_penalty 1.3, suppress_tokens [10, 11], num_beams 3" in notice
    assert notice.endswith("num_beams cannot be had.")
    taken = estimated(capsys, folder, "--own-settings")
    assert taken["own_settings_unused"] == {"num_beams": 3}
    assert {name: taken["generation"][name] for name in OWN} == OWN
    assert plain["generation"]["temperature"] == 1.0
    # A token of a repeated or suppressed kind has another probability: these are other draws.
    assert taken["forward_tokens"] != plain["forward_tokens"]
    given = estimated(capsys, folder, "--repetition-penalty=1.3", "--suppress-tokens=10,11", "--top-k=20",
                      "--top-p=0.95", "--temperature=0.6")  # fmt: skip
    assert given["forward_tokens"] == taken["forward_tokens"]
    assert given["generation"] == taken["generation"]


def test_the_python_api_takes_them_over_too(folder: Path) -> None:
    generation = {"own_settings": True, "max_new_tokens": 5}
    found = core.estimate("w5", model=str(folder), method="mc", samples=20, generation=generation)
    assert found.report.request.generation.repetition_penalty == 1.3
    assert found.report.own_settings_unused == {"num_beams": 3}


def test_a_date_in_the_prompt_is_part_of_the_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = saved(tmp_path / "dated")
    template = "{{ strftime_now('w%d ') }}{{ messages[0]['content'] }} <stop> a "
    (path / "chat_template.jinja").write_text(template)
    usual = estimated(capsys, path)
    assert usual["template_date"] == "2025-01-01"
    assert "writes a date into the prompt: 2025-01-01" in usual["notices"][0]
    other = estimated(capsys, path, "--template-date=2026-11-28")
    assert other["template_date"] == other["generation"]["template_date"] == "2026-11-28"
    assert estimated(capsys, saved(tmp_path / "undated"))["template_date"] is None
    loaded = tiny_model()
    assert (written_date(loaded, GenerationSpec()), asked_with(loaded, GenerationSpec())) == (
        None,
        (),
    )
