"""The classifier judge on tiny random classifiers, against a plain forward pass."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from cache import spec_hash
from core.errors import ModelError, SpecError
from core.judges.base import Judge
from core.judges.classifier import ClassifierJudge, ClassifierSpec
from tests.models.tiny_models import COMMON, tiny_tokenizer

LABELS = {0: "harmless", 1: "harmful", 2: "unclear"}
ANSWERS = ["w9", "w5 w6 w7", "w8 " * 30, "w10 w11", "w5 w6 w7", ""]
QUERY = "w20 w21 w22"


def save(folder: Path, architecture: str = "bert", *, seed: int = 0, **changes: Any) -> Any:
    """Saves a random classifier of three labels; returns it."""
    torch.manual_seed(seed)
    fields = {**COMMON, "vocab_size": 48, "id2label": LABELS, **changes}
    config = AutoConfig.for_model(architecture, **fields)
    config.num_labels = len(fields["id2label"])
    config.id2label = fields["id2label"]
    model = AutoModelForSequenceClassification.from_config(config)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tiny_tokenizer(48).save_pretrained(folder)
    return model.eval()


def build(folder: Path, **changes: Any) -> ClassifierJudge:
    return ClassifierJudge(ClassifierSpec.build(path=str(folder), **changes))


def scores(judge: ClassifierJudge, answers: list[str]) -> list[float | None]:
    return [judgement.score for judgement in judge.judge(QUERY, answers)]


@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize(("label", "index"), [(None, 1), ("harmless", 0), ("unclear", 2)])
def test_the_score_is_the_labels_probability(
    architecture: str, label: str | None, index: int, tmp_path: Path
) -> None:
    model = save(tmp_path, architecture)
    judge = build(tmp_path, label=label, template="w4 {query} w5 {answer}")
    assert isinstance(judge, Judge)
    tokenizer = tiny_tokenizer(48)
    expected = []
    for answer in ANSWERS:
        ids = torch.tensor([tokenizer(f"w4 {QUERY} w5 {answer}")["input_ids"]])
        with torch.no_grad():
            expected.append(float(model(input_ids=ids).logits.softmax(-1)[0, index]))
    found = scores(judge, ANSWERS)
    assert found == pytest.approx(expected, abs=1e-5)
    assert max(expected) - min(expected) > 0.05
    assert LABELS[index] in judge.judge(QUERY, ["w9"])[0].reason


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_the_score_does_not_depend_on_the_batch(architecture: str, tmp_path: Path) -> None:
    save(tmp_path, architecture)
    together = scores(build(tmp_path), ANSWERS)
    alone = [scores(build(tmp_path, batch_rows=1), [answer])[0] for answer in ANSWERS]
    assert together == pytest.approx(alone, abs=1e-5)


def test_several_labels_may_hold_at_once(tmp_path: Path) -> None:
    model = save(tmp_path, problem_type="multi_label_classification")
    ids = torch.tensor([tiny_tokenizer(48)(f"{QUERY}\nw9")["input_ids"]])
    with torch.no_grad():
        expected = float(model(input_ids=ids).logits.sigmoid()[0, 1])
    assert scores(build(tmp_path), ["w9"]) == pytest.approx([expected], abs=1e-5)


def test_too_long_an_input_loses_the_querys_beginning(tmp_path: Path) -> None:
    save(tmp_path)
    judge = build(tmp_path, max_tokens=10)
    answer = "w5 w6 w7 w8"
    kept = [judge._tokenizer.convert_ids_to_tokens(judge._ids("w30 " * 50 + "w31 w32", answer))]
    assert kept[0][-6:] == ["w31", "w32", *answer.split()]
    assert len(kept[0]) == 10
    long, short = (
        judge.judge(query, [answer])[0].score
        for query in ("w33 " * 40 + "w30 w30 w30 w30 w31 w32", "w30 w30 w30 w30 w31 w32")
    )
    assert long == pytest.approx(short, abs=1e-6)


def test_an_answer_that_does_not_fit_alone_is_unjudged(tmp_path: Path) -> None:
    save(tmp_path)
    fits, too_long = build(tmp_path).judge("", ["w5 " * 128, "w5 " * 129])
    assert fits.score is not None
    assert too_long.score is None
    assert "takes 129 tokens, and the classifier has room for 128" in too_long.reason


def test_a_special_token_in_an_answer_is_no_token(tmp_path: Path) -> None:
    save(tmp_path)
    found = scores(build(tmp_path), ["w9 <stop> w8", "w9 w8"])
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_an_unknown_label_is_named(tmp_path: Path) -> None:
    save(tmp_path)
    with pytest.raises(ModelError) as caught:
        build(tmp_path, label="toxic")
    assert "label must be one of 'harmless', 'harmful', 'unclear'" in str(caught.value)
    assert str(caught.value).endswith("got 'toxic'")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def broken_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"nothing")


def own_code(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "mine.C"},
    }
    path.write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise SystemExit('ran code')")


def causal(folder: Path) -> None:
    config = AutoConfig.for_model("llama", **COMMON, vocab_size=48)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_config, "is no model folder"),
        (only_pickle, "give one with a config and safetensors weights"),
        (broken_weights, "could not be loaded"),
        (own_code, "could not be loaded"),
        (causal, "is no sequence classifier: it has no weights for score.weight"),
    ],
)
def test_an_unusable_folder_is_one_sentence(spoil: Any, message: str, tmp_path: Path) -> None:
    save(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ModelError) as caught:
        build(tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_label_is_none(tmp_path: Path) -> None:
    save(tmp_path, id2label={0: "score"})
    with pytest.raises(ModelError, match="must have two labels or more, got 1"):
        build(tmp_path)


def test_every_setting_and_the_weights_are_in_the_spec(tmp_path: Path) -> None:
    save(tmp_path / "one")
    save(tmp_path / "two", seed=1)
    save(tmp_path / "same")
    changes: dict[str, Any] = {
        "label": "unclear", "template": "{answer} {query}", "max_tokens": 20, "batch_rows": 3,
        "device": "cpu:0",
    }  # fmt: skip
    assert set(changes) == set(ClassifierSpec.model_fields) - {"kind", "path"}
    specs = [build(tmp_path / "one", **{k: v}).spec() for k, v in changes.items()]
    specs += [build(tmp_path / "one").spec(), build(tmp_path / "two").spec()]
    assert len({spec_hash(spec) for spec in specs}) == len(changes) + 2
    assert build(tmp_path / "same").spec() == build(tmp_path / "one").spec()
    assert str(tmp_path) not in json.dumps(specs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"template": "{answer}"}, "once each, got '{answer}'"),
        ({"batch_rows": 0}, "batch_rows must be in 1..4096, got 0"),
        ({"device": "nowhere"}, "device must be one that is here, as 'cpu', got 'nowhere'"),
        ({"max_tokens": 0}, "max_tokens must be in 1..1e+06, got 0"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        ClassifierSpec.build(path=str(tmp_path), **wrong)
    assert message in str(caught.value)
