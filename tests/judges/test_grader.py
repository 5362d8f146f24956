"""The grader judge on tiny random models: expected grades by hand, and when there is none."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from cache import spec_hash
from core.errors import ModelError, SpecError
from core.judges.base import Judge
from core.judges.grader import DIGITS, GraderJudge, GraderSpec, digit_ids, grade
from core.models.loading import LoadedModel, load_model, wrap_model
from tests.exactness.kinds import save_adapter
from tests.models.tiny_models import ARCHITECTURES, tiny_model, tiny_tokenizer

ANSWERS = ["w9", "w15 w16 w17", "w18 " * 30, "w10 w11", "w12 w13", "w15 w16 w17", ""]
QUERY = "w20 w21"
TEMPLATE = "w30 {query} w31 {answer} w32"
CHAT = "{% for m in messages %}w40 {{ m['content'] }} w41{% endfor %} w42"


def words(*digits: str) -> PreTrainedTokenizerFast:
    """Returns the tiny tokenizer with digits in the places of w4, w5, ..."""
    listed = ["<pad>", "<stop>", "<halt>", "a", *digits]
    listed += [f"w{i}" for i in range(len(listed), 48)]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(listed)}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<stop>", unk_token="a"
    )


def grader(architecture: str = "llama", *, seed: int = 0) -> LoadedModel:
    """Returns a random model whose tokens 4 to 8 are the digits."""
    return wrap_model(tiny_model(architecture, seed=seed).model, words(*DIGITS), name="tiny")


def spec(**changes: Any) -> GraderSpec:
    return GraderSpec.build(**{"model": "tiny", "template": TEMPLATE, "min_mass": 0.0, **changes})


def by_hand(loaded: LoadedModel, text: str) -> tuple[float, float]:
    """Returns score and mass from a plain forward pass."""
    ids = torch.tensor([loaded.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        logits = loaded.model(input_ids=ids).logits[0, -1].double()
    p = [math.exp(float(x)) for x in logits]
    digits = [x / sum(p) for x in p][4:9]
    mass = sum(digits)
    return (
        0 * digits[0] + digits[1] + 2 * digits[2] + 3 * digits[3] + 4 * digits[4]
    ) / 4 / mass, mass


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2", "gpt_neox"])
def test_the_score_is_the_expected_grade(architecture: str) -> None:
    loaded = grader(architecture)
    judge = GraderJudge(spec(), loaded)
    assert isinstance(judge, Judge)
    expected = [by_hand(loaded, f"w30 {QUERY} w31 {answer} w32")[0] for answer in ANSWERS]
    found = [judgement.score for judgement in judge.judge(QUERY, ANSWERS)]
    assert found == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 0.05
    alone = GraderJudge(spec(batch_rows=1), loaded).judge(QUERY, ANSWERS)
    assert found == pytest.approx([judgement.score for judgement in alone], abs=1e-5)


def test_the_chat_template_is_used_if_there_is_one_and_it_is_wanted() -> None:
    loaded = grader()
    loaded.tokenizer.chat_template = CHAT
    plain = f"w30 {QUERY} w31 w9 w32"
    for chat, text in ((True, f"w40 {plain} w41 w42"), (False, plain)):
        (judgement,) = GraderJudge(spec(chat=chat), loaded).judge(QUERY, ["w9"])
        assert judgement.score == pytest.approx(by_hand(loaded, text)[0], abs=1e-5)


@pytest.mark.parametrize(
    ("probabilities", "score"),
    [
        ([1, 0, 0, 0, 0], 0.0),
        ([0, 0, 0, 0, 1], 1.0),
        ([0, 0.6, 0, 0, 0], 0.25),
        ([0.1, 0.2, 0.3, 0.0, 0.2], 0.5),
        ([0.1, 0.1, 0.1, 0.1, 0.1], 0.5),
        ([0.1, 0.1, 0.1, 0.1, 0.09], None),
        ([0, 0, 0, 0, 0], None),
        ([float("nan")] * 5, None),
    ],
)
def test_a_grade_by_hand(probabilities: list[float], score: float | None) -> None:
    judgement = grade(probabilities, 0.5)
    assert judgement.score == (None if score is None else pytest.approx(score, abs=1e-12))


def test_too_little_on_the_digits_is_unjudged() -> None:
    loaded = grader()
    mass = by_hand(loaded, f"w30 {QUERY} w31 w9 w32")[1]
    below, above = (
        GraderJudge(spec(min_mass=mass + step), loaded).judge(QUERY, ["w9"])[0]
        for step in (1e-3, -1e-3)
    )
    assert above.score is not None
    assert below.score is None
    assert f"hold {mass:.3g} of the grader's next token, less than {mass + 1e-3:g}" in below.reason


@pytest.mark.parametrize("chat_template", [None, CHAT])
def test_what_does_not_fit_is_unjudged(chat_template: str | None) -> None:
    loaded = grader()
    loaded.tokenizer.chat_template = chat_template
    fits, too_long = GraderJudge(spec(), loaded).judge(QUERY, ["w9", "w9 " * 200])
    assert fits.score is not None
    assert too_long.score is None
    assert "room for 128" in too_long.reason


def test_a_special_token_in_an_answer_is_no_token() -> None:
    with_stop, without = GraderJudge(spec(), grader()).judge(QUERY, ["w9 <stop> w10", "w9 w10"])
    assert with_stop.score == pytest.approx(without.score, abs=1e-6)


def test_a_missing_digit_is_one_error() -> None:
    loaded = wrap_model(tiny_model().model, words("1", "2", "4"), name="tiny")
    with pytest.raises(ModelError) as caught:
        GraderJudge(spec(), loaded)
    assert str(caught.value).endswith("its tokenizer has none for 3, 5")
    with pytest.raises(ModelError, match="none for 1, 2, 3, 4, 5"):
        digit_ids(wrap_model(tiny_model().model, tiny_tokenizer(48), name="tiny"))


def test_a_digit_of_several_tokens_is_one_error() -> None:
    # As of a tokenizer that begins every word with a token of its own.
    vocabulary = {w: i for i, w in enumerate(["<pad>", "<stop>", "a", "▁", *DIGITS])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<stop>", unk_token="a")
    loaded = wrap_model(tiny_model().model, wrapped, name="tiny")
    with pytest.raises(ModelError, match="each digit from 1 to 5 as one token"):
        GraderJudge(spec(), loaded)


def save(folder: Path, seed: int = 0) -> str:
    loaded = grader(seed=seed)
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_saved_grader_with_an_adapter(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    assert "llama" in ARCHITECTURES
    base = save(tmp_path / "base")
    added = save_adapter(tmp_path / "adapter", grader().model)
    plain = GraderJudge(spec(model=base))
    judge = GraderJudge(spec(model=base, adapter=str(tmp_path / "adapter")))
    changed = load_model(base)
    parameters = dict(changed.model.named_parameters())
    for name, matrix in added.items():
        parameters[name].data += matrix
    expected = by_hand(changed, f"w30 {QUERY} w31 w9 w32")[0]
    assert judge.judge(QUERY, ["w9"])[0].score == pytest.approx(expected, abs=1e-5)
    assert plain.judge(QUERY, ["w9"])[0].score != pytest.approx(expected, abs=1e-3)
    assert judge.spec() != plain.spec()
    save_adapter(tmp_path / "other", grader().model, r=2)
    other = GraderJudge(spec(model=base, adapter=str(tmp_path / "other")))
    assert len({spec_hash(found.spec()) for found in (plain, judge, other)}) == 3


def test_an_adapter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no model folder"):
        GraderJudge(spec(adapter=str(tmp_path / "none")), grader())


def test_every_setting_and_the_weights_are_in_the_spec() -> None:
    changes: dict[str, Any] = {
        "template": "{answer} {query}", "chat": False, "min_mass": 0.4, "batch_rows": 3,
        "device": "cpu:0",
    }  # fmt: skip
    assert set(changes) == set(GraderSpec.model_fields) - {"kind", "model", "adapter"}
    loaded = grader()
    specs = [GraderJudge(spec(**{k: v}), loaded).spec() for k, v in changes.items()]
    specs += [GraderJudge(spec(), loaded).spec(), GraderJudge(spec(), grader(seed=1)).spec()]
    assert len({spec_hash(found) for found in specs}) == len(changes) + 2
    assert json.loads(json.dumps(specs)) == specs


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"template": "{query}"}, "once each, got '{query}'"),
        ({"min_mass": 1.5}, "min_mass must be in 0..1, got 1.5"),
        ({"batch_rows": 0}, "batch_rows must be in 1..4096, got 0"),
        ({"device": "nowhere"}, "got 'nowhere'"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec(**wrong)
    assert message in str(caught.value)
