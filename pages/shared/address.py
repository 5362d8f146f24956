"""The address: the ids of run, audit and comparison in sight, and a page's numbers, so that a reload finds
them.
"""

import streamlit as st

from core.runs.run import is_run_id, load_run
from pages.deployment.address import PARAMETERS
from pages.shared import resources
from pages.shared.audits import current_audit_id, look_at_audit
from pages.shared.comparisons import (
    adopt_comparison,
    current_comparison,
    open_comparison,
)
from pages.shared.state import adopt, current_run_id, has_chosen, look_at_run
from pages.tails.address import PARAMETERS as TAILS

RUN, AUDIT, WORDINGS = "run", "audit", "wordings"
WRITTEN = "address.written"


def read_address() -> None:
    """Takes run, audit and comparison from the address; a new session takes over their settings too.

    An address that this session has written says nothing new: it has perhaps begun another run since.
    """
    run, audit, wordings = (_new(name) for name in (RUN, AUDIT, WORDINGS))
    if audit is not None:
        look_at_audit(audit)
    fresh = not has_chosen()
    if run is not None:
        found = load_run(resources.store(), run) if fresh else None
        if found is not None:
            adopt(found)
        look_at_run(run)
    if wordings is not None:
        comparison = open_comparison(wordings)
        # With both, the page in sight decides whose question it is.
        if comparison is not None and fresh and (run is None or _on_paraphrases()):
            adopt_comparison(comparison)


def write_address() -> None:
    """Puts the ids into the address; of what stood there, the pages' own numbers and choices stay."""
    comparison = current_comparison()
    ids = {
        RUN: current_run_id(),
        AUDIT: current_audit_id(),
        WORDINGS: None if comparison is None else comparison.name,
    }
    st.session_state[WRITTEN] = ids
    wanted = {name: one for name, one in ids.items() if one is not None}
    wanted |= {
        name: st.query_params[name] for name in (*PARAMETERS, *TAILS) if name in st.query_params
    }
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def _new(name: str) -> str | None:
    """Returns an id of the address, None if it is none or this session's own word."""
    found = st.query_params.get(name)
    if found == st.session_state.get(WRITTEN, {}).get(name):
        return None
    # All ids have one form.
    return found if is_run_id(found) else None


def _on_paraphrases() -> bool:
    return (st.context.url or "").rstrip("/").endswith("/paraphrases")
