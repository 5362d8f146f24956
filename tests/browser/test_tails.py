"""The Tails page in a real browser: the slider moves every picture in place, and a reload has the example."""

from __future__ import annotations

import time

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

from tests.browser.steps import AT_WORK, in_the_middle, open_page, press, see, text, until
from tests.browser.test_app import CHART, STATE

pytestmark = pytest.mark.browser

THUMB = "[data-testid=stSlider] input[type=range]"
# So many of 320 at most are a tail.
RISKIEST = "The tail is the 65 riskiest"


def start_of_tail(driver: Chrome) -> str:
    """Returns what the slider says, as '1,410 per million · 160 queries'."""
    return next((line for line in text(driver).splitlines() if line.endswith(" queries")), "")


def settled(driver: Chrome) -> bool:
    return not driver.find_elements(By.CSS_SELECTOR, AT_WORK)


@pytest.mark.slow
def test_the_slider_moves_everything_in_place(app_url: str, driver: Chrome) -> None:
    open_page(driver, f"{app_url}/tails", "Tails")
    press(driver, "Show the example")
    see(driver, "The riskiest of 4,000 questions like these", 120)
    see(driver, "Where the tail starts")
    until(lambda: settled(driver), 60, "a quiet page")
    fan = until(lambda: driver.execute_script(STATE, CHART), what="the fan")
    before, charts = start_of_tail(driver), len(driver.find_elements(By.CSS_SELECTOR, CHART))
    assert charts >= 6
    assert RISKIEST in text(driver)

    thumb = driver.find_element(By.CSS_SELECTOR, THUMB)
    in_the_middle(driver, thumb)
    driver.execute_script("arguments[0].focus()", thumb)
    driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    until(lambda: start_of_tail(driver) not in ("", before), 30, "another start")
    until(lambda: RISKIEST not in text(driver), 30, "another forecast")
    until(lambda: settled(driver), 60, "a quiet page")
    time.sleep(0.5)
    now = driver.execute_script(STATE, CHART)
    assert now["number"] == fan["number"], "the fan was drawn anew"
    assert now["paths"] != fan["paths"], "the fan did not move"
    assert len(driver.find_elements(By.CSS_SELECTOR, CHART)) == charts

    press(driver, "Automatic")
    see(driver, RISKIEST)


@pytest.mark.study
def test_beyond_its_reach_it_offers_how_far(app_url: str, driver: Chrome) -> None:
    open_page(driver, f"{app_url}/tails", "Tails")
    press(driver, "Show the example")
    see(driver, "The riskiest of 4,000 questions like these", 120)
    until(lambda: settled(driver), 60, "a quiet page")
    press(driver, "1 million")
    see(driver, "Ask about 4,000")
    assert "The riskiest of 1,000,000 questions like these would" not in text(driver)
    press(driver, "Ask about 4,000")
    see(driver, "The riskiest of 4,000 questions like these")
