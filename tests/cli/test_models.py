"""Commands look at a model before they read it: what memory has room for, and what cannot be used."""

import json
import shutil
from pathlib import Path

import pytest

from core.cli.app import main
from core.models import devices
from core.models.loading import EMBEDDED_MODELS
from core.models.preflight import preflight

QUERY = "how do i open the larkspur vault"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EMBEDDED_MODELS / "aster", tmp_path / "copy"))


def run(capsys: pytest.CaptureFixture[str], model: Path, *more: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(
            ["estimate", "--query", QUERY, "--method", "mc", "--samples", "60", "--json",
             f"--model={model}", *more]
        )  # fmt: skip
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_a_copy_of_a_model_gives_its_draws(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    code, out, err = run(capsys, folder)
    assert (code, err) == (0, "")
    own = json.loads(run(capsys, Path("aster"))[1])
    found = json.loads(out)
    assert found["model_fingerprint"] == own["model_fingerprint"]
    assert found["mean_weight"] == own["mean_weight"] == 1.0


def test_less_memory_means_smaller_batches_and_the_same_draws(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = json.loads(run(capsys, folder)[1])
    seen = preflight(str(folder), batch_rows=8)
    assert seen.weights_bytes
    assert seen.cache_bytes
    assert seen.logits_bytes
    enough = seen.weights_bytes + 3 * (seen.cache_bytes + seen.logits_bytes)
    monkeypatch.setattr(devices, "_available", lambda: enough)
    monkeypatch.setattr(devices, "_container_limit", lambda: None)
    code, out, err = run(capsys, folder)
    assert code == 0
    assert "answers are computed at once, for memory has no room for 250" in err
    assert json.loads(out)["estimate"] == plain["estimate"]


def test_a_model_that_fits_nowhere_is_refused_before_it_is_read(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_available", lambda: 1_000)
    monkeypatch.setattr(devices, "_container_limit", lambda: None)
    code, out, err = run(capsys, folder)
    assert (code, out) == (2, "")
    assert "is refused (memory)" in err
    assert err.count("\n") == 1
