"""The operator's configuration: the only thing that grants anything, and never by a slip."""

import json
from pathlib import Path

import pytest

from core.cli.app import main
from core.errors import SpecError
from core.models.loading import load_model
from core.models.preflight import preflight
from core.settings.operator import (
    NOTHING,
    OperatorSpec,
    Permissions,
    as_path,
    operator,
    user_folder,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("TAILSCOPE_HOME", str(folder))
    return folder


def write(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "allow_pickle = []\n"])
def test_nothing_is_allowed_unless_it_is_written(text: str | None, home: Path) -> None:
    if text is not None:
        write(home, text)
    assert operator() == OperatorSpec()
    for name in ("aster", "org/model", "*", "", str(home)):
        assert operator().permissions(name) == NOTHING == Permissions(False, False)


def test_no_folder_at_all_allows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "no" / "such"))
    assert operator() == OperatorSpec()


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path))
    assert user_folder() == tmp_path
    monkeypatch.delenv("TAILSCOPE_HOME")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert user_folder() == tmp_path / "xdg" / "tailscope"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # which the standard says to ignore
    assert user_folder() == Path.home() / ".config" / "tailscope"
    monkeypatch.setattr("sys.platform", "darwin")
    assert user_folder() == Path.home() / "Library" / "Application Support" / "tailscope"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('allow_pickle = "*"', "allow_pickle must be a list of names, got '*'"),
        ('allow_remote_code = "org/*"', "allow_remote_code must be a list of names, got 'org/*'"),
        ("allow_pickle = true", "allow_pickle must be a list of names, got True"),
        ("allow_pickle = [3]", "[3]"),
        ('allow_pickle = ["a", ["*"]]', "['*']"),
        ('allow_pickle = [""]', "['']"),
        ("judges = {a = 1}", "judges"),
        ('allow_pickles = ["a"]', "allow_pickles is not a setting"),
        ('[allow]\npickle = ["a"]', "allow is not a setting"),
        ("allow_pickle = [", "config.toml"),
        ('allow_pickle = ["a"]\nallow_pickle = ["b"]', "config.toml"),
    ],
)
def test_a_slip_is_one_sentence_and_grants_nothing(
    text: str, named: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, text)
    with pytest.raises(SpecError) as told:
        operator()
    assert named in str(told.value)
    assert str(home / "config.toml") in str(told.value)
    for use in (load_model, preflight):
        with pytest.raises(SpecError, match=r"config\.toml"):
            use("aster")
    with pytest.raises(SystemExit) as stop:
        main(["preflight", "--json"])
    out, err = capsys.readouterr()
    assert (stop.value.code, out, err.count("\n")) == (2, "", 1)
    assert named in err


def test_a_file_that_is_no_text_is_one_sentence(home: Path) -> None:
    (home / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match=r"config\.toml"):
        operator()
    (home / "config.toml").unlink()
    (home / "config.toml").mkdir()
    with pytest.raises(SpecError, match=r"config\.toml"):
        operator()


def test_each_permission_stands_alone(home: Path) -> None:
    write(home, 'allow_pickle = ["org/a", "org/b"]\nallow_remote_code = ["org/b"]\njudges = ["j"]')
    assert operator().permissions("org/a") == Permissions(pickle=True, remote_code=False)
    assert operator().permissions("org/b") == Permissions(pickle=True, remote_code=True)
    for other in ("org/c", "org", "org/a/", "org/ab", "ORG/A", "org/*", "j", "*"):
        assert operator().permissions(other) == NOTHING, other
    assert operator().judges == ("j",)


def test_a_star_is_every_model(home: Path, tmp_path: Path) -> None:
    write(home, 'allow_pickle = ["*"]')
    for name in ("org/a", "aster", str(tmp_path), "no such"):
        assert operator().permissions(name) == Permissions(pickle=True, remote_code=False)
    write(home, 'allow_pickle = ["org/*"]')
    assert operator().permissions("org/a") == NOTHING  # only alone is it a pattern


def test_a_folder_however_it_is_spelled(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "models" / "mine"
    model.mkdir(parents=True)
    (tmp_path / "models" / "other").mkdir()
    link = tmp_path / "link"
    link.symlink_to(model)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "models")
    spellings = ("~/models/mine", "~/models/mine/", str(model), f"{model}/", str(link))
    for written in spellings:
        write(home, f"allow_pickle = [{json.dumps(written)}]")
        for asked in (*spellings, "mine", "./mine", "../models/mine"):
            assert operator().permissions(asked).pickle, (written, asked)
        for asked in ("other", "~/models/other", str(model.parent), f"{model}/../other", ".", ""):
            assert operator().permissions(asked) == NOTHING, (written, asked)
    link.unlink()
    link.symlink_to(tmp_path / "models" / "other")
    write(home, f"allow_pickle = [{json.dumps(str(model))}]")
    assert operator().permissions(str(link)) == NOTHING


def test_a_hub_id_lets_in_no_folder_of_that_name(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home, 'allow_remote_code = ["org/model"]')
    monkeypatch.chdir(tmp_path)
    assert operator().permissions("org/model").remote_code
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert operator().permissions("org/model") == NOTHING


def test_a_home_that_is_nobodys(home: Path) -> None:
    name = "~no-such-user-here/model"
    assert as_path(name) == Path(name)
    write(home, f'allow_pickle = ["{name}"]')
    assert not operator().permissions(str(home)).pickle
    assert [finding.code for finding in preflight(name).refused] == ["not_found"]


def test_nothing_in_a_models_folder_grants_anything(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    granting = 'allow_pickle = ["*"]\nallow_remote_code = ["*"]\n'
    for name in ("config.toml", "tailscope.toml", ".env"):
        (model / name).write_text(granting)
    (model / ".config" / "tailscope").mkdir(parents=True)
    (model / ".config" / "tailscope" / "config.toml").write_text(granting)
    wishes = {"allow_pickle": ["*"], "trust_remote_code": True, "use_safetensors": False}
    (model / "config.json").write_text(json.dumps({"model_type": "llama", **wishes}))
    (model / "tokenizer_config.json").write_text(json.dumps(wishes))
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    monkeypatch.chdir(model)
    for name in (str(model), ".", "../model"):
        assert operator().permissions(name) == NOTHING
        found = preflight(name)
        assert "pickle" in next(f.message for f in found.refused if f.code == "weights")
