"""The Tails page's choices in its address, so that a reload and a link find them; no query is in it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from core.models.embedded import embedded_models
from core.runs.run import is_run_id
from core.tails.pareto import FEWEST_EXCEEDANCES
from core.tails.spec import ESTIMATORS, FIT_NAMES, SHAPED
from pages.shared.address import TAILS, parameters, write_parameters
from pages.shared.audits import current_audit_id
from pages.tails.choices import CONFIDENCES, IN, OUT, TAU
from pages.tails.limits import horizon_fault, level_fault
from pages.tails.source_choice import (
    AN_EXAMPLE,
    AUDIT,
    EXAMPLE,
    FILE,
    FILE_LINK,
    LIVE,
    LIVE_LINK,
    MODEL,
    SOURCE,
)
from pages.tails.state import LARGEST, START, keep, kept
from pages.tails.wording import WITH_START

WRITTEN = "tails.address.written"
NOISE_LEFT_IN = "in"


def read_link() -> None:
    """Takes the choices of a new address; an invalid one changes nothing.

    An address that this session has written holds nothing new, and may be older than the choices.
    """
    given = parameters(TAILS)
    if not given or given in _written():
        return
    _written().append(given)
    _source(given.get(SOURCE, ""), given.get(MODEL))
    for name, (take, where) in CHOICES.items():
        found = take(given[name]) if name in given else None
        if found is not None:
            keep(where, found)
    st.session_state[START] = _start(given.get("start", ""))


def write_link(source: Mapping[str, str]) -> None:
    """Writes the choices into the address, beside the ids. source: the parameters of the estimates."""
    wanted = {**source, **_choices()}
    if wanted not in _written():
        _written().append(wanted)
    write_parameters(TAILS, wanted)


def _choices() -> dict[str, str]:
    """Returns the choices that differ from the defaults."""
    fit, estimator = kept("fit", "pot"), kept("estimator", "posterior")
    confidence, horizon, tau = kept("confidence", 0.95), kept("horizon", None), kept("tau", TAU)
    largest = st.session_state.get(LARGEST)
    found = {
        "fit": fit if fit != "pot" else "",
        "estimator": estimator if estimator != "posterior" and fit in SHAPED else "",
        "noise": NOISE_LEFT_IN if kept("noise", OUT) == IN else "",
        "confidence": f"{confidence:g}" if confidence != 0.95 else "",
        "n": f"{horizon:.12g}" if not horizon_fault(horizon) else "",
        "tau": f"{tau / 100:.12g}" if tau != TAU and not level_fault(tau) else "",
        "start": str(largest) if largest is not None and fit in WITH_START else "",
    }
    return {name: text for name, text in found.items() if text}


def _source(text: str, model: str | None) -> None:
    """Chooses the estimates that an address names, if it names any."""
    audit = text if is_run_id(text) else None
    if text.removeprefix(AN_EXAMPLE) in embedded_models() and text.startswith(AN_EXAMPLE):
        keep("source", EXAMPLE)
        keep("model.example", text.removeprefix(AN_EXAMPLE))
    elif text in (FILE_LINK, LIVE_LINK):
        keep("source", FILE if text == FILE_LINK else LIVE)
    elif audit is not None:
        keep("source", AUDIT)
        keep(f"audit.{current_audit_id()}", audit)
    mine = audit or current_audit_id()
    if model is not None and mine is not None:
        keep(f"model.{mine}", model)


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _horizon(text: str) -> float | None:
    found = _number(text)
    return None if horizon_fault(found) else found


def _level(text: str) -> float | None:
    risk = _number(text)
    # In percent, as the field has it; 0.07 is 7, and not 7.000000000000001.
    percent = None if risk is None else float(f"{risk * 100:.12g}")
    return None if level_fault(percent) else percent


def _confidence(text: str) -> float | None:
    found = _number(text)
    return found if found in CONFIDENCES else None


def _start(text: str) -> int | None:
    found = _number(text)
    whole = found is not None and found == int(found) and found >= FEWEST_EXCEEDANCES
    return int(found) if found is not None and whole else None


def _one_of(names: tuple[str, ...]) -> Callable[[str], str | None]:
    return lambda text: text if text in names else None


# Name in the address: how it is read, and what the page keeps it as.
CHOICES: dict[str, tuple[Callable[[str], Any], str]] = {
    "fit": (_one_of(FIT_NAMES), "fit"),
    "estimator": (_one_of(ESTIMATORS), "estimator"),
    "noise": (lambda text: IN if text == NOISE_LEFT_IN else None, "noise"),
    "confidence": (_confidence, "confidence"),
    "n": (_horizon, "horizon"),
    "tau": (_level, "tau"),
}


def _written() -> list[dict[str, str]]:
    found: list[dict[str, str]] = st.session_state.setdefault(WRITTEN, [])
    return found
