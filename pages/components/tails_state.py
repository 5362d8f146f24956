"""What the Tails page remembers for a session, and what it has computed for all."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import SpecError
from core.headless.tails import FURTHEST
from core.tails.analysis import FittedTail, TailSpec, fit_tail, forecasts
from core.tails.forecast import Forecast, furthest
from core.tails.picture import exceedance, fan, levels_in_doubt, survival_curve
from core.tails.reading import ReadSample, sample_from_table
from core.tails.scores import TailSample
from core.tails.thresholds import FEWEST_TESTED, ThresholdTable, threshold_table

KEPT = "tails.kept"
SHOWN = "tails.shown"
# How many of the largest estimates are fitted; None: automatic. The threshold's slider writes it.
LARGEST = "tails.largest"
LAST = "tails.last"


def kept(name: str, default: Any) -> Any:
    """Returns a choice, which outlives a change of page."""
    return st.session_state.setdefault(KEPT, {}).get(name, default)


def keep(name: str, value: Any) -> None:
    """Remembers a choice, as if it had been made with its widget."""
    st.session_state.setdefault(KEPT, {})[name] = value


def remembered(name: str, value: Any) -> dict[str, Any]:
    """Returns key and callback of a widget, which then shows `value` until the user chooses another.

    What the page itself changes is shown under another key: a browser that has not seen it yet would send
    back the old value, and that would pass for the user's choice.
    """
    shown: dict[str, tuple[int, Any]] = st.session_state.setdefault(SHOWN, {})
    now = kept(name, value)
    turn, last = shown.get(name, (0, now))
    turn += now != last
    shown[name] = (turn, now)
    key = f"tails.{name}" if turn == 0 else f"tails.{name}.{turn}"
    st.session_state[key] = now

    def changed() -> None:
        chosen = st.session_state[key]
        shown[name] = (turn, chosen)
        keep(name, chosen)

    return {"key": key, "on_change": changed}


def forget_start(*, if_other: tuple[str, ...]) -> None:
    """Makes the start of the tail automatic again where another sample or fit was chosen."""
    if st.session_state.get(LAST) != if_other:
        st.session_state[LAST] = if_other
        st.session_state[LARGEST] = None


def key_of(sample: TailSample) -> str:
    """Returns a hash of a sample's content."""
    found = hashlib.blake2b(digest_size=12)
    for values in (sample.risk, sample.error, sample.bound, sample.doubtful):
        found.update(np.ascontiguousarray(values).tobytes())
    found.update("\0".join(sample.group.tolist()).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


@st.cache_resource(show_spinner=False, max_entries=8)
def _read(
    identity: str, stamp: str, keep_doubtful: bool, _table: pd.DataFrame, _model: str | None
) -> ReadSample:
    return sample_from_table(_table, _model, keep_doubtful=keep_doubtful)


@st.cache_resource(show_spinner=False, max_entries=4)
def _cells(identity: str, stamp: str, _make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    return _make()


def cells_of(identity: str, stamp: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Returns a source's table, read once. stamp: changes with what it holds. Raises: as `read`."""
    found: pd.DataFrame = _cells(identity, stamp, read)
    return found


def sample_of(
    identity: str, stamp: str, table: pd.DataFrame, model: str | None, *, keep_doubtful: bool
) -> ReadSample:
    """Returns the sample in a source's table. Raises: SpecError, as `sample_from_table`."""
    found: ReadSample = _read(identity, stamp, keep_doubtful, table, model)
    return found


@st.cache_resource(show_spinner=False, max_entries=8)
def _table(key: str, confidence: float, _sample: TailSample) -> ThresholdTable | None:
    if len(np.unique(_sample.group[~_sample.censored])) <= FEWEST_TESTED:
        return None
    return threshold_table(_sample, confidence)


def table_of(key: str, sample: TailSample, confidence: float) -> ThresholdTable | None:
    """Returns the diagnostics of all thresholds, None where there are too few different queries."""
    try:
        found: ThresholdTable | None = _table(key, confidence, sample)
    except SpecError:
        return None
    return found


# Each holds hundreds of samples like the one it was fitted to.
@st.cache_resource(show_spinner=False, max_entries=8)
def _fitted(
    key: str, spec: str, _sample: TailSample, _spec: TailSpec, _table: ThresholdTable | None
) -> FittedTail:
    return fit_tail(_sample, _spec, _table, furthest=FURTHEST)


def fitted_of(
    key: str, sample: TailSample, spec: TailSpec, table: ThresholdTable | None
) -> FittedTail:
    """Returns the fitted tail. Raises: SpecError, what to do."""
    found: FittedTail = _fitted(key, spec.model_dump_json(), sample, spec, table)
    return found


def cached(name: str, key: str, spec: TailSpec, make: Callable[[], Any]) -> Any:
    """Returns what was made of a fit, made once. name: what it is, its further choices included."""
    return _made(name, key, spec.model_dump_json(), make)


@st.cache_resource(show_spinner=False, max_entries=96)
def _made(name: str, key: str, spec: str, _make: Callable[[], Any]) -> Any:
    return _make()


def supported_of(key: str, fitted: FittedTail) -> float:
    """Returns how many questions ahead the fit says something."""
    sample, confidence = fitted.sample, fitted.spec.confidence
    found: float = cached(
        "supported", key, fitted.spec, lambda: furthest(sample, fitted.predictor, confidence)
    )
    return found


def told_of(key: str, fitted: FittedTail, n: float) -> tuple[Forecast, Forecast]:
    """Returns the forecast for n queries, and that with the noise left in."""
    found: tuple[Forecast, Forecast] = cached(
        f"told {n}", key, fitted.spec, lambda: forecasts(fitted, [n])
    )
    return found


def fan_of(key: str, fitted: FittedTail, supported: float, first: float) -> pd.DataFrame:
    """Returns the fan over n."""
    found: pd.DataFrame = cached(
        f"fan {first}", key, fitted.spec, lambda: fan(fitted, supported, first=first)
    )
    return found


def curve_of(key: str, fitted: FittedTail, reach: float) -> pd.DataFrame:
    """Returns the fitted tail's survival."""
    found: pd.DataFrame = cached(
        f"curve {reach}", key, fitted.spec, lambda: survival_curve(fitted, reach)
    )
    return found


def levels_of(key: str, fitted: FittedTail, n: float) -> pd.DataFrame:
    """Returns chance and share of each risk level in doubt at this horizon."""
    found: pd.DataFrame = cached(
        f"levels {n}",
        key,
        fitted.spec,
        lambda: exceedance(fitted, n, levels_in_doubt(fitted, n)),
    )
    return found
