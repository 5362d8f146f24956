"""What every test shares: a private cache, no network, and plain words about tests left out."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings

from core.models.fetched import PROVENANCE, models_folder

MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
REAL = "smollm2"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", MAC_CHROME)


class Browser(NamedTuple):
    """Where the browser and its driver are."""

    binary: str
    driver: str


def find_browser() -> Browser | None:
    """Returns the first Chromium found together with its driver, or None."""
    binary = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    return Browser(binary, driver) if binary and driver else None


def missing_browser_parts() -> str:
    """Returns what is missing for the browser tests, in words."""
    missing = []
    if not any(shutil.which(name) for name in BROWSERS):
        missing.append("chromium")
    if not shutil.which("chromedriver"):
        missing.append("chromedriver")
    return " and ".join(missing)


@pytest.fixture(scope="session")
def browser_paths() -> Browser:
    """Returns the browser and its driver; tests marked `browser` only run where both exist."""
    browser = find_browser()
    if browser is None:
        pytest.skip(f"needs {missing_browser_parts()}")
    return browser


def pytest_configure(config: pytest.Config) -> None:
    """Keeps the tests off the user's own cache and off the network."""
    folder = tempfile.mkdtemp(prefix="tailscope-tests-")
    # Tests marked `real` read the model that was fetched; no other test may see it.
    os.environ.setdefault("TAILSCOPE_REAL_MODELS", str(models_folder()))
    os.environ["TAILSCOPE_MODELS"] = str(Path(folder) / "models")
    os.environ["TAILSCOPE_CACHE"] = str(Path(folder) / "cache")
    os.environ["TAILSCOPE_HOME"] = str(Path(folder) / "home")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # A busy machine is no failure, and the repository stays free of example files.
    settings.register_profile("tailscope", deadline=None, database=None)
    settings.load_profile("tailscope")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(autouse=True)
def _keep_main() -> Iterator[None]:
    """Streamlit's AppTest leaves its script as `__main__`, which processes started later would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips the tests of the browser where there is none, and those of the real model where it is not."""
    lacking = {}
    if find_browser() is None:
        lacking["browser"] = f"needs {missing_browser_parts()}"
    if not real_model_is_here():
        lacking["real"] = f"needs the model {REAL}: `tailscope models get {REAL}`"
    for marker, reason in lacking.items():
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def real_model_is_here() -> bool:
    """Returns whether the real model was fetched into the user's folder, or the one that is named."""
    return (Path(os.environ["TAILSCOPE_REAL_MODELS"]) / REAL / PROVENANCE).is_file()


@pytest.fixture
def real_model(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the fetched real model, which is on this machine; for tests marked `real`."""
    monkeypatch.setenv("TAILSCOPE_MODELS", os.environ["TAILSCOPE_REAL_MODELS"])
    return REAL


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names the tests of browser and real model that did not run, so that a green run does not hide them."""
    _name_real_tests(terminalreporter)
    left_out = {
        report.nodeid
        for report in terminalreporter.stats.get("skipped", [])
        if "browser" in getattr(report, "keywords", {})
    }
    left_out |= {
        item.nodeid
        for item in terminalreporter.stats.get("deselected", [])
        # Of the slow ones the other target says what came of them.
        if item.get_closest_marker("browser") and not item.get_closest_marker("slow")
    }
    if not left_out:
        return
    missing = missing_browser_parts()
    why = f" ({missing} not found; on Debian: apt install chromium chromium-driver)"
    terminalreporter.section("browser tests left out", sep="=")
    terminalreporter.write_line(
        f"{len(left_out)} browser tests did NOT run{why if missing else ''}:"
    )
    for nodeid in sorted(left_out):
        terminalreporter.write_line(f"  {nodeid}")


def _name_real_tests(reporter: pytest.TerminalReporter) -> None:
    skipped = reporter.stats.get("skipped", [])
    left_out = {one.nodeid for one in skipped if "real" in getattr(one, "keywords", {})}
    if left_out:
        reporter.section("tests of the real model left out", sep="=")
        reporter.write_line(f"{REAL} was not fetched (`tailscope models get {REAL}`):")
        for nodeid in sorted(left_out):
            reporter.write_line(f"  {nodeid}")
