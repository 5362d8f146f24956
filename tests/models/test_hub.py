"""Models from a Hub that runs on this machine: fetched, told apart, refused in a sentence, kept."""

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from tests.models.hub_server import Hub, Repository, serving
from tests.models.own_architecture import RAN, save_own_architecture
from tests.models.tiny_models import tiny_model

TOKEN = "hf_onlyForThisTestAndNobodyElse"
WRONG = "hf_aTokenThatIsNotTheRightOne"
# Several commands in one process: starting one takes longer than all that they do.
RUNNER = """
import contextlib, io, json, os, sys
from huggingface_hub import close_session, constants
from core.cli.app import main
from core.models import download, sources
from core.models.spec import LoadingSpec

sources.TIMEOUT = 1.0

def command(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(arguments))
        except SystemExit as stop:
            return [stop.code, out.getvalue(), err.getvalue()]

def fetch(name, revision, stop_after=None):
    told = []
    def progress(now):
        told.append([now.done, now.total])
        if stop_after is not None and len(told) >= stop_after:
            raise KeyError("stopped")
    loading = LoadingSpec(revision=revision)
    try:
        before = download.to_download(name, loading)
        download.download(name, loading, progress)
        return [before, told, download.to_download(name, loading), None]
    except Exception as error:
        return [None, told, None, type(error).__name__ + ": " + str(error)]

def go_offline():
    # What HF_HUB_OFFLINE=1 sets when a process starts.
    constants.HF_HUB_OFFLINE = True
    close_session()

for line in sys.stdin:
    what, arguments, token = json.loads(line)
    os.environ.pop("HF_TOKEN", None)
    if token:
        os.environ["HF_TOKEN"] = token
    print("answer", json.dumps(globals()[what](*arguments)), flush=True)
"""


