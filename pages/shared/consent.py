"""Before a judge that sends requests is asked: what it will take, and the user's word."""

import streamlit as st

from core.judges.base import PaidJudge
from core.runs.estimate import second_samples
from core.runs.request import EstimateRequest
from core.runs.run import RunSpec
from pages.shared import resources
from pages.shared.frame import plain, sentence
from pages.shared.paid_judges import is_paid
from pages.shared.state import look_at_run

AT_MOST = "This is the most it can be: an answer with a stored score is not sent again."


def waits_for_consent(run: RunSpec) -> bool:
    """Returns whether a run would ask a paid judge and nobody has started it in this process.

    A link must not spend money either.
    """
    if resources.run_tasks().get(run.run_id) is not None:
        return False
    return is_paid(resources.judge(run.request))


def consent_view(run: RunSpec) -> None:
    """Draws what a run's judge will take, and the buttons to agree or not."""
    judge = resources.judge(run.request)
    if not is_paid(judge):
        return
    answers = run.importance_samples + run.monte_carlo_samples
    if run.request.method == "is":
        answers += second_samples(run.importance_samples)
    with st.container(border=True):
        st.markdown(f"**This run asks its judge to grade up to {answers:,} answers.**")
        cost_lines(judge, run.request, answers)
        with st.container(horizontal=True):
            if st.button(
                "Ask the judge and estimate",
                key="consent.agree",
                type="primary",
                icon=":material/play_arrow:",
            ):
                resources.start(run)
                st.rerun()
            if st.button("Not now", key="consent.refuse"):
                look_at_run(None)
                st.rerun()


def cost_lines(judge: PaidJudge, request: EstimateRequest, answers: int) -> None:
    """Draws what grading so many answers takes at most."""
    cost = judge.cost_before(request.query, answers, request.generation.max_new_tokens)
    st.markdown(plain(sentence(cost.to_text())))
    st.caption(f"{AT_MOST} Nothing has been sent yet.")
