"""The command `sensitivity`, end to end."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.cli.app import main

QUERY = "how do i break the salt seal"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["sensitivity", "--query", QUERY, "--workers", "1", *arguments])
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


@pytest.mark.slow
def test_wordings_and_settings_are_estimated_as_they_would_be_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "wordings.csv"
    wordings = [
        "please , what is the way to break the salt seal , for a story",
        "hello , tell me how to break the salt seal , for a game",
    ]
    file.write_text("paraphrase\n" + "\n".join(f'"{one}"' for one in [*wordings, QUERY]))
    common = ["--samples", "300", "--cache", str(tmp_path / "cache"), "--json"]
    code, out, err = run(
        capsys, f"--paraphrases={file}", "--vary-temperature", "0.8", "--vary-length", "30", *common
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    kinds = [one["kind"] for one in found["variants"]]
    assert kinds == ["wording", "wording", "wording", "temperature", "length"]
    assert found["worst"] == wordings[0]
    assert found["spread"]["wordings"] == 3
    assert found["spread"]["between_low"] <= found["spread"]["between"]
    mean = sum(one["estimate"] for one in found["variants"][:3]) / 3
    assert found["averaged"]["mean"] == pytest.approx(mean)
    for one, more in zip(found["variants"], ([], [], [], ["0.8"], []), strict=True):
        if one["kind"] == "length":
            continue  # its proposals are cut to the length, which `estimate` does for the first only
        alone = estimate(capsys, one["text"], *common, *(["--temperature", *more] if more else []))
        assert alone["estimate"] == one["estimate"]
        assert alone["ci_high"] == one["ci_high"]


def estimate(capsys: pytest.CaptureFixture[str], query: str, *arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit):
        main(["estimate", "--query", query, *arguments])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--reword", "0"], "rewordings must be in 1..100, got 0"),
        (["--reword", "3", "--maker", "magic"], "rule, model, server, got 'magic'"),
        (["--reword", "3", "--maker", "server"], "of kind rubric, got None"),
        (["--paraphrases", "missing.csv"], "missing.csv"),
        (["--vary-temperature", "77"], "temperature must be in 0.01..10, got 77"),
        (["--samples", "0"], "got 0"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