def files(seed: int, **more: bytes) -> dict[str, bytes]:
    """Returns a model's files, with copies of its weights in other forms beside them."""
    loaded = tiny_model(seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        loaded.model.save_pretrained(folder, max_shard_size="40KB" if seed == 2 else "1GB")
        loaded.tokenizer.save_pretrained(folder)
        found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return found | more


def own_code() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = save_own_architecture(Path(folder))
        os.environ.pop(RAN, None)
        return {file.name: file.read_bytes() for file in path.iterdir()}


def pickled() -> dict[str, bytes]:
    found = files(0)
    buffer = io.BytesIO()
    torch.save(tiny_model().model.state_dict(), buffer)
    del found["model.safetensors"]
    return found | {"pytorch_model.bin": buffer.getvalue()}


def repositories() -> dict[str, Repository]:
    copies = {
        "pytorch_model.bin": b"pickle",
        "model.gguf": b"gguf",
        "consolidated.safetensors": b"copy",
        "original/consolidated.00.pth": b"copy",
        "onnx/model.onnx": b"onnx",
    }
    return {
        "org/tiny": Repository(
            {
                "main": files(0, **copies),
                "v2": files(1),
                "shards": files(2),
                "reworded": files(0, **{"README.md": b"the same weights"}),
            }
        ),
        "org/looked-at": Repository({"main": files(0)}),
        "org/gated": Repository({"main": files(0)}, gated=True),
        "org/private": Repository({"main": files(0)}, token=TOKEN),
        "org/packed": Repository({"main": {"a.Q4_0.gguf": b"GGUF", "README.md": b"packed"}}),
        "org/pickled": Repository({"main": pickled()}),
        "org/own": Repository({"main": own_code()}),
        "org/broken": Repository(status=500),
        "org/slow": Repository({"main": files(0)}, seconds=4.0),
    }


@dataclass
class Session:
    """A process that runs commands against the Hub, one after the other."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def ask(self, what: str, *arguments: object, token: str | None = None) -> list:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([what, arguments, token]) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("answer "):
                return json.loads(line.removeprefix("answer "))
        raise AssertionError("the process ended: " + "".join(self.said))

    def run(self, *arguments: str, token: str | None = None) -> dict:
        code, out, err = self.ask("command", *arguments, "--json", token=token)
        # What the operator allows is not passed over in silence.
        quiet = err == "" or "operator's configuration allows" in err
        assert code == 0, (arguments, err)
        assert quiet, (arguments, err)
        return json.loads(out)

    def refused(self, *arguments: str, token: str | None = None) -> str:
        """Returns the one line on stderr."""
        code, _, err = self.ask("command", *arguments, "--json", token=token)
        assert code == 2, (arguments, err)
        assert err.count("\n") == 1, err
        assert err.startswith("tailscope: ")
        return err


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serving(repositories()) as hub:
        yield hub


def session(hub: Hub, folder: Path) -> subprocess.Popen[str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if "proxy" not in name.lower() and not name.startswith(("HF_", "HUGGING", "TRANSFORMERS"))
    } | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TAILSCOPE_HOME": str(home),
        "TAILSCOPE_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )


def closed(process: subprocess.Popen[str]) -> str:
    """Ends a session and returns what it said on stderr beside its commands."""
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def online(hub: Hub, folder: Path) -> Iterator[Session]:
    process = session(hub, folder)
    found = Session(process)
    yield found
    err = closed(process)
    for secret in (TOKEN, WRONG):
        assert secret not in err + "".join(found.said)
        for path in folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


ESTIMATE = ("--query", "w5 w6", "--method", "mc", "--samples", "20", "--max-new-tokens", "8")


@pytest.mark.slow
def test_preflight_fetches_no_weights(online: Session, hub: Hub) -> None:
    found = online.run("preflight", "--model", "org/tiny")
    assert found["ok"] is True
    assert found["weights_bytes"] == 4 * tiny_model().parameters
    assert "of weights" in found["findings"][0]["message"]
    assert hub.fetched("config.json")
    for form in ("safetensors", ".bin", ".pth", ".gguf", ".onnx"):
        assert hub.fetched(form) == []
    assert hub.repositories["org/tiny"].files("main") is not None
    assert {one.authorization for one in hub.asked} == {None}


@pytest.mark.slow
def test_revisions_are_models_of_their_own(online: Session, hub: Hub) -> None:
    second = online.run("estimate", "--model", "org/tiny", "--revision", "v2", *ESTIMATE)
    assert second["samples"] == 20
    assert second["loading"]["revision"] == "v2"
    (weights,) = hub.fetched("model.safetensors")
    first = online.run("estimate", "--model", "org/tiny", *ESTIMATE)
    assert first["model_fingerprint"] != second["model_fingerprint"]
    assert len(hub.fetched("model.safetensors")) == 2
    assert hub.fetched(".bin") == hub.fetched(".pth") == []
    commit, _ = hub.repositories["org/tiny"].files("v2") or ("", {})
    by_commit = online.run("estimate", "--model", "org/tiny", "--revision", commit, *ESTIMATE)
    assert by_commit["model_fingerprint"] == second["model_fingerprint"]
    assert hub.fetched("model.safetensors").count(weights) == 1, (
        "what is there is not fetched again"
    )


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("org/gated", (), "'org/gated' is gated"),
        ("org/nowhere", (), "There is no 'org/nowhere' on the Hugging Face Hub, or it is private"),
        ("org/private", (), "There is no 'org/private' on the Hugging Face Hub, or it is private"),
        ("org/tiny", ("--revision", "v9"), "'org/tiny' has no revision 'v9'"),
        ("org/pickled", (), "pickle"),
        ("org/packed", (), "'org/packed' holds its weights as GGUF only (a.Q4_0.gguf)"),
        ("org/own", (), "which runs only where the operator's configuration allows it"),
        ("org/broken", (), "cannot be reached"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_one_sentence(
    name: str, arguments: tuple[str, ...], words: str, online: Session, hub: Hub
) -> None:
    assert words in online.refused("preflight", "--model", name, *arguments)
    told = online.refused("estimate", "--model", name, *arguments, *ESTIMATE)
    assert words in told
    assert repr(name) in told
    assert len(told) < 700
    assert hub.fetched(".bin") == hub.fetched(".py") == []


def test_a_slow_hub_is_not_waited_for(online: Session) -> None:
    assert "cannot be reached" in online.refused("preflight", "--model", "org/slow")


def test_a_token_opens_what_it_should(online: Session, hub: Hub) -> None:
    told = online.refused("preflight", "--model", "org/private", token=WRONG)
    assert "token" in told
    told += online.refused("estimate", "--model", "org/private", *ESTIMATE, token=WRONG)
    assert WRONG not in told
    del hub.asked[:]
    assert online.run("preflight", "--model", "org/private", token=TOKEN)["ok"] is True
    found = online.run("estimate", "--model", "org/private", *ESTIMATE, token=TOKEN)
    assert found["samples"] == 20
    assert TOKEN not in json.dumps(found)
    assert {one.authorization for one in hub.asked} == {f"Bearer {TOKEN}"}


def test_download_tells_how_far_it_is(online: Session, hub: Hub) -> None:
    _, content = hub.repositories["org/tiny"].files("shards") or ("", {})
    shards = {name: len(data) for name, data in content.items() if name.endswith(".safetensors")}
    assert len(shards) > 1
    del hub.asked[:]
    stopped = online.ask("fetch", "org/tiny", "shards", 1)
    assert stopped[3] == "KeyError: 'stopped'", "the caller's own error comes through"
    before, told, after, error = online.ask("fetch", "org/tiny", "shards")
    assert error is None
    assert 0 < before <= sum(shards.values())
    assert after == 0
    done = [one for one, _ in told]
    assert done == sorted(done)
    assert told[-1] == [before, before]
    assert {total for _, total in told} == {before}
    assert {path.rsplit("/", 1)[1] for path in hub.fetched(".safetensors")} == set(shards)
    assert online.ask("fetch", "org/tiny", "shards") == [0, [], 0, None]
    found = online.run("estimate", "--model", "org/tiny", "--revision", "shards", *ESTIMATE)
    assert found["samples"] == 20
    assert len(hub.fetched(".safetensors")) <= len(shards) + 1, "the one that was stopped, again"


def test_weights_that_another_revision_has_are_not_fetched_again(online: Session, hub: Hub) -> None:
    assert online.ask("fetch", "org/tiny", "main")[3] is None
    del hub.asked[:]
    before, told, after, error = online.ask("fetch", "org/tiny", "reworded")
    assert (after, error) == (0, None)
    assert told == [[before, before]]
    assert hub.fetched(".safetensors") == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("org/gated", "is gated"),
        ("org/nowhere", "There is no 'org/nowhere'"),
        ("org/pickled", "pickle"),
        ("org/broken", "cannot be reached"),
    ],
)
def test_download_refuses_in_one_sentence(name: str, words: str, online: Session) -> None:
    *_, error = online.ask("fetch", name, None)
    assert error.startswith("ModelError: ")
    assert words in error
    assert "\n" not in error


def test_folders_have_nothing_to_download(online: Session) -> None:
    assert online.ask("fetch", "aster", None) == [0, [], 0, None]


def test_pickles_are_fetched_where_they_are_allowed(
    online: Session, hub: Hub, folder: Path
) -> None:
    path = folder / "home" / "config.toml"
    path.write_text('allow_pickle = ["org/pickled", "org/tiny"]')
    try:
        before, told, after, error = online.ask("fetch", "org/pickled", None)
        assert (error, after) == (None, 0)
        assert told[-1] == [before, before]
        found = online.run("estimate", "--model", "org/pickled", *ESTIMATE)
        assert found["samples"] == 20
        assert not [one.path for one in hub.asked if "/discussions" in one.path]
        assert online.ask("fetch", "org/tiny", "main")[0] == 0, "safetensors go first"
    finally:
        path.unlink()


def test_code_is_fetched_and_run_where_it_is_allowed(
    online: Session, hub: Hub, folder: Path
) -> None:
    path = folder / "home" / "config.toml"
    path.write_text('allow_remote_code = ["org/own"]')
    try:
        found = online.run("preflight", "--model", "org/own")
        assert "which runs" in json.dumps(found["findings"])
        found = online.run("estimate", "--model", "org/own", *ESTIMATE)
        assert found["samples"] == 20
        assert len(hub.fetched(".py")) == 1
    finally:
        path.unlink()
    assert "operator's configuration" in online.refused("preflight", "--model", "org/own")


def test_what_was_fetched_does_offline(online: Session, hub: Hub) -> None:
    """The last test here: the process stays offline."""
    online.run("preflight", "--model", "org/looked-at")
    first = online.run("estimate", "--model", "org/tiny", *ESTIMATE)
    second = online.run("estimate", "--model", "org/tiny", "--revision", "v2", *ESTIMATE)
    del hub.asked[:]
    online.ask("go_offline")
    offline = online
    assert offline.run("preflight", "--model", "org/tiny")["ok"] is True
    for arguments, known in (((), first), (("--revision", "v2"), second)):
        found = offline.run("estimate", "--model", "org/tiny", *arguments, *ESTIMATE)
        assert found["model_fingerprint"] == known["model_fingerprint"]
        assert found["estimate"] == known["estimate"]
    assert offline.ask("fetch", "org/tiny", None) == [0, [], 0, None]
    for command in ("preflight", "estimate"):
        more = ESTIMATE if command == "estimate" else ()
        told = offline.refused(command, "--model", "org/nowhere", *more)
        assert "'org/nowhere'" in told
    told = offline.refused("preflight", "--model", "org/looked-at")
    assert "the weights of 'org/looked-at' are not on this machine" in told
    assert hub.asked == []
