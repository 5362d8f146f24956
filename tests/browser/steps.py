"""What a person does on a page: looks, waits, clicks, types.

A page is drawn anew at any moment. A step that met what was just being replaced is taken again; one that was
taken is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    MoveTargetOutOfBoundsException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")

NOT_YET = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    MoveTargetOutOfBoundsException,
    NoSuchElementException,
    StaleElementReferenceException,
)
AT_WORK = "[data-testid=stStatusWidget], [data-stale=true]"


def until(check: Callable[[], T], seconds: float = 120.0, what: str = "") -> T:
    """Returns the first true result of check."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = check()
            if found:
                return found
        except NOT_YET:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not seen within {seconds:g} s: {what or check}")


def text(driver: Chrome) -> str:
    return str(driver.execute_script("return document.body.innerText"))


def see(driver: Chrome, words: str, seconds: float = 120.0) -> None:
    until(lambda: words in text(driver), seconds, f"{words!r}")


def settle(driver: Chrome) -> None:
    """Waits until no run is under way: what is typed during one may come after the next."""
    time.sleep(0.5)
    until(lambda: not driver.find_elements(By.CSS_SELECTOR, AT_WORK), 60.0, "a quiet page")
    time.sleep(0.5)


def in_the_middle(driver: Chrome, element: WebElement) -> None:
    """Scrolls so that the element is not under the page's head."""
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)


def button(driver: Chrome, words: str) -> WebElement:
    """Returns the first button with these words that can be pressed."""

    def find() -> WebElement | None:
        found = driver.find_elements(By.TAG_NAME, "button")
        return next((one for one in found if words in one.text and one.is_enabled()), None)

    found = until(find, 30.0, f"button {words!r}")
    assert found is not None
    return found


def press(driver: Chrome, words: str) -> None:
    """Presses a button."""

    def pressed() -> bool:
        found = button(driver, words)
        in_the_middle(driver, found)
        found.click()
        return True

    until(pressed, 60.0, f"button {words!r} to press")


def follow(driver: Chrome, words: str) -> None:
    """Follows a link."""

    def followed() -> bool:
        driver.find_element(By.PARTIAL_LINK_TEXT, words).click()
        return True

    until(followed, 30.0, f"link {words!r}")


def field(driver: Chrome, label: str) -> WebElement:
    """Returns the field with this label."""
    return until(
        lambda: driver.find_element(By.CSS_SELECTOR, f"[aria-label='{label}']"), 30.0, label
    )


def type_into(driver: Chrome, label: str, words: str) -> None:
    """Types into a field of a quiet page instead of what stands there, and leaves it: it is read then."""
    settle(driver)

    def typed() -> bool:
        box = field(driver, label)
        in_the_middle(driver, box)
        box.send_keys("\ue009a\ue000", words, "\ue004")  # Ctrl+A, then Tab
        return True

    until(typed, 30.0, label)


def click_at(driver: Chrome, css: str, number: int, left: int, top: int) -> None:
    """Clicks into the number-th element of a kind. left, top: pixels from its corner."""

    def clicked() -> bool:
        found = driver.find_elements(By.CSS_SELECTOR, css)[number:][:1]
        if not found or not found[0].size["height"]:
            return False
        in_the_middle(driver, found[0])
        time.sleep(0.5)
        width, height = found[0].size["width"], found[0].size["height"]
        ActionChains(driver).move_to_element_with_offset(
            found[0], left - width // 2, top - height // 2
        ).click().perform()
        return True

    until(clicked, 60.0, css)


def open_page(driver: Chrome, url: str, heading: str) -> None:
    """Opens an address and waits for the page's title."""
    driver.get(url)
    until(
        lambda: any(one.text == heading for one in driver.find_elements(By.TAG_NAME, "h1")),
        60.0,
        f"page {heading!r}",
    )
