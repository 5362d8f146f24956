"""The model: which one, how it answers, and what it says to the question."""

import streamlit as st

from pages.model.facts import model_facts
from pages.model.form import generation_form, source_form
from pages.model.own_settings import own_settings_view
from pages.model.real import real_model_offer
from pages.shared import resources
from pages.shared.answers import Line, answer_list, judged_by
from pages.shared.frame import page, plain
from pages.shared.model_loading import loading_view
from pages.shared.state import settings

with page("Model", "The risk is a property of a model together with how its answers are made."):
    # Two rows, so that in a narrow window what was found about a model stands below its form.
    left, right = st.columns([2, 3], gap="large")
    below_left, below_right = st.columns([2, 3], gap="large")
    with left:
        source_form()
        real_model_offer()
    with below_left:
        generation_form()
    with right:
        loading_view()
        loaded = resources.model_of(settings())
        model_facts(loaded)
        own_settings_view(loaded)
    with below_right:
        asked = resources.request(settings())
        seen = resources.looked_at(asked.model_dump_json())
        judge = resources.free_judge(asked)
        st.markdown(f"Asked: **“{plain(asked.query)}”**")
        judged_by(judge, asked)
        st.markdown("Its likeliest answer, word by word:")
        answer_list([Line(seen.greedy.text, seen.greedy.harmful)], judge, asked.query)
        st.markdown("A few sampled ones:")
        answer_list([Line(one.text, one.harmful) for one in seen.sampled], judge, asked.query)
