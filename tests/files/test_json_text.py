"""The strict JSON reader: what Python's reader takes in silence is an error with its place."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from core.behaviours.exchange import parse_judge_upload, parse_upload
from core.behaviours.spec import read_behaviour, read_pairs
from core.cli.options import parsed_proposal
from core.errors import BehaviourError, SpecError
from core.files.json_text import json_lines, parse_json
from core.judges.files import read_json
from core.judges.grades import parse_reply


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ('{"a": 1, "a": 2}', "the name 'a' is given twice", 1, 10),
        (
            '{"a": {"b": 1},\n "c": [{"b": 1, "a": 2}],\n "a": 3}',
            "the name 'a' is given twice",
            3,
            2,
        ),
        ('{"ab": 1, "a\\u0062": 2}', "the name 'ab' is given twice", 1, 11),
        ('{"x": "\\"a\\": {", "a": 1, "a": 2}', "the name 'a' is given twice", 1, 27),
        ('{"x": "NaN",\n "y": NaN}', "NaN is no number that can be used", 2, 7),
        ("[1, -Infinity]", "-Infinity is no number that can be used", 1, 5),
        ("[1e999]", "1e999 is no number that can be used", 1, 2),
        ("[" + "7" * 5_000 + "]", f"{'7' * 40} is no number that can be used", 1, 2),
        ("[" * 100_000, "it is nested too deeply", 1, 1),
        ("[1, 2", "Expecting ',' delimiter", 1, 6),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        parse_json(text)
    assert (caught.value.msg, caught.value.lineno, caught.value.colno) == (message, line, column)


def test_equal_names_of_different_objects_are_none_twice() -> None:
    assert parse_json('[{"a": 1}, {"a": {"a": 2}}]') == [{"a": 1}, {"a": {"a": 2}}]


def test_what_is_json_is_read_as_python_reads_it() -> None:
    rng = random.Random(1)

    def value(depth: int) -> object:
        kind = rng.randrange(7 if depth else 5)
        if kind == 5:
            return [value(depth - 1) for _ in range(rng.randrange(4))]
        if kind == 6:
            return {f"n{rng.randrange(99)}\u2028": value(depth - 1) for _ in range(3)}
        return [None, True, rng.randrange(-(2**70), 2**70), rng.gauss(0, 1e9), 'a"\\{[é\n'][kind]

    for _ in range(300):
        made = value(4)
        assert parse_json(json.dumps(made, ensure_ascii=rng.random() < 0.5)) == made


def test_the_mark_of_windows_editors_is_passed_over() -> None:
    assert parse_json('\ufeff{"a": 1}'.encode()) == {"a": 1}


def test_lines_end_at_line_breaks_alone() -> None:
    text = '"a\u2028b"\r\n\n"c\x85d\x0b"\n'
    assert list(json_lines(text)) == [(1, '"a\u2028b"\n'), (3, '"c\x85d\x0b"\n')]


TWICE = '{"threshold": 0.9, "threshold": 0.1}'


def test_a_judge_of_two_thresholds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "judge.json"
    path.write_text(TWICE)
    with pytest.raises(BehaviourError, match=r"'threshold' is given twice \(line 1, column 20\)"):
        read_json(path)
    with pytest.raises(BehaviourError, match="'threshold' is given twice"):
        parse_judge_upload(TWICE.encode(), "judge.json")
    with pytest.raises(BehaviourError, match="'threshold' is given twice"):
        parse_upload(TWICE.encode(), "behaviour.json")
    with pytest.raises(BehaviourError, match="'threshold' is given twice"):
        read_behaviour(path)


def test_a_pair_with_two_answers_of_a_kind_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    pair = '{"query": "q", "safe": "no", "unsafe": "yes"}'
    path.write_text(f'{pair}\n{pair[:-1]}, "safe": "maybe"}}\n')
    with pytest.raises(BehaviourError, match=r"line 2: .* 'safe' is given twice, at character 47"):
        read_pairs(path)


def test_a_pair_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"query": "q", "safe": "a\u2028b", "unsafe": "c\x85d"}\n', encoding="utf-8")
    (pair,) = read_pairs(path)
    assert pair.safe == "a\u2028b"


def test_a_proposal_with_two_strengths_is_refused() -> None:
    with pytest.raises(SpecError, match="'strength' is given twice"):
        parsed_proposal('{"kind": "ablate", "strength": 0.1, "strength": 0.9}')


def test_a_reply_with_two_scores_is_no_grade() -> None:
    assert parse_reply('{"score": 1, "score": 5}', "1-5").score is None
    assert parse_reply('{"score": 5}', "1-5").score == 1.0
