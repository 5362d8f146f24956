"""Addresses of pages that are the first thing a server is asked for, as after its restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.browser.conftest import free_port, start_app
from tests.browser.steps import see, settle, text, until

pytestmark = pytest.mark.browser

PAGES = ("Start", "Model", "Proposal", "Convergence", "Audit", "Tails", "Deployment", "Runs")


@pytest.mark.slow
def test_two_tabs_of_a_restarted_server_show_the_app(driver: Chrome, tmp_path: Path) -> None:
    port = free_port()
    process = start_app(port, tmp_path / "cache")
    before = driver.current_window_handle
    try:
        driver.switch_to.new_window("tab")
        driver.execute_script(
            "window.open(arguments[0]); window.location = arguments[0]",
            f"http://127.0.0.1:{port}/convergence",
        )
        until(lambda: len(driver.window_handles) == 3, 30.0, "the second tab")
        for handle in set(driver.window_handles) - {before}:
            driver.switch_to.window(handle)
            see(driver, "Importance sampling: answers")
            settle(driver)
            menu = driver.find_element(By.CSS_SELECTOR, "[data-testid=stSidebarNav]").text
            assert [name for name in PAGES if name not in menu.split("\n")] == []
            assert (
                "Behaviour" in driver.find_element(By.CSS_SELECTOR, "[data-testid=stSidebar]").text
            )
            assert not driver.find_elements(By.CSS_SELECTOR, "[role=dialog]")
            assert "Page not found" not in text(driver)
            assert driver.current_url.endswith("/convergence")
            driver.close()
    finally:
        driver.switch_to.window(before)
        process.terminate()
        process.wait(timeout=20)
