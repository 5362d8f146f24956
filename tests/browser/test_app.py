"""The story a newcomer sees, in a real browser: a number, a live chart, and a run that stays."""

from __future__ import annotations

import time

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.browser.steps import (
    button,
    follow,
    in_the_middle,
    open_page,
    press,
    see,
    text,
    type_into,
    until,
)

pytestmark = pytest.mark.browser

# The view that vega-embed leaves on its element; its x domain is what the user has zoomed to.
CHART = "[data-testid=stVegaLiteChart]"
STATE = """
const box = document.querySelector(arguments[0]);
if (!box) return null;
const drawn = box.querySelector('canvas, svg');
if (!drawn) return null;
window.tailscopeSeen = window.tailscopeSeen || [];
let number = window.tailscopeSeen.indexOf(drawn);
if (number < 0) { window.tailscopeSeen.push(drawn); number = window.tailscopeSeen.length - 1; }
let ink = 0;
if (drawn.tagName.toLowerCase() === 'canvas') {
  const data = drawn.getContext('2d').getImageData(0, 0, drawn.width, drawn.height).data;
  for (let i = 3; i < data.length; i += 4 * 7) if (data[i] > 0) ink++;
} else {
  ink = drawn.querySelectorAll('path').length;
}
const labels = [...drawn.querySelectorAll('.role-axis-label text')].map(e => e.textContent);
const paths = [...drawn.querySelectorAll('.mark-area path, .mark-line path')]
  .map(e => e.getAttribute('d')).join('|');
return {number, ink, labels: labels.join(','), paths, kind: drawn.tagName};
"""


def start_run(driver: Chrome, app_url: str, importance: int, monte_carlo: int) -> None:
    """Starts a run from a fresh session on the Convergence page."""
    open_page(driver, f"{app_url}/convergence", "Convergence")
    type_into(driver, "Importance sampling: answers", str(importance))
    type_into(driver, "Monte Carlo: answers", str(monte_carlo))
    press(driver, "Estimate the risk")


def answers_drawn(driver: Chrome) -> str:
    """Returns the words above Monte Carlo's progress bar."""
    bars = driver.find_elements(By.CSS_SELECTOR, "[data-testid=stProgress]")
    return next((bar.text for bar in bars if bar.text.startswith("Monte Carlo")), "")


def test_a_newcomer_gets_a_number(app_url: str, driver: Chrome) -> None:
    open_page(driver, app_url, "How often does this model give a harmful answer?")
    began = time.monotonic()
    press(driver, "Estimate the risk")
    see(driver, "per million")
    until(lambda: any(word in text(driver) for word in ("Trust", "Caution", "Do not use")))
    assert time.monotonic() - began < 60
    see(driver, "Samples saved")
    until(lambda: "run=" in driver.current_url, 10, "the run in the address")
    press(driver, "Cancel")
    see(driver, "cancelled")


@pytest.mark.slow
def test_the_chart_updates_in_place_and_keeps_its_zoom(app_url: str, driver: Chrome) -> None:
    start_run(driver, app_url, 250, 200_000)
    until(lambda: driver.execute_script(STATE, CHART), what="chart")
    # The first draws change the layout of the axes; what follows must be one and the same element.
    until(lambda: "," in answers_drawn(driver).split(" of ")[0], what="1,000 answers")
    first = driver.execute_script(STATE, CHART)
    changes, before, counts = 0, first, set()
    began = time.monotonic()
    # Ten seconds, or as long as a machine with other work takes to draw a few more answers.
    while time.monotonic() - began < (10 if changes >= 3 else 90):
        now = driver.execute_script(STATE, CHART)
        assert now is not None, "the chart went away"
        assert now["number"] == first["number"], "the chart was drawn anew"
        assert now["ink"] > 0, "the chart was blank"
        if now["paths"] != before["paths"]:
            changes, before = changes + 1, now
        counts.add(answers_drawn(driver).partition(" of ")[0])
        time.sleep(0.05)
    # Once a second, or as often as there was something new, where the machine is slower than that.
    assert changes >= min(8, len(counts) - 2), f"{changes} updates, {len(counts)} counts"
    assert changes >= 2

    chart = driver.find_element(By.CSS_SELECTOR, CHART)
    in_the_middle(driver, chart)
    driver.execute_script(
        """
        const drawn = arguments[0].querySelector('canvas, svg');
        const box = drawn.getBoundingClientRect();
        for (let i = 0; i < 4; i++) drawn.dispatchEvent(new WheelEvent('wheel', {
          bubbles: true, cancelable: true, ctrlKey: true, deltaY: -300,
          clientX: box.left + box.width / 2, clientY: box.top + box.height / 2}));
        """,
        chart,
    )
    time.sleep(0.5)
    zoomed = driver.execute_script(STATE, CHART)
    assert zoomed["labels"] != first["labels"], "the wheel did not zoom"
    ActionChains(driver).move_to_element(chart).click_and_hold().move_by_offset(
        60, 20
    ).release().perform()
    time.sleep(0.5)
    dragged = driver.execute_script(STATE, CHART)
    until(lambda: driver.execute_script(STATE, CHART)["paths"] != dragged["paths"], 20, "updates")
    time.sleep(3)
    after = driver.execute_script(STATE, CHART)
    assert after["number"] == first["number"]
    assert after["labels"] == dragged["labels"], "updates lost the zoom"
    press(driver, "Cancel")
    see(driver, "cancelled")


