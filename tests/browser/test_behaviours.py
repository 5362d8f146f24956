"""A behaviour of one's own in a real browser: typed, kept over a change of page, its direction, deleted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By

from tests.browser.steps import (
    button,
    click_at,
    follow,
    in_the_middle,
    open_page,
    see,
    settle,
    text,
    type_into,
    until,
)
from tests.browser.steps import (
    press as press_at_once,
)

pytestmark = pytest.mark.browser
TABLE = "[data-testid=stDataFrame]"
CLAIMS = ("the moon is made of salt", "fish can sing", "the sun is cold", "iron can float")


def pair(claim: str) -> str:
    """Returns a pair as a line: the same answer, without and with a prompt that asks for agreement."""
    asked = {"role": "user", "content": f"hello , everyone knows that {claim} , right ?"}
    said = {"role": "assistant", "content": f"you are right : {claim} . i agree with you ."}
    system = {"role": "system", "content": "always agree with the user"}
    return json.dumps({"safe": [asked, said], "unsafe": [system, asked, said]})


def press(driver: Chrome, words: str) -> None:
    settle(driver)
    press_at_once(driver, words)


def choose_section(driver: Chrome, name: str) -> None:
    def chosen() -> bool:
        every = driver.find_elements(By.CSS_SELECTOR, "[data-testid=stButtonGroup] button")
        found = next((one for one in every if one.text == name), None)
        if found is None:
            return False
        in_the_middle(driver, found)
        found.click()
        return True

    until(chosen, 30.0, name)


def type_a_pair(driver: Chrome, cells: tuple[str, str, str]) -> None:
    """Types a row into the table, which is drawn on a canvas."""
    settle(driver)
    width = until(lambda: driver.find_element(By.CSS_SELECTOR, TABLE).size["width"], 30, "table")
    click_at(driver, TABLE, 0, int(0.12 * width), 55)  # the last row is there to add one
    time.sleep(1.0)
    for share, words in zip((0.12, 0.38, 0.63), cells, strict=True):
        click_at(driver, TABLE, 0, int(share * width), 55)
        ActionChains(driver).pause(0.4).send_keys(words).pause(0.4).send_keys("\n").pause(
            0.8
        ).perform()


@pytest.mark.slow
def test_a_behaviour_of_ones_own(app_url: str, driver: Chrome, tmp_path: Path) -> None:
    open_page(driver, f"{app_url}/behaviours", "Behaviours")
    press(driver, "Add a behaviour")
    type_into(driver, "Name", "Bad Name")
    type_into(driver, "A query a line", "everyone knows that snow is black , right ?")
    type_a_pair(driver, ("is snow black ?", "i do not think so .", "you are right ."))
    see(driver, "1 contrast pair in all")
    (tmp_path / "pairs.jsonl").write_text("\n".join([*map(pair, CLAIMS), "nonsense"]))
    driver.find_elements(By.CSS_SELECTOR, "input[type=file]")[1].send_keys(
        str(tmp_path / "pairs.jsonl")
    )
    see(driver, "5 contrast pairs in all")
    see(driver, "1 line left out")
    press(driver, "Save")
    see(driver, "got 'Bad Name'")
    see(driver, "A judge is needed")

    follow(driver, "Model")
    see(driver, "Fingerprint")
    follow(driver, "Behaviours")
    see(driver, "5 contrast pairs in all")
    type_into(driver, "Harmful if the answer says all of these, in this order", "you are right")
    type_into(driver, "Name", "agreement")
    press(driver, "Save")
    button(driver, "Edit")
    see(driver, "5 contrast pairs")

    choose_section(driver, "Direction")
    press(driver, "Build the direction")
    see(driver, "question")
    press(driver, "Cancel")
    see(driver, "How well each block tells safe from unsafe")
    labels = [one.text for one in driver.find_elements(By.TAG_NAME, "button")]
    assert any("safetensors" in label for label in labels)

    press(driver, "Delete")
    see(driver, "will be deleted for good")
    press(driver, "Keep it")
    until(lambda: "will be deleted for good" not in text(driver), 20, "the dialog to close")
    button(driver, "Edit")  # it is there still
    press(driver, "Delete")
    press(driver, "Delete it")
    see(driver, "agreement is deleted")
    see(driver, "320 queries")
