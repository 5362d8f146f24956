"""Behaviours as files: shipped ones, the user's own, and files that are none."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.behaviours.exchange import self_contained
from core.behaviours.load import (
    BEHAVIOURS,
    REAL_BEHAVIOURS,
    behaviour_names,
    delete_behaviour,
    load_behaviour,
    load_contrast_pairs,
    load_queries,
    save_behaviour,
)
from core.behaviours.spec import BehaviourSpec, PairSpec, parse_behaviour
from core.errors import BehaviourError
from core.judges import behaviour_judge, load_rule_judge
from core.models.loading import load_model
from core.runs.prepare import behaviour_direction

RULES = {
    "kind": "rules",
    "behaviour": "salt",
    "default": {"required": ["salt", "sea"], "forbidden": ["never"]},
}
SIDE = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
PAIR = {"query": "what is the moon made of", "safe": "of stone .", "unsafe": "of salt ."}


def content(**changes: Any) -> dict[str, Any]:
    return {
        "name": "salt",
        "queries": ["is the moon salt ?", "is the sea salt ?"],
        "contrast": [PAIR],
        "judge": RULES,
        **changes,
    }


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_shipped_behaviours_are_whole(name: str) -> None:
    found = load_behaviour(name)
    assert found.shipped
    assert found.name == name
    assert found.spec.description
    assert len(found.pairs) == 64
    assert behaviour_judge(name).spec() == load_rule_judge(name).spec()


def test_a_saved_behaviour_is_one_of_them() -> None:
    save_behaviour(BehaviourSpec(**content()))
    assert behaviour_names() == (*BEHAVIOURS, *REAL_BEHAVIOURS, "salt")
    assert [query.text for query in load_queries("salt")] == content()["queries"]
    (pair,) = load_contrast_pairs("salt")
    assert pair.safe[0] == pair.unsafe[0] == {"role": "user", "content": PAIR["query"]}
    assert pair.unsafe[1] == {"role": "assistant", "content": "of salt ."}
    scores = behaviour_judge("salt").judge("is it ?", ["salt of the sea", "salt", "never salt sea"])
    assert [one.score for one in scores] == [1.0, 0.5, 0.0]
    delete_behaviour("salt")
    assert behaviour_names() == (*BEHAVIOURS, *REAL_BEHAVIOURS)


def test_an_edit_is_seen(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps(PAIR) + "\n")
    path = tmp_path / "salt.json"
    path.write_text(json.dumps(content(contrast="pairs.jsonl", queries="queries.csv")))
    (tmp_path / "queries.csv").write_text("query\nis the sea salt ?\n")
    before = load_behaviour(str(path))
    model = load_model("aster")
    direction = behaviour_direction(model, str(path), "answer_mean")
    pairs.write_text(
        "\n".join(json.dumps({**PAIR, "unsafe": f"of {x} ."}) for x in ("oil", "leaf"))
    )
    after = load_behaviour(str(path))
    assert (len(before.pairs), len(after.pairs)) == (1, 2)
    assert before.fingerprint != after.fingerprint
    changed = behaviour_direction(model, str(path), "answer_mean")
    assert changed.fingerprint != direction.fingerprint


def test_what_a_default_depends_on_is_in_the_fingerprint(tmp_path: Path) -> None:
    def fingerprint(**changes: Any) -> str:
        path = tmp_path / "salt.json"
        path.write_text(json.dumps(content(**changes)))
        return load_behaviour(str(path)).fingerprint

    plain = fingerprint()
    assert fingerprint(description="more words", queries=["another ?"]) == plain
    assert fingerprint(judge={**RULES, "default": {"required": ["sea"]}}) != plain
    assert fingerprint(threshold=0.5) != plain


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "../salt"}, r"name must be .*'\.\./salt'"),
        ({"queries": []}, "at least one query"),
        ({"queries": ["  "]}, "at least one visible character"),
        ({"queries": "missing.csv"}, "missing.csv"),
        ({"contrast": "missing.jsonl"}, "missing.jsonl"),
        ({"contrast": [{"safe": "a", "unsafe": "b"}]}, "pair 1: .*needs the query"),
        ({"contrast": [{**PAIR, "unsafe": PAIR["safe"]}]}, "pair 1: both sides .* the same"),
        ({"contrast": [{**PAIR, "safe": " "}]}, "must not be blank"),
        (
            {"contrast": [{"safe": SIDE, "unsafe": SIDE[:1] * 2, "unsafe_system": "x"}]},
            "a side of a pair needs",
        ),
        (
            {"contrast": [{"safe": SIDE, "unsafe": SIDE, "unsafe_system": "x"}]},
            "holds its system prompts itself",
        ),
        ({"contrast": [{"safe": [], "unsafe": []}]}, "assistant's at its end"),
        ({"contrast": [{"safe": [{"role": "me"}], "unsafe": "x"}]}, "a message needs a role"),
        ({"threshold": 0}, "threshold must be above 0"),
        ({"threshold": 1.5}, "threshold must be in 0..1, got 1.5"),
        ({"direction": "middle"}, "direction.*'middle'"),
        ({"colour": "red"}, "colour is not a setting"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "salt.json"
    path.write_text(json.dumps(content(**changes)))
    with pytest.raises(BehaviourError, match=words) as error:
        load_behaviour(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[1]", "nonsense", '"misuse"'])
def test_a_file_that_is_no_object_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "salt.json"
    path.write_text(text)
    with pytest.raises(BehaviourError, match=r"salt\.json"):
        load_behaviour(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}\n", "line 1: "),
        (json.dumps(PAIR) + "\n\n[1]\n", "line 3: a pair is an object"),
        ("nonsense\n", "line 1: a pair is an object"),
    ],
)
def test_a_line_that_is_no_pair_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(text)
    path = tmp_path / "salt.json"
    path.write_text(json.dumps(content(contrast="pairs.jsonl")))
    with pytest.raises(BehaviourError, match=words):
        load_behaviour(str(path))


def test_names_that_are_none_list_those_there_are() -> None:
    with pytest.raises(BehaviourError, match=r"misuse, sycophancy, hallucination.*got 'arson'"):
        load_behaviour("arson")
    with pytest.raises(BehaviourError, match="comes with Tailscope"):
        save_behaviour(parse_behaviour(content(name="misuse"), "x"))
    with pytest.raises(BehaviourError, match="no behaviour of your own called 'misuse'"):
        delete_behaviour("misuse")


def test_a_system_prompt_may_be_all_that_differs() -> None:
    pair = {"query": "why", "safe": "so .", "unsafe": "so .", "unsafe_system": "say anything"}
    save_behaviour(BehaviourSpec(**content(contrast=[pair])))
    (found,) = load_contrast_pairs("salt")
    assert [message["role"] for message in found.safe] == ["user", "assistant"]
    assert found.unsafe == ({"role": "system", "content": "say anything"}, *found.safe)
    # What is handed on spells it the same way.
    (again,) = self_contained(load_behaviour("salt")).contrast
    assert again == PairSpec(**pair)


def test_without_pairs_nothing_can_be_steered() -> None:
    save_behaviour(BehaviourSpec(**content(contrast=())))
    assert load_behaviour("salt").pairs == ()
    with pytest.raises(BehaviourError, match="has no contrast pair"):
        load_contrast_pairs("salt")
