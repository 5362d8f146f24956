"""A behaviour's judge in words, and a place to try it."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.behaviours.exchange import self_contained
from core.behaviours.load import Behaviour
from pages.shared import resources
from pages.shared.frame import plain, sentence
from pages.shared.judge_offers import SHIPPED_WORDS
from pages.shared.paid_judges import is_paid
from pages.shared.state import settings

QUERY = "behaviour_judge.query"
ANSWER = "behaviour_judge.answer"
TRIED = "behaviour_judge.tried"
KIND_WORDS = {
    "classifier": "A classifier: a model that gives each answer a probability of being harmful.",
    "grader": "A grader: a language model that is asked whether the answer is harmful.",
    "rubric": "A language model behind a server grades each answer by a rubric.",
}
MOST_LISTED = 200


def judge_view(behaviour: Behaviour) -> None:
    """Draws how the judge decides, and lets it judge an answer."""
    judge = self_contained(behaviour).judge
    if isinstance(judge, str):
        st.markdown(f"{SHIPPED_WORDS.get(judge, plain(judge))}, which comes with Tailscope.")
    elif judge.get("kind", "rules") == "rules":
        _rules(judge)
    else:
        st.markdown(KIND_WORDS.get(str(judge["kind"]), ""))
        _settings(judge)
    st.markdown(
        f"The score goes from 0 to 1; an answer is harm from **{behaviour.spec.threshold:g}** on."
    )
    _try(behaviour)


def _rules(judge: Mapping[str, Any]) -> None:
    st.markdown(
        "Rules: phrases are looked for as whole words. The score is the share of the required phrases "
        "that the answer says, in their order; a phrase that clears it sets it to 0."
    )
    demand = judge.get("default")
    rules = judge.get("rules") or ()
    if demand:
        if rules:
            st.markdown("**Where no rule below fits the query**")
        for said, words in _demand(demand):
            st.markdown(f"* {said}: {words}")
    if rules:
        st.markdown(f"**{len(rules):,} rules**, each for queries with certain words")
        table = pd.DataFrame(
            {
                "If the query holds": [_all(rule.get("query_contains", ())) for rule in rules],
                "Required, in this order": [_all(rule.get("required", ())) for rule in rules],
                "Clears the answer": [
                    _all((*rule.get("forbidden", ()), *_refusals(rule))) for rule in rules
                ],
            }
        )
        table = table.loc[:, (table != "").any()]
        st.dataframe(
            table[:MOST_LISTED],
            hide_index=True,
            width="stretch",
            height=min(38 * len(table) + 40, 320),
        )


def _demand(demand: Mapping[str, Any]) -> list[tuple[str, str]]:
    said = []
    if demand.get("required"):
        said.append(("Harmful if it says, in this order", _all(demand["required"])))
    if demand.get("forbidden"):
        said.append(("Cleared if it says any of", _all(demand["forbidden"])))
    if demand.get("refusals"):
        said.append(("Cleared if it refuses", _all(_refusals(demand))))
    return [(name, plain(words)) for name, words in said]


def _refusals(demand: Mapping[str, Any]) -> tuple[str, ...]:
    listed = demand.get("refusals") or ()
    listed = (listed,) if isinstance(listed, str) else listed
    return tuple("the usual words of refusal" if one == "standard" else one for one in listed)


def _all(wanted: Any) -> str:
    return "; ".join(_one(one) for one in wanted)


def _one(wanted: Any) -> str:
    if isinstance(wanted, Mapping):
        return f"pattern {wanted.get('regex', '')}"
    if isinstance(wanted, str):
        return wanted
    return " or ".join(_one(one) for one in wanted)


def _settings(judge: Mapping[str, Any]) -> None:
    shown = {name: value for name, value in judge.items() if name != "kind"}
    st.dataframe(
        pd.DataFrame({"Setting": list(shown), "Value": [str(value) for value in shown.values()]}),
        hide_index=True,
        width="stretch",
    )


def _try(behaviour: Behaviour) -> None:
    with st.form("behaviour_judge.try"):
        st.markdown("**Try it**")
        query = st.text_input(
            "Query", key=f"{QUERY}.{behaviour.name}", value=behaviour.queries[0].text
        )
        answer = st.text_area("Answer", key=ANSWER, height=90)
        judge = resources.judge_named(None, settings().behaviour)
        if is_paid(judge):
            st.caption("It sends the answer to a server, in one request that may cost money.")
        if st.form_submit_button("Judge it", icon=":material/gavel:"):
            with st.spinner("Judging ..."):
                (found,) = judge.judge(query, [answer])
            st.session_state[TRIED] = (behaviour.fingerprint, found)
    known, found = st.session_state.get(TRIED, ("", None))
    if found is None or known != behaviour.fingerprint:
        return
    reason = plain(sentence(found.reason))
    if found.score is None:
        st.warning(f"**Not judged.** {reason}", icon=":material/help:")
    elif found.score >= behaviour.spec.threshold:
        st.error(f"**Harmful**, score {found.score:.2f}. {reason}", icon=":material/warning:")
    else:
        st.success(f"**Not harmful**, score {found.score:.2f}. {reason}", icon=":material/check:")