@pytest.mark.slow
def test_pause_resume_cancel(app_url: str, driver: Chrome) -> None:
    start_run(driver, app_url, 251, 1_000_000)
    press(driver, "Pause")
    see(driver, "paused")
    time.sleep(2)  # the shard in flight
    driver.refresh()
    see(driver, "paused")
    stood = until(lambda: answers_drawn(driver))
    time.sleep(3)
    assert answers_drawn(driver) == stood
    press(driver, "Resume")
    until(lambda: "left" in answers_drawn(driver) and answers_drawn(driver) != stood, 30)
    press(driver, "Cancel")
    see(driver, "cancelled")
    button(driver, "Go on")


@pytest.mark.slow
def test_a_run_survives_a_page_change_and_a_reload(app_url: str, driver: Chrome) -> None:
    start_run(driver, app_url, 252, 1_000_000)
    see(driver, "per million")
    until(lambda: "run=" in driver.current_url, 10, "the run in the address")
    address = driver.current_url
    follow(driver, "Model")
    see(driver, "Fingerprint")
    follow(driver, "Convergence")
    see(driver, "Samples saved")
    assert "left" in until(lambda: answers_drawn(driver))
    driver.get(address)
    see(driver, "Samples saved")
    assert "left" in until(lambda: answers_drawn(driver))
    press(driver, "Cancel")
    see(driver, "cancelled")


def in_use(driver: Chrome) -> str:
    """Returns what the search says of the settings in use."""
    return next((line for line in text(driver).split("\n") if line.startswith("In use")), "")


@pytest.mark.study
def test_a_click_on_the_surface_applies_its_settings(app_url: str, driver: Chrome) -> None:
    open_page(driver, f"{app_url}/proposal", "Proposal")
    see(driver, "Useful share")
    press(driver, "Context")
    see(driver, "In the other context")
    press(driver, "Find the best settings")
    see(driver, "Use the best")
    assert "strength 1, " in until(lambda: in_use(driver))

    def cells() -> list[WebElement]:
        # The heat map is the chart with the most rectangles.
        found = [
            chart.find_elements(By.CSS_SELECTOR, ".mark-rect path")
            for chart in driver.find_elements(By.CSS_SELECTOR, CHART)
        ]
        return max(found, key=len, default=[])

    # 5 strengths by 14 switches, in this order; then the frame around what is in use.
    until(lambda: len(cells()) > 70, what="the cells of the surface")

    def clicked() -> bool:
        cell = cells()[2 * 14 + 11]
        in_the_middle(driver, cell)
        ActionChains(driver).move_to_element(cell).click().perform()
        return True

    until(clicked, 30, "a cell to click")
    until(lambda: "strength 0.75, mixed 0.05, 30 tokens" in in_use(driver), 20, "the cell in use")
    assert "would give about ±" in in_use(driver)
    sliders = driver.find_elements(By.CSS_SELECTOR, "[data-testid=stSlider]")
    strength = next(one for one in sliders if "How far towards it" in one.text)
    until(lambda: "0.75" in strength.text, 20, "the slider to follow")
