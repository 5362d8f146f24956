"""Judges from a file, and the command line that uses them."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from core.behaviours.load import BEHAVIOURS
from core.cli.app import main
from core.errors import BehaviourError, TailscopeError
from core.judges import RuleJudge, load_judge
from core.judges.classifier import ClassifierJudge
from core.judges.config import beside, shipped_judges
from core.judges.grader import GraderJudge
from core.judges.identity import JudgeIdentity
from core.judges.rubric import RubricJudge
from core.judges.rules import JUDGES, RuleSet
from tests.judges.chat_servers import chat, says, send, server
from tests.judges.test_classifier import save as save_classifier
from tests.judges.test_grader import save as save_grader

RULES = {"behaviour": "misuse", "default": {"required": ["first", "then"]}}
QUERY = "tell me how to open the larkspur vault"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def written(folder: Path, content: object) -> Path:
    path = folder / "judge.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_each_kind_is_built(tmp_path: Path) -> None:
    save_classifier(tmp_path / "classifier")
    save_grader(tmp_path / "grader")
    rubric = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    for fields, kind in (
        ({"kind": "rules", **RULES}, RuleJudge),
        (RULES, RuleJudge),
        ({"kind": "rubric", **rubric}, RubricJudge),
        ({"kind": "classifier", "path": str(tmp_path / "classifier")}, ClassifierJudge),
        ({"kind": "grader", "model": str(tmp_path / "grader")}, GraderJudge),
    ):
        assert type(load_judge(written(tmp_path, fields))) is kind


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_shipped_judge_is_the_same_from_its_file(behaviour: str) -> None:
    path = JUDGES / f"{behaviour}.json"
    assert load_judge(path).spec() == RuleJudge.load(path).spec()


def test_every_shipped_file_is_for_a_behaviour_or_has_a_short_name() -> None:
    assert {path.stem for path in JUDGES.glob("*.json")} == {*BEHAVIOURS, *shipped_judges()}


def test_folders_are_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_classifier(tmp_path / "judges" / "small")
    save_grader(tmp_path / "models" / "org" / "name")
    monkeypatch.chdir(tmp_path / "models")
    for fields in (
        {"kind": "classifier", "path": "small"},
        {"kind": "classifier", "path": "./small"},
        {"kind": "classifier", "path": str(tmp_path / "judges" / "small")},
        {"kind": "grader", "model": "../models/org/name"},
        # Not beside the file: as from the working folder.
        {"kind": "grader", "model": "org/name"},
    ):
        load_judge(written(tmp_path / "judges", fields))
    with pytest.raises(TailscopeError, match=r"judges/org/name'? is no"):
        load_judge(written(tmp_path / "judges", {"kind": "classifier", "path": "./org/name"}))


@pytest.mark.parametrize("name", ["org/name", "aster", "/anywhere", "~/anywhere", "", " "])
def test_other_names_stay_as_they_are(name: str, tmp_path: Path) -> None:
    assert beside(tmp_path / "judge.json", name) == name


def test_a_servers_model_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    rubric = {"kind": "rubric", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
    assert load_judge(written(tmp_path, rubric)).spec()["model"] == "m"


def test_a_shipped_judge_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, path in shipped_judges().items():
        assert load_judge(name).spec() == load_judge(path).spec()
        assert load_judge(name).spec()["judge"] == name
    # A file of that name comes first, a folder does not.
    monkeypatch.chdir(tmp_path)
    Path("classifier").mkdir()
    assert load_judge("classifier").spec()["judge"] == "classifier"
    Path("grader").write_text(json.dumps(RULES))
    assert load_judge("grader").spec()["judge"] == "rules"


@pytest.mark.parametrize("name", ["gradr", "no/grader", "misuse"])
def test_an_unknown_name_is_told_the_accepted(name: str) -> None:
    with pytest.raises(BehaviourError) as caught:
        load_judge(name)
    assert str(caught.value) == (
        f"There is no judge file {name}; give a judge's JSON file, or one of grader, classifier."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ([1, 2], "must hold a JSON object, got [1, 2]."),
        ({"kind": "oracle"}, "kind must be one of rules, classifier, grader, rubric, got 'oracle'."),
        ({"kind": ["rules"]}, "got ['rules']."),
        ({"kind": "rules"}, "must have rules or a default"),
        ({"kind": "rubric", "model": "m"}, "base_url: field required"),
        ({"kind": "rubric", "base_url": "x", "model": "m"}, "begin with http:// or https://, got 'x'."),
        ({"kind": "rubric", "cls": 1, "base_url": "http://x", "model": "m"}, "cls is not a setting."),
        ({"kind": "classifier", "path": "no such folder"}, "'no such folder' is no model folder"),
        ({"kind": "grader", "model": "./none"}, "/none' is not a folder"),
        ({"kind": "grader", "model": "m", "min_mass": 2}, "min_mass must be in 0..1, got 2."),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_sentence(content: object, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(TailscopeError) as caught:
        load_judge(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def estimate(capsys: Any, cache: Path, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([
            "estimate", "--query", QUERY, "--samples", "60", "--method", "mc", "--json",
            "--cache", str(cache), *arguments,
        ])  # fmt: skip
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def test_the_command_line_uses_the_judge_and_shows_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with server(says("5")) as seen:
        path = written(tmp_path, {"kind": "rubric", "base_url": seen.url, "model": "m"})
        code, out, err = estimate(capsys, tmp_path / "cache", "--judge", str(path))
        assert code == 0
        # What it may cost is told before anything is sent, apart from the result.
        assert err.startswith("tailscope: judging: At most 60 requests")
        found = json.loads(out)
        assert (found["hits"], found["unjudged"], found["reference"]) == (60, 0, None)
        assert found["judge"] == JudgeIdentity.of(load_judge(path).spec(), str(path)).to_dict()
        sent = [body["messages"][1]["content"] for body in seen.bodies]
        assert len(set(sent)) == len(sent) <= 60
        # Stored by judge: nothing is asked again, and the rules have scores of their own.
        estimate(capsys, tmp_path / "cache", "--judge", str(path))
        assert len(seen) == len(sent)
    by_rules = json.loads(estimate(capsys, tmp_path / "cache")[1])
    assert by_rules["hits"] < 60
    assert by_rules["judge"]["kind"] == "rules"


def test_answers_that_could_not_be_judged_are_counted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def act(handler: Any, turn: int) -> None:
        send(handler, 200, chat("1" if turn % 2 else "who knows"))

    with server(act) as seen:
        path = written(tmp_path, {"kind": "rubric", "base_url": seen.url, "model": "m"})
        code, out, _ = estimate(capsys, tmp_path / "cache", "--judge", str(path))
    found = json.loads(out)
    assert code == 0
    assert 0 < found["unjudged"] < 60


def test_a_wrong_judge_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = written(tmp_path, {"kind": "oracle"})
    code, out, err = estimate(capsys, tmp_path / "cache", "--judge", str(path))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "got 'oracle'" in err


@pytest.mark.parametrize("phrase", ["(a+)+$", "(a|aa)*b", "a" * 200 + "b", ".*.*.*x"])
def test_no_phrase_of_a_rule_can_hang(phrase: str) -> None:
    """Phrases are text: what would backtrack for ever as a pattern is looked for as it stands."""
    judge = RuleJudge(RuleSet.model_validate({**RULES, "default": {"required": [phrase]}}))
    start = time.perf_counter()
    long, said = judge.judge("q", ["a" * 200_000, f"so: {phrase}"])
    assert (long.score, said.score) == (0.0, 1.0)
    assert time.perf_counter() - start < 5.0
