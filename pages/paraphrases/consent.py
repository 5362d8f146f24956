"""Starting a comparison; one whose judge sends requests waits for the user's word."""

import streamlit as st

from core.errors import SpecError
from core.judges import served_judge
from core.judges.base import PaidJudge
from core.judges.cost import total_cost
from core.sensitivity.comparison import Comparison
from pages.paraphrases.work import begin
from pages.shared.comparisons import look_at_comparison
from pages.shared.consent import AT_MOST
from pages.shared.frame import plain, sentence, show_error

ASKED = "paraphrases.variants"


def is_paid(plan: Comparison) -> bool:
    """Returns whether its judge sends requests. Raises: TailscopeError if the judge cannot be used."""
    return isinstance(served_judge(plan.spec.judge, plan.spec.behaviour), PaidJudge)


def ask_or_begin(plan: Comparison) -> None:
    """Begins or goes on with a comparison, unless `consent` has to ask first."""
    if is_paid(plan):
        st.session_state[ASKED] = plan.name
    else:
        _begin(plan)


def consent(plan: Comparison) -> None:
    """Draws what the judge may take, once that was asked for."""
    if st.session_state.get(ASKED) != plan.name:
        return
    judge = served_judge(plan.spec.judge, plan.spec.behaviour)
    if not isinstance(judge, PaidJudge):
        return
    each = plan.spec.samples + 1
    longest = max(one.generation.max_new_tokens for one in plan.variants)
    cost = total_cost([judge.cost_before(one.text, each, longest) for one in plan.variants])
    with st.container(border=True):
        st.markdown(f"**This comparison asks its judge.** {plain(sentence(cost.to_text()))}")
        st.caption(f"{AT_MOST} Nothing has been sent yet.")
        with st.container(horizontal=True):
            if st.button("Ask the judge and compare", key="paraphrases.agree", type="primary"):
                del st.session_state[ASKED]
                _begin(plan)
            if st.button("Not now", key="paraphrases.refuse"):
                del st.session_state[ASKED]
                st.rerun()


def _begin(plan: Comparison) -> None:
    try:
        begin(plan)
    except SpecError as error:
        show_error(error)
        return
    look_at_comparison(plan)
    st.rerun(scope="app")
