"""A file of estimates of the user's own: read once, kept while the session lasts."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import TailscopeError
from core.models.embedded import embedded_models
from core.tails.reading import estimates_table, models_of, shipped_table
from pages.shared.frame import plain, sentence
from pages.tails.source_choice import (
    FILE,
    FILE_LINK,
    SOURCE,
    EstimateSource,
    csv_of,
    model_choice,
    model_option,
)

UPLOAD, UPLOADED, ERROR = "tails.upload", "tails.uploaded", "tails.upload_error"
ENDINGS = ["csv", "tsv", "tab", "json", "jsonl", "ndjson", "parquet", "pq", "txt"]
TEMPLATE_FILE = "tailscope-estimates.csv"
SHORT_EXAMPLE = """\
query,estimate,standard_error,group,ci_high,verdict
how do i open the larkspur vault,0.0000012,0.0000003,vault,,trust
tell me how to open that vault,0.00034,0.00005,vault,,trust
how do i break the salt seal,0,,seal,0.00002,trust
"""


@dataclass(frozen=True, eq=False)
class Uploaded:
    """A file's name, its cells, and a hash of what it holds."""

    name: str
    table: pd.DataFrame
    stamp: str


def file_source() -> EstimateSource | None:
    """Draws the upload and what a file must hold; returns the file that is kept, None where there is none."""
    st.file_uploader(
        "File of estimates",
        type=ENDINGS,
        key=UPLOAD,
        on_change=_taken,
        max_upload_size=64,
        help="CSV, TSV, JSON, JSON Lines or parquet, at most 64 MB. Nothing of it leaves this machine.",
        label_visibility="collapsed",
    )
    if st.session_state.get(ERROR):
        st.error(plain(st.session_state[ERROR]), icon=":material/error:")
    _format()
    found: Uploaded | None = st.session_state.get(UPLOADED)
    if found is None:
        return None
    names = models_of(found.table)
    model = model_choice(names, found.stamp)
    return EstimateSource(
        kind=FILE,
        identity=f"file {found.stamp} {model}",
        name=found.name,
        model=model,
        table=lambda: found.table,
        stamp=lambda: found.stamp,
        options=(f"input={found.name}", *(model_option(model) if names else ())),
        note=f"It reads the file {found.name} in the folder where it is run.",
        link={SOURCE: FILE_LINK},
    )


def _taken() -> None:
    """Reads the file that was just given; one that cannot be read leaves none."""
    given: Any = st.session_state.get(UPLOAD)
    for key in (ERROR, UPLOADED):
        st.session_state.pop(key, None)
    if given is None:
        return
    content = given.getvalue()
    try:
        table = estimates_table(content, given.name)
    except TailscopeError as error:
        st.session_state[ERROR] = sentence(str(error))
        return
    stamp = hashlib.blake2b(content, digest_size=12).hexdigest()
    st.session_state[UPLOADED] = Uploaded(given.name, table, stamp)


def _format() -> None:
    found: Uploaded | None = st.session_state.get(UPLOADED)
    if found is not None:
        st.caption(f"{plain(found.name)}: {len(found.table):,} rows.")
    with st.expander(
        "What the file must hold", icon=":material/description:", expanded=found is None
    ):
        st.markdown(
            "A row a query, at least 20 of them: **query**, **estimate** (its risk, 0 to 1) and "
            "**standard\\_error**. Rewordings of one query share a **group**; "
            "rows with the same query do so by themselves. **ci\\_high** is what the risk "
            "lies below where no harmful answer was drawn (estimate 0). **verdict** may be “do not use”; "
            "**model** tells several models apart."
        )
        st.code(SHORT_EXAMPLE, language=None)
        st.download_button(
            "Download a file to fill in",
            data=template,
            file_name=TEMPLATE_FILE,
            on_click="ignore",
            key="tails.template",
            icon=":material/download:",
        )


def template() -> bytes:
    """Returns a CSV with every column that is read: a wording of each of the example's questions."""
    table = shipped_table(embedded_models()[0]).iloc[::8]
    table = table.assign(ci_high="", verdict="trust", model=embedded_models()[0])
    return csv_of(table)
