"""Which tokens are drawn, what ends an answer, and what a chat template does to a prompt."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from core.errors import ModelError, SpecError
from core.models.chat import prompt_ids
from core.models.loading import LoadedModel, wrap_model
from core.models.templates import rendered
from core.models.token_findings import token_findings
from core.models.tokens import drawable_tokens, stop_token_ids, unscored_tokens
from core.proposals.base import Arm, target_arm
from core.sampling.loop import row_uniforms, run_rows
from core.sampling.shards import sampling_key
from core.sampling.spec import SamplingSpec
from core.sampling.streams import open_stream
from core.spec import GenerationSpec
from tests.models.tiny_models import tiny_model

CHAT = (
    "{% for m in messages %}{{ m['role'][0] + ' ' + m['content'] + ' <stop> ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'a ' }}{% endif %}"
)


def with_words(words: dict[str, int], **more: Any) -> PreTrainedTokenizerFast:
    """A tokenizer of these words and ids; text is split at blanks."""
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="a", **({"eos_token": "<stop>"} | more)
    )


def words_up_to(count: int) -> dict[str, int]:
    return {"<pad>": 0, "<stop>": 1, "<halt>": 2, "a": 3} | {f"w{n}": n for n in range(4, count)}


def with_tokenizer(tokenizer: PreTrainedTokenizerFast, stops: list[int] | int) -> LoadedModel:
    """A tiny model of 48 logits, all of them likely, under another tokenizer."""
    model = tiny_model(scale=0.5).model
    model.generation_config.eos_token_id = stops
    return wrap_model(model, tokenizer, name="tiny")


def findings(tokenizer: PreTrainedTokenizerFast, **generation: Any) -> dict[str, Any]:
    """What is found, the graver of two of a kind."""
    model = SimpleNamespace(
        generation_config=SimpleNamespace(**({"eos_token_id": 1} | generation)),
        config=SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=48)),
    )
    source = SimpleNamespace(names=frozenset(), folder=Path())
    return {one.code: one for one in token_findings(model, tokenizer, source)}  # type: ignore[arg-type]


def test_ids_with_a_hole_and_a_stop_token_beyond_are_drawn() -> None:
    words = words_up_to(20) | {"far": 30}
    tokenizer = with_words(words)
    assert len(tokenizer) == 21
    assert drawable_tokens(tokenizer, 48) == 31
    assert drawable_tokens(tokenizer, 48, (40,)) == 41
    assert drawable_tokens(tokenizer, 25) == 25
    loaded = with_tokenizer(tokenizer, [40])
    assert (loaded.vocabulary, loaded.stop_token_ids) == (41, (40,))


def test_answers_end_at_a_stop_token_beyond_the_tokenizer_with_transformers_probability() -> None:
    loaded = with_tokenizer(with_words(words_up_to(20)), [47])
    prompt = prompt_ids(loaded, "w5 w6")
    count = range(2_000)
    rows = run_rows(
        open_stream([Arm(loaded, (prompt,))], 3),
        GenerationSpec(max_new_tokens=3),
        stop_token_ids=loaded.stop_token_ids,
        vocabulary=loaded.vocabulary,
        uniforms=row_uniforms(1, 2, count, 3),
    )
    with torch.no_grad():
        logits = loaded.model(torch.tensor([prompt])).logits[0, -1].double()
    plain = torch.log_softmax(logits, 0).numpy()
    first = rows.tokens[:, 0]
    np.testing.assert_allclose(rows.log_p[:, 0], plain[first], atol=1e-4)
    ended = first == 47
    assert ended.any()
    assert (rows.lengths[ended] == 1).all()
    chance = float(np.exp(plain[47]))
    assert abs(ended.mean() - chance) < 4 * (chance / 2_000) ** 0.5


def test_a_stop_token_that_is_none_is_no_stop_token() -> None:
    none = SimpleNamespace(eos_token_id=-1)
    assert stop_token_ids(none, with_words(words_up_to(20))) == ()
    found = findings(with_words(words_up_to(20), eos_token=None), eos_token_id=-1)["stop_tokens"]
    assert found.level == "warning"
    assert "eos_token_id is -1" in found.message


def test_an_end_of_turn_that_ends_nothing_is_told() -> None:
    tokenizer = with_words(words_up_to(20), chat_template=CHAT)
    found = findings(tokenizer, eos_token_id=2)["stop_tokens"]
    assert found.level == "warning"
    assert "'<stop>'" in found.message
    assert findings(tokenizer, eos_token_id=[1, 2])["stop_tokens"].level == "ok"
    other = CHAT.replace("<stop>", "<halt>")
    halted = with_words(words_up_to(20), chat_template=other, additional_special_tokens=["<halt>"])
    assert "'<halt>'" in findings(halted, eos_token_id=1)["stop_tokens"].message


def test_an_added_token_without_a_logit_is_a_note_and_refused_in_a_prompt() -> None:
    tokenizer = with_words(words_up_to(48))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    assert unscored_tokens(tokenizer, 48) == ("<image>",)
    assert findings(tokenizer)["vocabulary"].level == "note"
    loaded = with_tokenizer(tokenizer, [1])
    assert loaded.vocabulary == 48
    prompt_ids(loaded, "w5")
    with pytest.raises(ModelError, match="holds '<image>', a token that tiny does not know"):
        prompt_ids(loaded, "w5 <image>")
    assert findings(with_words(words_up_to(50)))["vocabulary"].level == "refused"


def test_a_stop_token_after_every_text_is_taken_off_the_prompt() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = with_words(words_up_to(20))
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A <stop>", special_tokens=[("<stop>", 1)]
    )
    assert tokenizer("w5")["input_ids"][-1] == 1
    assert prompt_ids(with_tokenizer(tokenizer, [1]), "w5")[-1] != 1
    assert findings(tokenizer)["prompt"].level == "note"


def test_a_template_that_refuses_a_system_prompt_is_one_sentence() -> None:
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        + CHAT
    )
    tokenizer = with_words(words_up_to(20), chat_template=refusing)
    loaded = with_tokenizer(tokenizer, [1])
    assert prompt_ids(loaded, "w5")
    with pytest.raises(
        ModelError, match=r"system prompt \(no system\); leave the system prompt out"
    ):
        prompt_ids(loaded, "w5", "w6")
    assert findings(tokenizer)["system_prompt"].level == "note"
    assert "system_prompt" not in findings(with_words(words_up_to(20), chat_template=CHAT))


DATED = "{% set now = strftime_now %}{{ now('w%d ') }}" + CHAT


def test_a_date_is_pinned_told_and_set_by_the_generation_settings() -> None:
    tokenizer = with_words(words_up_to(40), chat_template=DATED)
    message = [{"role": "user", "content": "w9"}]
    assert rendered(tokenizer, message).startswith("w01 ")
    assert rendered(tokenizer, message, date(2026, 11, 28)).startswith("w28 ")
    assert "2025-01-01" in findings(tokenizer)["template_date"].message
    # However it is called: a format that is made up in the template, behind a test that it is there.
    tokenizer.chat_template = (
        "{% if strftime_now is defined %}{% set day = 'w%' ~ 'd ' %}{{ strftime_now(day) }}{% endif %}"
        + CHAT
    )
    assert rendered(tokenizer, message, date(2026, 11, 17)).startswith("w17 ")
    assert "template_date" not in findings(with_words(words_up_to(40), chat_template=CHAT))


def test_every_format_of_a_date_is_written_and_a_dated_template_keeps_its_blanks() -> None:
    written = "%d %B %Y|%-d.%-m.%y|%A %a %b|%F %T|%H:%M:%S %p|%j|%%d %%|no date"
    for start in ("", " ", "\n", "  {% if true %}\n x{% endif %}", "{# a #}"):
        tokenizer = with_words(words_up_to(40))
        tokenizer.chat_template = start + "|{{ strftime_now('" + written + "') }}"
        asked = [{"role": "user", "content": "w5"}]
        found = rendered(tokenizer, asked, date(2024, 2, 9))
        blanks = with_words(words_up_to(40), chat_template=start + "|")
        expected = blanks.apply_chat_template(asked, tokenize=False)
        assert found == expected + datetime(2024, 2, 9).strftime(written)


def test_prompts_of_two_dates_have_two_keys_and_one_date_the_same_on_every_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = with_tokenizer(with_words(words_up_to(40), chat_template=DATED), [1])

    def asked(**fields: str) -> tuple[tuple[int, ...], str]:
        generation = GenerationSpec.build(**fields)
        (prompt,) = target_arm(loaded, ["w9"], generation).prompts
        spec = SamplingSpec(model_fingerprint=loaded.fingerprint, query="w9", generation=generation)
        return prompt, sampling_key(spec)

    (usual, usual_key), (other, other_key) = asked(), asked(template_date="2026-11-28")
    # There is no word w01: it is spelled 'a', number 3.
    assert (usual[0], other[0]) == (3, 28)
    assert usual_key != other_key
    assert asked(template_date="2025-01-01") == (usual, usual_key)
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr("transformers.utils.chat_template_utils.datetime", None)
        assert asked() == (usual, usual_key)
    # Draws from before the date was pinned are of prompts that nobody knows: they are left alone.
    undated = with_tokenizer(with_words(words_up_to(40), chat_template=CHAT), [1])
    assert undated.fingerprint != loaded.fingerprint
    with pytest.raises(SpecError, match="must be a date like 2025-01-31, got 'tomorrow'"):
        asked(template_date="tomorrow")


def test_a_template_that_leaves_the_prompt_to_chance_is_refused() -> None:
    chance = "{{ ['w5 ', 'w6 '] | random }}" + CHAT
    loaded = with_tokenizer(with_words(words_up_to(20), chat_template=chance), [1])
    with pytest.raises(ModelError, match="by chance"):
        prompt_ids(loaded, "w7")


def test_the_models_own_sampling_settings_are_told() -> None:
    tokenizer = with_words(words_up_to(20))
    found = findings(
        tokenizer, temperature=0.6, top_k=20, top_p=0.95, repetition_penalty=1.3, num_beams=4
    )
    one = found["sampling_settings"]
    assert one.level == "note"
    assert (
        "temperature 0.6, top_k 20, top_p 0.95, repetition_penalty 1.3, num_beams 4" in one.message
    )
    assert one.what_to_do == (
        "--own-settings, or a button on the Model page, takes over temperature, top_k, top_p, "
        "repetition_penalty. num_beams cannot be had."
    )
    harmless = {
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "num_beams": 1,
    }
    assert "sampling_settings" not in findings(tokenizer, **harmless)


def test_a_prompt_that_ends_in_thoughts_is_told() -> None:
    template = CHAT.replace("'a '", "'a <think> '")
    tokenizer = with_words(words_up_to(20), chat_template=template)
    assert findings(tokenizer)["thoughts"].level == "warning"
