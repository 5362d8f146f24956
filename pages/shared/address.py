"""The address: the ids of the session's run, audit and comparison, and the choices of two pages.

A reload and a link find them there.
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.runs.run import is_run_id, load_run
from pages.shared import resources
from pages.shared.audits import current_audit_id, look_at_audit
from pages.shared.comparisons import (
    adopt_comparison,
    current_comparison,
    open_comparison,
)
from pages.shared.state import adopt, current_run_id, has_chosen, look_at_run

RUN, AUDIT, WORDINGS = "run", "audit", "wordings"
WRITTEN = "address.written"
# Parameters that a page writes itself.
DEPLOYMENT = ("a_day", "like", "days", "risk", "low", "high")
TAILS = ("tails", "model", "fit", "estimator", "noise", "confidence", "n", "tau", "start")


def read_address() -> None:
    """Takes run, audit and comparison from the address; a new session takes over their settings too.

    An id that this session has written itself is left: the session may have started another run since.
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
    """Puts the ids into the address, and keeps the parameters that pages write themselves."""
    comparison = current_comparison()
    ids = {
        RUN: current_run_id(),
        AUDIT: current_audit_id(),
        WORDINGS: None if comparison is None else comparison.name,
    }
    st.session_state[WRITTEN] = ids
    wanted = {name: one for name, one in ids.items() if one is not None}
    wanted |= parameters((*DEPLOYMENT, *TAILS))
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def parameters(names: Sequence[str]) -> dict[str, str]:
    """Returns those of the parameters that the address has."""
    return {name: st.query_params[name] for name in names if name in st.query_params}


def write_parameters(names: Sequence[str], values: Mapping[str, str]) -> None:
    """Gives the address these values of a page's parameters; what else it has stays.

    names: all that the page may write: those without a value are taken out.
    """
    now = st.query_params.to_dict()
    others = {name: text for name, text in now.items() if name not in names}
    if now != others | dict(values):
        st.query_params.from_dict(others | dict(values))


def _new(name: str) -> str | None:
    """Returns an id of the address, None if it is none or this session's own word."""
    found = st.query_params.get(name)
    if found == st.session_state.get(WRITTEN, {}).get(name):
        return None
    # All ids have one form.
    return found if is_run_id(found) else None


def _on_paraphrases() -> bool:
    return (st.context.url or "").rstrip("/").endswith("/paraphrases")
