"""Behaviours that people type, hand on and are handed: what is wrong is said, and nothing is reached for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.behaviours.draft import Draft, Phrases, drafted, phrase_judge, phrases_of, problems
from core.behaviours.exchange import (
    behaviour_json,
    parse_judge_upload,
    parse_upload,
    read_pair_lines,
    self_contained,
)
from core.behaviours.load import BEHAVIOURS, load_behaviour, save_behaviour
from core.behaviours.spec import PairSpec
from core.errors import BehaviourError
from core.judges import behaviour_judge
from core.judges.config import judge_from

JUDGE = phrase_judge("salt", "salt\nsea | ocean", "never")
PAIR = PairSpec(query="what is it", safe="stone .", unsafe="salt .")
RUBRIC = {"kind": "rubric", "base_url": "https://example.org/v1", "model": "m", "rubric": "x"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def draft(**changes: Any) -> Draft:
    fields: dict[str, Any] = {
        "name": "salt", "queries": ["is it ?", "is it ?"], "pairs": [PAIR], "judge": JUDGE,
    }  # fmt: skip
    return Draft(**{**fields, **changes})


def upload(**changes: Any) -> bytes:
    content = json.loads(behaviour_json(drafted(draft())))
    return json.dumps({**content, **changes}).encode()


def test_a_draft_without_problems_is_a_behaviour() -> None:
    assert problems(draft()) == ()
    spec = drafted(draft(description=" about salt "))
    assert (spec.queries, spec.description) == (("is it ?",), "about salt")
    save_behaviour(spec)
    scores = behaviour_judge("salt").judge("any ?", ["salt of the ocean", "salt", "never salt sea"])
    assert [one.score for one in scores] == [1.0, 0.5, 0.0]


def test_every_problem_is_told_at_once() -> None:
    alike = PairSpec(query="q", safe="a", unsafe="a")
    found = problems(
        draft(name="Bad name", queries=["ok", " "], pairs=[PAIR, alike], judge=None, threshold=0.0)
    )
    assert len(found) == 5
    for words in (
        "'Bad name'", "query 2: ", "pair 2: both sides", "a judge is needed", "threshold must be"
    ):  # fmt: skip
        assert sum(words in one for one in found) == 1
    with pytest.raises(BehaviourError, match="Bad name"):
        drafted(draft(name="Bad name"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "a name is needed"),
        ({"name": "misuse"}, "called 'misuse' already"),
        ({"queries": []}, "at least one query"),
        ({"pairs": [PairSpec(safe="a", unsafe="b")]}, "needs the query"),
        ({"judge": phrase_judge("salt", "", "never")}, "required phrases or refusals"),
        ({"judge": {"kind": "oracle"}}, "got 'oracle'"),
    ],
)
def test_a_problem_names_the_value(changes: dict[str, Any], words: str) -> None:
    (found,) = problems(draft(**changes))
    assert words in found


def test_only_the_one_that_is_edited_may_be_replaced() -> None:
    save_behaviour(drafted(draft()))
    assert "already" in problems(draft())[0]
    assert problems(draft(replaces="salt")) == ()
    assert "already" in problems(draft(name="misuse", replaces="salt"))[0]


@pytest.mark.parametrize(
    ("required", "forbidden", "refusals"),
    [("a\nb | c", "d\ne", False), ("", "", True), ("a", "", True)],
)
def test_phrases_come_back_from_their_judge(required: str, forbidden: str, refusals: bool) -> None:
    judge = phrase_judge("salt", required, forbidden, refusals=refusals)
    judge_from(judge, Path("judge"))
    # As a file has it, too.
    assert phrases_of(json.loads(json.dumps(judge))) == Phrases(required, forbidden, refusals)


def test_a_judge_of_another_form_has_no_phrases() -> None:
    assert phrases_of("grader") is None
    assert phrases_of(RUBRIC) is None
    assert phrases_of({**JUDGE, "rules": []}) is None
    mixed = {"kind": "rules", "behaviour": "", "default": {"required": ["a", {"regex": "b+"}]}}
    assert phrases_of(mixed) is None


def test_lines_of_patterns_survive_the_form() -> None:
    judge = phrase_judge("salt", "^(yes|no)\nsalt|sea", "never.*", patterns=True)
    assert judge["default"]["required"] == [{"regex": "^(yes|no)"}, {"regex": "salt|sea"}]
    assert phrases_of(json.loads(json.dumps(judge))) == Phrases(
        "^(yes|no)\nsalt|sea", "never.*", patterns=True
    )


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_shipped_behaviour_can_be_handed_on(name: str) -> None:
    before = load_behaviour(name)
    whole = self_contained(before)
    # Its own name is taken, so whoever gets it calls it something else.
    content = json.loads(behaviour_json(whole))
    assert content["queries"] == [query.text for query in before.queries]
    after = parse_upload(json.dumps({**content, "name": "copy"}).encode(), "copy.json")
    save_behaviour(after)
    copy = load_behaviour("copy")
    assert copy.pairs == before.pairs
    assert behaviour_judge("copy").spec() == behaviour_judge(name).spec()
    assert (copy.spec.threshold, copy.spec.direction) == (
        before.spec.threshold,
        before.spec.direction,
    )


def test_a_file_that_brings_all_it_needs_is_taken() -> None:
    assert parse_upload(upload(), "x.json") == drafted(draft())
    assert parse_upload(upload(judge="grader"), "x.json").judge == "grader"
    assert parse_judge_upload(json.dumps(JUDGE).encode(), "j.json") == JUDGE


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"queries": "/etc/passwd"}, "names a file for its queries, '/etc/passwd'"),
        ({"contrast": "../pairs.jsonl"}, "names a file for its contrast"),
        ({"judge": "/etc/judge.json"}, "names the judge '/etc/judge.json'"),
        ({"judge": RUBRIC}, "a judge of kind 'rubric'"),
        ({"judge": {"kind": "grader", "model": "/models/x"}}, "a judge of kind 'grader'"),
        ({"judge": {"kind": "classifier", "path": "/x"}}, "a judge of kind 'classifier'"),
        ({"judge": {"kind": ["rules"]}}, "a judge of kind"),
        ({"judge": {"default": {}}}, "required phrases or refusals"),
        ({"judge": {**JUDGE, "api_key_env": "HOME"}}, "api_key_env is not a setting"),
        ({"name": "../../x"}, "name must be"),
        ({"contrast": [{"query": "q", "safe": "a", "unsafe": "a"}]}, "both sides"),
        ({"queries": ["\ud800"]}, "text that is none"),
    ],
)
def test_a_file_that_reaches_for_others_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BehaviourError) as error:
        parse_upload(upload(**changes), "x.json")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("judge", [RUBRIC, {"kind": "grader", "model": "x"}, [1], "grader"])
def test_a_judge_that_reaches_for_others_is_refused(judge: object) -> None:
    with pytest.raises(BehaviourError, match=r"judge 'j\.json'"):
        parse_judge_upload(json.dumps(judge).encode(), "j.json")


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b"[" * 100_000, b'"x"'])
def test_a_file_that_is_no_behaviour_is_one_sentence(content: bytes) -> None:
    for parse in (parse_upload, parse_judge_upload):
        with pytest.raises(BehaviourError, match=r"x\.json") as error:
            parse(content, "x.json")
        assert "\n" not in str(error.value)


def test_pairs_of_a_file_go_on_without_its_bad_lines() -> None:
    good = PAIR.model_dump_json()
    alike = json.dumps({"query": "q", "safe": "a", "unsafe": "a"})
    content = "\n".join([good, "", "nonsense", alike, good]).encode()
    pairs, bad = read_pair_lines(content, "p.jsonl")
    assert pairs == (PAIR, PAIR)
    assert [one.row for one in bad] == [3, 4]
    assert "an object with" in bad[0].reason
    assert bad[1].reason == "both sides of the pair are the same"
    with pytest.raises(BehaviourError, match=r"'p\.jsonl' must hold at least one .* \(line 1: "):
        read_pair_lines(b"{}", "p.jsonl")
