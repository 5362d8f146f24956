"""How long the Tails page takes to follow its slider, in headless Chromium.

    python -m benchmarks.redraw [--moves N]

Needs an installed `.venv`, Chromium and its driver. Opens the shipped example and moves the start of the tail
with the arrow keys, one step every three seconds: first as soon as the page is there, then once more after a
rest in which the other starts have been fitted. Prints the milliseconds from the key to the new forecast in
words, and to the last change in any chart.
"""

import argparse
import time

import numpy as np
from selenium.webdriver import Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.ui import WebDriverWait

from benchmarks.first_number import running_app

THUMB = "[data-testid=stSlider] input[type=range]"
REST_SECONDS = 15.0
# A new forecast shows in its own sentence; charts show when they are no longer stale.
WATCH = """
const done = arguments[arguments.length - 1];
const told = () => {
  const all = document.body.innerText, at = all.indexOf("The tail is the ");
  return all.slice(at, at + 40);
};
const old = told(), start = performance.now();
window.found = [null, null];
if (window.watching) window.watching.disconnect();
window.watching = new MutationObserver(changes => {
  const now = performance.now() - start;
  if (window.found[0] === null && told() !== old) window.found[0] = now;
  for (const one of changes) {
    const of = one.target.nodeType === 1 ? one.target : one.target.parentElement;
    if (of && of.closest("[data-testid=stVegaLiteChart]") && !("stale" in of.dataset)) window.found[1] = now;
  }
});
const all = {subtree: true, childList: true, characterData: true, attributes: true};
window.watching.observe(document.body, all);
done();
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=6)
    options = parser.parse_args()
    with running_app() as (address, driver):
        driver.set_window_size(1400, 1440)
        driver.get(f"{address}/tails")
        example = (By.XPATH, "//button[contains(., 'Show the example')]")
        WebDriverWait(driver, 60).until(element_to_be_clickable(example)).click()
        print_medians("at once", [moved(driver, Keys.ARROW_RIGHT) for _ in range(options.moves)])
        time.sleep(REST_SECONDS)
        print_medians(
            "after a rest", [moved(driver, Keys.ARROW_RIGHT) for _ in range(options.moves)]
        )


def moved(driver: WebDriver, key: str) -> tuple[float, float]:
    """Moves the slider by a step; returns the milliseconds to the new words and to the last change."""
    thumb = WebDriverWait(driver, 60).until(lambda one: one.find_element(By.CSS_SELECTOR, THUMB))
    driver.execute_script("arguments[0].focus()", thumb)
    driver.execute_async_script(WATCH)
    driver.switch_to.active_element.send_keys(key)
    time.sleep(3)
    words, charts = driver.execute_script("return window.found")
    return float(words), float(charts)


def print_medians(when: str, found: list[tuple[float, float]]) -> None:
    """Prints the times of some moves."""
    for name, times in zip(("words", "charts"), np.array(found).T, strict=True):
        each = " ".join(f"{one:.0f}" for one in times)
        print(f"{when}: {name} median {np.median(times):.0f} ms ({each})", flush=True)


if __name__ == "__main__":
    main()
