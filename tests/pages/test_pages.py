"""Every page works as it opens, says one sentence about bad input, and follows its widgets."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.judges import load_rule_judge
from pages.shared import query_picker, resources, state
from tests.pages.driver import OpenPage, words

PAGES = ("start", "model", "proposal", "convergence")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_works_as_it_opens(open_in_app: OpenPage, name: str) -> None:
    app = open_in_app(name)
    assert not app.exception
    assert not app.error
    assert len(app.title) == 1
    assert app.sidebar.selectbox


def test_start_leads_to_an_estimate(open_page: OpenPage) -> None:
    app = open_page("start")
    assert "Estimate the risk" in [button.label for button in app.button]


def test_an_unknown_model_is_one_sentence_and_the_old_one_stays(open_page: OpenPage) -> None:
    app = open_page("model")
    app.text_input[0].set_value("no/such/model/at all")
    next(button for button in app.button if button.label == "Check and load").click().run()
    assert not app.exception
    assert len(app.error) == 1
    assert "no/such/model/at all" in app.error[0].value
    assert app.session_state[state.KEY].model == "aster"


def test_a_temperature_out_of_range_is_one_sentence(open_page: OpenPage) -> None:
    app = open_page("model")
    field = next(one for one in app.number_input if one.label == "Temperature")
    field.set_value(99.0)
    next(button for button in app.button if button.label == "Apply").click().run()
    assert not app.exception
    assert [error.value for error in app.error] == ["Temperature must be in 0.01..10, got 99."]


def test_generation_settings_change_the_request(open_page: OpenPage) -> None:
    app = open_page("model")
    next(one for one in app.number_input if one.label == "Temperature").set_value(0.5)
    next(button for button in app.button if button.label == "Apply").click().run()
    assert not app.exception
    assert app.session_state[state.KEY].generation.temperature == 0.5


def test_a_slider_changes_the_preview_and_the_settings(open_page: OpenPage) -> None:
    app = open_page("proposal")
    before = [metric.value for metric in app.metric]
    app.slider(key="proposal_controls.strength.steer").set_value(9.0).run()
    assert not app.exception
    assert [metric.value for metric in app.metric] != before
    assert app.session_state[state.KEY].proposal.strength == 9.0


def test_no_steering_means_no_distance(open_page: OpenPage) -> None:
    app = open_page("proposal")
    app.slider(key="proposal_controls.strength.steer").set_value(0.0).run()
    values = {metric.label: metric.value for metric in app.metric}
    assert values["KL(p‖q)"] == "0.00"
    assert values["Useful share"] == "100%"


@pytest.mark.study
def test_too_much_steering_is_said_in_plain_words(open_page: OpenPage) -> None:
    app = open_page("proposal")
    app.slider(key="proposal_controls.alpha_mix").set_value(0.0)
    app.slider(key="proposal_controls.t_switch").set_value(40)
    app.slider(key="proposal_controls.strength.steer").set_value(10.0).run()
    assert not app.exception
    assert "Steered too hard" in app.warning[0].value


def test_an_empty_query_is_one_sentence(open_page: OpenPage) -> None:
    app = open_page("convergence")
    app.session_state[state.KEY] = state.Settings(query="   ")
    next(button for button in app.button if button.label == "Estimate the risk").click().run()
    assert not app.exception
    assert len(app.error) == 1
    assert "Query must hold" in app.error[0].value


def test_own_words_are_asked(open_in_app: OpenPage) -> None:
    app = open_in_app("start")
    app.sidebar.segmented_control(key=query_picker.SOURCE).set_value("My own").run()
    app.sidebar.text_area(key=query_picker.OWN).set_value("what is *this* <b>").run()
    assert not app.exception
    assert app.session_state[state.KEY].query == "what is *this* <b>"
    assert "what is \\*this\\* \\<b\\>" in words(app)


def test_another_behaviour_brings_its_own_queries(open_in_app: OpenPage) -> None:
    app = open_in_app("start")
    app.sidebar.selectbox(key=query_picker.BEHAVIOUR).set_value("sycophancy").run()
    assert not app.exception
    assert app.session_state[state.KEY].behaviour == "sycophancy"
    assert resources.demonstration_query("aster", "sycophancy") in words(app)


def estimate(app: AppTest, importance: int, monte_carlo: int) -> AppTest:
    """Runs an estimate to its end."""
    app.number_input[0].set_value(importance)
    app.number_input[1].set_value(monte_carlo)
    next(button for button in app.button if button.label == "Estimate the risk").click().run()
    job = resources.run_tasks().get(app.session_state[state.RUN_KEY])
    assert job is not None
    job.wait(60)
    return app.run()


def test_an_estimate_runs_to_its_end(open_page: OpenPage) -> None:
    app = estimate(open_page("convergence"), 60, 40)
    assert not app.exception
    assert "per million" in words(app) or "No reliable number" in words(app)
    assert "Samples saved" in [metric.label for metric in app.metric]
    assert "python -m core estimate" in app.code[0].value


def test_a_question_that_nobody_can_judge_gets_no_number(open_page: OpenPage) -> None:
    app = open_page("convergence")
    app.session_state[state.KEY] = state.Settings(query="what is the weather like")
    app = estimate(app, 60, 40)
    assert not app.exception
    assert "No reliable number" in words(app)
    assert "could be judged" in words(app)


def test_a_run_comes_back_from_its_address(open_page: OpenPage, open_in_app: OpenPage) -> None:
    first = estimate(open_page("convergence"), 60, 0)
    run_id = first.session_state[state.RUN_KEY]
    resources.run_tasks.clear()  # as after a restart of the server
    again = open_in_app("start")
    again.query_params["run"] = run_id
    again.switch_page("pages/convergence/page.py").run()
    # A link carries the id, and not the question.
    assert again.query_params == {"run": run_id}
    job = resources.run_tasks().get(run_id)
    assert job is not None
    snapshot = job.wait(60)
    assert all(shard.drawn.stored for shard in snapshot.progress.partial.arms["weighted"].partial)
    assert not again.exception


@pytest.mark.study
def test_another_run_takes_the_place_of_the_one_in_the_address(open_in_app: OpenPage) -> None:
    old, new = (
        resources.run_spec(state.Settings(importance_samples=size, monte_carlo_samples=0))
        for size in (60, 61)
    )
    for run in (old, new):
        resources.start(run).wait(60)
    app = open_in_app("start")
    app.query_params["run"] = old.run_id
    app.switch_page("pages/convergence/page.py").run()
    assert app.session_state[state.RUN_KEY] == old.run_id
    app.session_state[state.RUN_KEY] = new.run_id  # as the button does that starts it
    app.run()
    assert app.query_params == {"run": new.run_id}
    assert app.session_state[state.RUN_KEY] == new.run_id
    # An address that someone has typed, or gone back to, is followed still.
    app.query_params["run"] = old.run_id
    app.run()
    assert app.session_state[state.RUN_KEY] == old.run_id


@pytest.mark.parametrize("found", ["../../etc/passwd", "x" * 5000, "<script>", "0" * 16])
def test_a_strange_address_is_ignored(open_in_app: OpenPage, found: str) -> None:
    app = open_in_app("start")
    app.query_params["run"] = found
    app.switch_page("pages/convergence/page.py").run()
    assert not app.exception
    assert not app.error
    assert "Estimate the risk" in [button.label for button in app.button]


def test_an_answer_is_never_rendered() -> None:
    from pages.shared.answers import Line, _row

    judge = load_rule_judge("misuse")
    row = _row(Line("<img src=x onerror=alert(1)> & more", True), judge, "anything")
    assert "<img" not in row
    assert "&lt;img" in row


def test_a_finished_run_explains_itself(open_page: OpenPage) -> None:
    app = estimate(open_page("convergence"), 400, 0)
    assert not app.exception
    said = words(app)
    for phrase in ("What each says alone", "Who drew the answers", "Error after 400 draws"):
        assert phrase in said
    assert "Word by word" in said
    table = next(one.value for one in app.dataframe if "Share of the estimate" in one.value)
    assert table["Share of the estimate"].sum() == pytest.approx(1.0)
    assert table["Answers"].sum() == 400
    assert table["Drawn by"].iloc[-1] == "The model itself"
    chosen = next(one for one in app.selectbox if one.label == "Answer")
    chosen.set_value(chosen.options[-1]).run()
    assert not app.exception
    app.toggle(key="run_view.anytime").set_value(True).run()
    assert not app.exception


@pytest.mark.study
def test_a_run_of_one_proposal_explains_itself(open_page: OpenPage) -> None:
    app = open_page("convergence")
    spec = resources.run_spec(state.Settings(importance_samples=80, monte_carlo_samples=0))
    run = spec.model_copy(update={"request": spec.request.model_copy(update={"method": "is"})})
    resources.start(run).wait(60)
    app.session_state[state.RUN_KEY] = run.run_id
    app.run()
    assert not app.exception
    assert "What each says alone" in words(app)
