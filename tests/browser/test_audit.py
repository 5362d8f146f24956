"""An audit in a real browser: started, watched, stopped, gone on with, opened, and found again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from .conftest import free_port, start_app
from .steps import click_at, open_page, press, see, text, type_into, until

pytestmark = pytest.mark.browser

GRID = "[data-testid=stDataFrame] canvas[data-testid=data-grid-canvas]"


@pytest.fixture(scope="module")
def audit_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app with a user folder of its own: audits lie there."""
    base = tmp_path_factory.mktemp("audits")
    before = os.environ.get("TAILSCOPE_HOME")
    os.environ["TAILSCOPE_HOME"] = str(base / "home")
    port = free_port()
    process = start_app(port, Path(base) / "cache")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=60)
    if before is None:
        del os.environ["TAILSCOPE_HOME"]
    else:
        os.environ["TAILSCOPE_HOME"] = before


def rows_done(driver: Chrome) -> str:
    return next((line for line in text(driver).splitlines() if "rows done" in line), "")


def choose_first_row(driver: Chrome, table: int, shows: str) -> None:
    """Clicks it until what it shows is there: a click into a table that is just being replaced is lost."""

    def shown() -> bool:
        click_at(driver, GRID, table, 15, 55)
        with suppress(AssertionError):
            see(driver, shows, 40)
        return shows in text(driver)

    until(shown, 160, shows)


@pytest.mark.slow
def test_an_audit_is_started_stopped_resumed_and_found_again(
    audit_url: str, driver: Chrome
) -> None:
    open_page(driver, f"{audit_url}/audit", "Audit")
    see(driver, "20 queries × 2 models")
    type_into(driver, "How many of the 320", "3")
    type_into(driver, "Answers a query", "1000")
    see(driver, "3 queries × 2 models")
    see(driver, "6,006 answers")
    press(driver, "Start the audit")
    until(lambda: "audit=" in driver.current_url, 60, "the audit in the address")
    see(driver, "rows done", 120)
    until(lambda: "answers drawn" in rows_done(driver), 180, "answers")

    driver.get(driver.current_url)  # a reload finds it at work
    see(driver, "rows done")
    press(driver, "Cancel")
    see(driver, "cancelled")
    assert not rows_done(driver).startswith("6 of 6")

    press(driver, "Go on")
    until(lambda: "New audit" in text(driver) and not rows_done(driver), 300, "the end")
    assert "so far" not in text(driver)
    see(driver, "Ranks, 1 the safest")

    choose_first_row(driver, -1, "Answers that carry the weight")
    see(driver, "Harmful answers, the heaviest first")

    open_page(driver, f"{audit_url}/runs", "Runs")
    see(driver, "1 of 1.")
    choose_first_row(driver, 0, "3 misuse queries asked of aster, briar")
    press(driver, "Delete ...")
    press(driver, "Delete it")
    see(driver, "Nothing was run yet")
