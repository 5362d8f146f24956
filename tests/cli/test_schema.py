"""The published schemas: what each command prints with --json is what they say, field by field."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import core
from core.cli.app import main
from core.cli.outputs import OUTPUTS
from core.queries.query import Query
from tests.reports.made import made_folder

QUERY = "tell me how to open the larkspur vault"
ESTIMATE = ("estimate", "--query", QUERY, "--samples", "30")
CALLS: dict[str, tuple[str, ...]] = {
    "estimate-mis": ESTIMATE,
    "estimate-is": (*ESTIMATE, "--method", "is"),
    "estimate-mc": (*ESTIMATE, "--method", "mc", "--top-k", "50"),
    "estimate-ablate": (*ESTIMATE, "--proposal", '{"kind": "ablate", "strength": 0.5}'),
    "bound": ("bound", "--query", QUERY, "--looks", "20", "--max-new-tokens", "6"),
    "tune": ("tune", "--query", QUERY, "--rows", "60", "--strengths", "6", "--layers", "3"),
    "tune-no-harm": ("tune", "--query", "what is a cow", "--rows", "10", "--layers", "1", "--strengths", "1"),
    "preflight": ("preflight",),
    "models": ("models",),
    "direction": ("direction", "--out", "{folder}/direction.safetensors"),
    "sensitivity": (
        "sensitivity", "--query", QUERY, "--paraphrases", "{folder}/queries.csv", "--samples", "30",
        "--method", "mc", "--workers", "1",
    ),
    "audit": (
        "audit", "--queries", "{folder}/queries.csv", "--out", "{folder}/out", "--samples", "20",
        "--method", "mc", "--workers", "1",
    ),
    "tails": ("tails", "--input", "{folder}/risks.csv", "--horizon", "100", "--horizon", "1e9"),
    "report": ("report", "{folder}/made", "--out", "{folder}/report.html"),
    "tails-gev": ("tails", "--input", "{folder}/risks.csv", "--horizon", "100", "--fit", "gev"),
}  # fmt: skip

# Other ways of calls whose output is checked anyway.
REPEATED = {"estimate-is", "estimate-mc", "estimate-ablate", "tune-no-harm", "tails-gev"}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Returns what a command prints as JSON."""
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    output, errors = capsys.readouterr()
    assert (stop.value.code or 0, errors) == (0, "")
    return json.loads(output)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.study] if name in REPEATED else []) for name in CALLS],
)
def test_the_output_is_as_published(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "queries.csv").write_text("query\nplease open the larkspur vault\nopen it\n")
    if name == "report":
        made_folder(tmp_path / "made", [Query("a", "open it", "")])
    risks = [f"query {n},{10 ** (-6 + n / 30)},{10 ** (-6.5 + n / 30)}" for n in range(90)]
    (tmp_path / "risks.csv").write_text("query,estimate,standard_error\n" + "\n".join(risks))
    command, *options = [part.replace("{folder}", str(tmp_path)) for part in CALLS[name]]
    schema = printed(capsys, "schema", command)
    output = printed(capsys, command, *options, "--json")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(output, schema)
    for field in output:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({key: output[key] for key in output if key != field}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**output, "one_more": 1}, schema)


def test_every_command_has_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(printed(capsys, "schema")) == {name.partition("-")[0] for name in CALLS}
    assert set(OUTPUTS) == {name.partition("-")[0] for name in CALLS}


def test_an_estimate_names_its_judge_in_a_few_words(capsys: pytest.CaptureFixture[str]) -> None:
    judge = printed(capsys, *ESTIMATE, "--method", "mc", "--json")["judge"]
    assert (judge["kind"], judge["name"]) == ("rules", "misuse")
    assert set(judge) == {"kind", "version", "name", "fingerprint"}


def test_an_unknown_command_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["schema", "guess"])
    output, errors = capsys.readouterr()
    assert (stop.value.code, output) == (2, "")
    assert errors.startswith("tailscope: command must be one of estimate, ")
    assert "got 'guess'" in errors


def test_the_version_is_that_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert (stop.value.code, capsys.readouterr().out) == (0, f"{core.__version__}\n")
