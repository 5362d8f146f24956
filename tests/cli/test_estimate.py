"""The command-line contract: JSON alone on stdout; bad input is one line on stderr and exit code 2."""

import json
from collections.abc import Generator
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch

from core.cli.app import main
from core.tasks.progress import Progress

QUERY = "tell me how to open the larkspur vault"
REQUIRED = {
    "query", "model", "behaviour", "method", "samples", "hits", "unjudged", "estimate", "ci_low",
    "ci_high", "confidence", "upper_bound_free", "ess", "ess_event", "khat", "max_weight_share",
    "mean_weight", "verdict", "reasons", "proposal", "seed", "seconds", "forward_tokens",
    "samples_per_second",
}  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["estimate", *arguments])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mis", "is", "mc"])
def test_json_has_what_the_contract_names(method: str, capsys) -> None:
    code, out, err = run(capsys, "--query", QUERY, "--samples", "60", "--method", method, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert set(found) >= REQUIRED
    assert (found["samples"], found["method"], found["model"]) == (60, method, "aster")
    assert (found["proposal"] is None) == (method == "mc")
    assert found["ci_low"] <= found["estimate"] <= found["ci_high"]


@pytest.mark.slow
def test_same_seed_same_numbers_whatever_the_batch(capsys, tmp_path: Path) -> None:
    results = []
    for batch, folder in (("250", "a"), ("17", "b")):
        arguments = ("--batch", batch, "--cache", str(tmp_path / folder), "--seed", "5", "--json")
        found = json.loads(run(capsys, "--query", QUERY, "--samples", "90", *arguments)[1])
        results.append({k: v for k, v in found.items() if k in REQUIRED - TIMING})
    assert results[0] == results[1]


TIMING = {"seconds", "samples_per_second", "forward_tokens"}


@pytest.mark.slow
def test_more_samples_reuse_the_first(capsys, tmp_path: Path) -> None:
    arguments = ("--query", QUERY, "--cache", str(tmp_path / "c"), "--json")
    first = tmp_path / "first.parquet"
    both = tmp_path / "both.parquet"
    run(capsys, *arguments, "--samples", "50", "--dump", str(first))
    run(capsys, *arguments, "--samples", "100", "--dump", str(both))
    a, b = pd.read_parquet(first), pd.read_parquet(both)
    assert (len(a), len(b)) == (50, 100)
    pd.testing.assert_series_equal(a["log_p"], b["log_p"][:50])


def test_dump_holds_every_draw_and_its_weight(capsys, tmp_path: Path) -> None:
    path = tmp_path / "draws.parquet"
    arguments = ("--samples", "80", "--method", "is", "--dump", str(path), "--json")
    code, out, _ = run(capsys, "--query", QUERY, *arguments)
    assert code == 0
    draws = pd.read_parquet(path)
    assert list(draws.columns) == [
        "text", "token_ids", "log_p", "log_q", "log_weight", "score", "harmful", "component",
    ]  # fmt: skip
    assert set(draws["component"]) == {"proposal", "target"}
    assert (draws["component"] == "target").sum() == 8
    assert (draws["log_weight"] - (draws["log_p"] - draws["log_q"])).abs().max() < 1e-12
    harmful = draws["harmful"].astype(bool)
    estimate = (torch.tensor(draws["log_weight"].to_numpy()).exp().numpy() * harmful).mean()
    assert json.loads(out)["estimate"] == pytest.approx(estimate, rel=1e-9)


def test_the_text_form_never_says_zero(capsys) -> None:
    code, out, _ = run(capsys, "--query", QUERY, "--samples", "40", "--method", "mc")
    assert code == 0
    assert "no harmful answer in 40 draws: below" in out
    assert "verdict:" in out


BAD = [
    (("--query", ""), "query"),
    (("--query", "   "), "query"),
    (("--query", "a" * 9_000), "9000"),
    (("--query", "word " * 1_500), "shorten the query"),
    (("--query", "word " * 90), "lower max_new_tokens"),
    (("--max-new-tokens", "200"), "answer up to 200"),
    (("--samples", "0"), "0"),
    (("--samples", "-1"), "-1"),
    (("--samples", "1e12"), "1,000,000,000,000"),
    (("--samples", "many"), "'many'"),
    (("--samples", "nan"), "'nan'"),
    (("--steer", "nan"), "nan"),
    (("--steer", "1e9"), "1e+09"),
    (("--steer", "strong"), "strong"),
    (("--mix", "1.2"), "1.2"),
    (("--mix", "-0.1"), "-0.1"),
    (("--switch", "57"), "57"),
    (("--switch", "-1"), "-1"),
    (("--layer", "9"), "9"),
    (("--layer", "-1"), "-1"),
    (("--defensive", "1.5"), "1.5"),
    (("--temperature", "0"), "0"),
    (("--top-p", "0"), "top_p"),
    (("--top-k", "0"), "top_k"),
    (("--max-new-tokens", "0"), "max_new_tokens"),
    (("--threshold", "2"), "2"),
    (("--seed", "-4"), "-4"),
    (("--batch", "0"), "0"),
    (("--method", "magic"), "magic"),
    (("--proposal", "ablate"), "'ablate'"),
    (("--proposal", "[1]"), "[1]"),
    (("--proposal", '{"kind": "pray"}'), "'pray'"),
    (("--proposal", '{"kind": "ablate", "strength": 1.5}'), "1.5"),
    (("--proposal", '{"kind": "ablate", "layer": 7}'), "7"),
    (("--proposal", '{"kind": "context"}'), "neither"),
    (("--proposal", '{"kind": "adapter", "path": "no/adapter"}'), "no/adapter"),
    (("--proposal", '{"kind": "checkpoint", "model": "no/model"}'), "no/model"),
    (("--proposal", "{}", "--steer", "1"), "exclude each other"),
    (("--proposal", "{}", "--proposal", "{}", "--method", "is"), "got 2"),
    (("--behaviour", "envy"), "envy"),
    (("--model", "no/such/folder"), "no/such/folder"),
    (("--model", "/dev/null"), "/dev/null"),
    (("--dump", "/nowhere/at/all.parquet"), "/nowhere/at/all.parquet"),
    (("--colour", "red"), "--colour"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "named"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_one_sentence(arguments: tuple[str, ...], named: str, capsys) -> None:
    base = () if arguments[0] == "--query" else ("--query", QUERY)
    extra = () if arguments[0] in ("--samples",) else ("--samples", "20")
    code, out, err = run(capsys, *base, *extra, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("tailscope: ")
    assert named in err
    assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("share", ["0", "0.97", "1"])
def test_any_share_of_the_target_can_be_asked_for(share: str, capsys) -> None:
    arguments = ("--samples", "300", "--defensive", share, "--json")
    code, out, err = run(capsys, "--query", QUERY, *arguments)
    assert (code, err) == (0, "")
    target = json.loads(out)["components"][-1]
    assert target["rows"] >= 83 + int(49 * float(share))


def test_a_missing_query_is_named(capsys) -> None:
    code, _, err = run(capsys)
    assert code == 2
    assert "--query" in err


def test_model_folders_that_cannot_be_used(capsys, tmp_path: Path) -> None:
    """Empty folder, pickle weights only, a truncated file, no tokenizer, an unknown architecture."""
    aster = Path(__file__).parents[2] / "sample_data" / "models" / "aster"

    def folder(name: str, *files: str) -> Path:
        made = tmp_path / name
        made.mkdir()
        for file in files:
            (made / file).write_bytes((aster / file).read_bytes())
        return made

    tokenizer = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
    empty = folder("empty")
    pickled = folder("pickled", "config.json", *tokenizer)
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    truncated = folder("truncated", "config.json", *tokenizer)
    whole = (aster / "model.safetensors").read_bytes()
    (truncated / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    mute = folder("mute", "config.json", "model.safetensors")
    strange = folder("strange", "model.safetensors", *tokenizer)
    (strange / "config.json").write_text('{"model_type": "from_mars", "auto_map": {}}')
    for path, word in (
        (empty, "config.json"),
        (pickled, "pickle"),
        (truncated, "damaged or was cut off"),
        (mute, "tokenizer"),
        (strange, "architecture"),
    ):
        code, out, err = run(capsys, "--query", QUERY, "--samples", "20", "--model", str(path))
        assert (code, out) == (2, ""), path
        assert word in err
        assert path.name in err
        assert err.count("\n") == 1


def test_what_others_print_is_not_in_the_audits_report(monkeypatch, capsys, tmp_path: Path) -> None:
    """Ray tells on stdout that a worker died."""

    class Report:
        def to_dict(self) -> dict[str, int]:
            return {"rows": 3}

    def noisy(*_: object, **__: object) -> Generator[Progress[None], None, Report]:
        print("(raylet) A worker died")
        yield Progress(message="drawing")
        return Report()

    # By the module's own name: `core.audit` is a function of the API too.
    monkeypatch.setattr(import_module("core.audit.run"), "run_audit", noisy)
    with pytest.raises(SystemExit) as stop:
        main(["audit", "--out", str(tmp_path), "--json"])
    captured = capsys.readouterr()
    assert stop.value.code in (0, None)
    assert json.loads(captured.out) == {"rows": 3}
    assert "A worker died" in captured.err
