"""Estimates to forecast from, wherever they come from, and the choice of a model among them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd
import streamlit as st

from core.audit.words import short_name
from core.tails.remarks import Vocabulary
from pages.tails.state import keep, kept, remembered
from pages.tails.wording import ON_AUDIT, ON_FILE

AUDIT, FILE, LIVE, EXAMPLE = "An audit", "A file", "Live", "The example"
# In an address: a source and one of its models; a source without an id of its own.
SOURCE, MODEL = "tails", "model"
AN_EXAMPLE, FILE_LINK, LIVE_LINK = "example-", "file", "live"


@dataclass(frozen=True, eq=False)
class EstimateSource:
    """Where estimates come from.

    kind: one of AUDIT, FILE, LIVE, EXAMPLE. identity: the same for the same source and model, also while rows
    come in. table: reads it; stamp: changes with what it reads. options: of the command line. note: a hint on
    those. link: the parameters of an address that find it again. progress: how far a running audit is, empty
    elsewhere; running: whether rows still come in. waiting: what must come first, empty where it is there.
    """

    kind: str
    identity: str
    name: str
    model: str | None
    table: Callable[[], pd.DataFrame]
    stamp: Callable[[], str]
    options: tuple[str, ...]
    note: str = ""
    link: Mapping[str, str] = field(default_factory=dict)
    progress: Callable[[], str] = str
    running: Callable[[], bool] = bool
    waiting: Callable[[], str] = str

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of remarks on these estimates."""
        return ON_FILE if self.kind == FILE else ON_AUDIT


def model_choice(names: list[str], source: str) -> str | None:
    """Draws the choice of a model where there are several; returns it, None where none is named."""
    if len(names) < 2:
        return names[0] if names else None
    name = f"model.{source}"
    if kept(name, names[0]) not in names:
        keep(name, names[0])
    found: str = st.selectbox("Model", names, format_func=short_name, **remembered(name, names[0]))
    return found


def model_link(model: str | None, names: list[str]) -> dict[str, str]:
    """Returns an address's parameter for a model; none for the first, which is the default."""
    return {} if model is None or model == names[0] else {MODEL: model}


def model_option(model: str | None) -> tuple[str, ...]:
    return () if model is None else (f"model={model}",)


def csv_of(table: pd.DataFrame) -> bytes:
    """Returns a table as the bytes of a CSV file."""
    return str(table.to_csv(index=False)).encode("utf-8")
