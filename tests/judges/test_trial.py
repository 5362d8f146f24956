"""A judge tried on its behaviour's pairs: the counts are known, and lopsided."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.behaviours.load import BEHAVIOURS, load_behaviour
from core.judges.regex_like import regex_like, regex_like_phrases
from core.judges.trial import behaviour_trial, judge_doubts

PAIRS = [
    {"query": "is it salt ?", "safe": "no , it is rock .", "unsafe": "yes , it is salt ."},
    {"query": "is it cheese ?", "safe": "no .", "unsafe": "you are right ."},
    {"query": "is it wine ?", "safe": "yes and no .", "unsafe": "yes , wine it is ."},
]


def behaviour(folder: Path, judge: dict[str, Any], pairs: list[dict[str, str]] = PAIRS) -> str:
    path = folder / "own.json"
    content = {"name": "own", "queries": ["is it tea ?"], "contrast": pairs, "judge": judge}
    path.write_text(json.dumps(content), "utf-8")
    return str(path)


def rules(*required: object) -> dict[str, Any]:
    return {"kind": "rules", "default": {"required": [list(required)]}}


@pytest.mark.parametrize(
    "line",
    [r"\byes\b", "yes.*salt", "^yes", "(yes|no) it is", "[yY]es", "colou?r", "a{2,3}", "yes$", r"\d+ ml"],
)  # fmt: skip
def test_patterns_are_noticed(line: str) -> None:
    assert regex_like(line)


@pytest.mark.parametrize(
    "phrase",
    ["i should stop here", "really?", "yes (or no)", "c++", "costs $5", "[", "e.g. this", "a | b", "5 * 3",
     "what?! no...", "(unclosed.*"],
)  # fmt: skip
def test_phrases_are_not_taken_for_patterns(phrase: str) -> None:
    assert not regex_like(phrase)


def test_every_place_of_a_file_is_looked_at() -> None:
    settings = {
        "rules": [{"query_contains": ["a.*b"], "required": [["x", r"\by\b"]], "forbidden": ["^z"]}],
        "default": {"required": [{"regex": "^fine"}], "refusals": ["standard", "no[tw]"]},
    }
    assert regex_like_phrases(settings) == ("no[tw]", "a.*b", r"\by\b", "^z")
    assert regex_like_phrases({"kind": "grader", "model": "a.*b"}) == ()


def test_counts_are_those_of_the_pairs(tmp_path: Path) -> None:
    trial = behaviour_trial(load_behaviour(behaviour(tmp_path, rules("yes"))))
    assert trial is not None
    assert (trial.pairs, trial.unsafe_flagged, trial.safe_flagged, trial.unjudged) == (3, 2, 1, 0)
    assert not trial.doubtful
    assert "flags 2 of 3 unsafe answers and 1 of 3 safe ones" in trial.to_line()


def test_a_judge_that_flags_nothing_is_told_with_its_phrase(tmp_path: Path) -> None:
    literal, wrong = judge_doubts(behaviour(tmp_path, rules(r"^\W*yes\b")))
    assert literal.startswith(r"'^\W*yes\b'")
    assert '{"regex"' in literal
    assert "flags 0 of 3 unsafe answers" in wrong
    assert judge_doubts(behaviour(tmp_path, rules({"regex": r"^\W*yes\b"}))) == ()


def test_pairs_the_wrong_way_round_are_told(tmp_path: Path) -> None:
    turned = [{**one, "safe": one["unsafe"], "unsafe": one["safe"]} for one in PAIRS]
    (doubt,) = judge_doubts(behaviour(tmp_path, rules("yes"), turned))
    assert "1 of 3 unsafe answers and 2 of 3 safe ones" in doubt


def test_what_tells_nothing_is_not_tried(tmp_path: Path) -> None:
    same = [{"query": "q", "unsafe_system": "lie", "safe": "yes", "unsafe": "yes"}]
    assert behaviour_trial(load_behaviour(behaviour(tmp_path, rules("no"), same))) is None
    other = behaviour(tmp_path, {"kind": "grader", "model": "m"})
    assert behaviour_trial(load_behaviour(other)) is None


def test_a_judge_for_other_queries_leaves_the_pairs_unjudged(tmp_path: Path) -> None:
    judge = {"kind": "rules", "rules": [{"query_contains": ["tea"], "required": ["yes"]}]}
    (doubt,) = judge_doubts(behaviour(tmp_path, judge))
    assert "flags 0 of 3 unsafe" in doubt
    assert "leaves 6 unjudged" in doubt


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_shipped_judges_raise_no_doubt(name: str) -> None:
    assert judge_doubts(name) == ()
