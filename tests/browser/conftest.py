"""The real app on a free port with a cache of its own, and a real browser to look at it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1200",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_app(port: int, cache: Path) -> subprocess.Popen[bytes]:
    """Returns the app's process once its port answers."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "pages.shared.serve"),
            *("--server.port", str(port), "--server.address", "127.0.0.1"),
        ],
        cwd=ROOT,
        env={**os.environ, "TAILSCOPE_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the app ended with exit code {process.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2)
            return process
        except OSError:
            time.sleep(0.2)
    process.terminate()
    raise RuntimeError("the app did not answer within 60 s")


@pytest.fixture(scope="session")
def app_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where the running app keeps what it has drawn."""
    return tmp_path_factory.mktemp("browser") / "cache"


@pytest.fixture(scope="session")
def app_url(app_cache: Path) -> Iterator[str]:
    """The address of the running app."""
    port = free_port()
    process = start_app(port, app_cache)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=20)


def open_browser(
    paths: tuple[str, str], profile: Path, *, watched: bool = False
) -> webdriver.Chrome:
    """Returns a browser with an empty profile. watched: whether it keeps a log of its requests."""
    options = webdriver.ChromeOptions()
    if watched:
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    options.binary_location = paths[0]
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(paths[1]))
    browser.set_page_load_timeout(60)
    return browser


@pytest.fixture(scope="session")
def driver(
    browser_paths: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[webdriver.Chrome]:
    """A browser."""
    browser = open_browser(browser_paths, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.quit()


@pytest.fixture
def other_driver(browser_paths: tuple[str, str], tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """A browser of someone else's."""
    browser = open_browser(browser_paths, tmp_path / "profile")
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def watched(
    browser_paths: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[webdriver.Chrome]:
    """A browser that keeps a log of its requests."""
    browser = open_browser(browser_paths, tmp_path_factory.mktemp("watched"), watched=True)
    yield browser
    browser.quit()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Adds what the browser shows to the report of a test that failed."""
    report = (yield).get_result()
    driver = getattr(item, "funcargs", {}).get("driver")
    if report.failed and driver is not None:
        report.sections.append(
            ("the page", driver.execute_script("return document.body.innerText"))
        )
