"""How long a newcomer waits: from `make app` to the first number on screen, in headless Chromium.

    python -m benchmarks.first_number

Needs an installed `.venv`, Chromium and its driver. Runs `make app` on a free port with an empty cache, opens
the start page, presses the button that starts the estimate, and waits for the headline. Prints the seconds
until the page is served, until the button is there (the model is loaded by then), and until the number.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"[\d.,]+ per million")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1400,900",
)  # fmt: skip


def main() -> None:
    began = time.monotonic()
    with running_app() as (address, driver):
        print(f"{time.monotonic() - began:6.1f} s: the page is served", flush=True)
        driver.get(address)
        wait(lambda: button(driver) is not None, "the model is loaded, the page is there", began)
        found = button(driver)
        assert found is not None
        found.click()
        wait(lambda: headline(driver), "the first number is on screen", began)


@contextmanager
def running_app() -> Iterator[tuple[str, WebDriver]]:
    """Yields the address of `make app` with an empty cache, once it answers, and a browser."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        app = subprocess.Popen(
            ["make", "app", f"PORT={port}"],
            cwd=ROOT,
            env={**os.environ, "TAILSCOPE_CACHE": f"{folder}/cache"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        driver = browser(folder)
        try:
            while not served(port):
                if app.poll() is not None:
                    raise RuntimeError(f"make app ended with exit code {app.returncode}")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", driver
        finally:
            os.killpg(app.pid, signal.SIGTERM)
            driver.quit()


def browser(folder: str) -> WebDriver:
    """Returns a headless Chromium with an empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={folder}/profile"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    return webdriver.Chrome(options=options, service=service)


def wait(ready: Callable[[], bool], what: str, began: float) -> None:
    """Waits for it and prints the seconds since the beginning.

    Raises:
        TimeoutError: not within two minutes.
    """
    while not ready():
        if time.monotonic() - began > 120:
            raise TimeoutError(what)
        time.sleep(0.05)
    print(f"{time.monotonic() - began:6.1f} s: {what}", flush=True)


def served(port: int) -> bool:
    """Returns whether the app answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def button(driver: WebDriver):  # type: ignore[no-untyped-def]
    """Returns the button that starts an estimate, or None."""
    found = driver.find_elements(By.XPATH, "//button[contains(., 'stimate')]")
    return found[0] if found and found[0].is_displayed() else None


def headline(driver: WebDriver) -> bool:
    """Returns whether a number is on screen."""
    text = driver.find_element(By.TAG_NAME, "body").text
    return NUMBER.search(text) is not None and "interval" in text


if __name__ == "__main__":
    main()
