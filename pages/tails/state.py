"""The Tails page's choices of a session, and the fits kept for all sessions."""

import hashlib
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.tails.memo import (
    MemoizedFits,
    Prefetcher,
    SingleFlightCache,
    specs_of_other_starts,
)
from core.tails.reading import ReadSample, sample_from_table
from core.tails.sample import TailSample
from core.tails.spec import TailSpec
from core.tails.thresholds import ThresholdTable, offered_starts

KEPT = "tails.kept"
SHOWN = "tails.shown"
# How many of the largest estimates are fitted; None: automatic. The threshold's slider writes it.
LARGEST = "tails.largest"
# So many of an address, until it is known whether this sample has such a start.
START = "tails.start"
LAST = "tails.last"
OWNER = "tails.owner"
# Of 300 queries a fit and its draws are 8 MB, and a slider has twenty of them.
KEPT_BYTES = 1e9


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


def take_start(sample: TailSample, spec: TailSpec, table: ThresholdTable | None) -> None:
    """Takes the start of the tail that the address has, if it is offered for this sample."""
    largest: int | None = st.session_state.pop(START, None)
    offered = None if largest is None else offered_starts(sample, spec.fit, table)
    if offered is not None and largest in offered.largest and largest != offered.automatic:
        st.session_state[LARGEST] = largest


def key_of(sample: TailSample) -> str:
    """Returns a hash of a sample's content."""
    found = hashlib.blake2b(digest_size=12)
    for values in (sample.risk, sample.error, sample.bound, sample.doubtful):
        found.update(np.ascontiguousarray(values).tobytes())
    found.update("\0".join(sample.group.tolist()).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


@st.cache_resource(show_spinner=False, max_entries=8)
def _read(
    identity: str,
    stamp: str,
    keep_doubtful: bool,
    group: str | None,
    _table: pd.DataFrame,
    _model: str | None,
) -> ReadSample:
    return sample_from_table(_table, _model, keep_doubtful=keep_doubtful, group=group)


@st.cache_resource(show_spinner=False, max_entries=4)
def _cells(identity: str, stamp: str, _make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    return _make()


def cells_of(identity: str, stamp: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Returns a source's table, read once. stamp: changes with what it holds. Raises: as `read`."""
    found: pd.DataFrame = _cells(identity, stamp, read)
    return found


def sample_of(
    identity: str,
    stamp: str,
    table: pd.DataFrame,
    model: str | None,
    *,
    keep_doubtful: bool,
    group: str | None = None,
) -> ReadSample:
    """Returns the sample in a source's table. Raises: SpecError, as `sample_from_table`."""
    found: ReadSample = _read(identity, stamp, keep_doubtful, group, table, model)
    return found


@st.cache_resource(show_spinner=False)
def _kept() -> SingleFlightCache:
    return SingleFlightCache(KEPT_BYTES)


@st.cache_resource(show_spinner=False)
def _ahead() -> Prefetcher:
    return Prefetcher()


def fits() -> MemoizedFits:
    """Returns the fits of all samples and sessions."""
    return MemoizedFits(_kept())


def fit_ahead(
    key: str,
    sample: TailSample,
    spec: TailSpec,
    table: ThresholdTable | None,
    n: float,
    tau: float,
) -> None:
    """Has the other starts of the tail fitted before the slider asks for them."""
    owner = st.session_state.setdefault(OWNER, uuid.uuid4().hex)
    background = MemoizedFits(_kept(), ahead=True)
    _ahead().want(
        owner,
        [
            partial(background.compute_all, key, sample, other, table, n, tau)
            for other in specs_of_other_starts(sample, spec, table)
        ],
    )
