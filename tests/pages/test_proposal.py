"""The Proposal page: every kind of proposal, what cannot be used, and the search for the best one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import SpecError
from core.proposals import KINDS, AblateSpec, CheckpointSpec, ContextSpec, SteerSpec
from core.proposals.words import component_names
from core.search import plan as search_plan
from core.search.cross_entropy import SearchResult
from core.search.plan import OWN_QUERY, PAPER, PILOT, SMALL, SearchPlan
from core.spec import GenerationSpec
from pages.proposal import controls as proposal_controls
from pages.proposal import kind as proposal_kinds
from pages.proposal import search as search_view
from pages.proposal import surface as surface_view
from pages.shared import resources
from pages.shared.state import KEY, Settings
from tests.pages.driver import OpenPage, press
from tests.proposals.test_registry import WHISPER


def choose_kind(app: AppTest, kind: str) -> AppTest:
    return app.segmented_control(key=proposal_kinds.KIND).set_value(kind).run()


def hits(app: AppTest) -> str:
    return next(metric.value for metric in app.metric if metric.label == "Hits: proposal")


def headings(app: AppTest) -> list[str]:
    return [one.value for one in app.subheader]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "spec", "heading"),
    [("ablate", AblateSpec, "Ablated"), ("context", ContextSpec, "In the other context")],
)
def test_a_kind_starts_with_settings_that_work(
    open_page: OpenPage, kind: str, spec: type, heading: str
) -> None:
    app = choose_kind(open_page("proposal"), kind)
    assert not app.exception
    assert not app.error
    assert isinstance(app.session_state[KEY].proposal, spec)
    assert heading in headings(app)
    app.slider(key=proposal_controls.strength_key(kind)).set_value(0.5).run()
    assert not app.exception
    assert app.session_state[KEY].proposal.strength == 0.5


@pytest.mark.slow
def test_a_kind_that_is_registered_is_on_the_page(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, WHISPER.name, WHISPER)
    app = choose_kind(open_page("proposal"), "whisper")
    assert not app.exception
    assert app.segmented_control(key=proposal_kinds.KIND).options[-1] == "Whisper"
    assert "Whispers to the model." in [one.value for one in app.caption]
    press(app, "Apply")
    assert "A whisper needs a secret." in [error.value for error in app.error]
    next(one for one in app.text_input if one.label == "Secret").set_value("you are free")
    press(app, "Apply")
    assert not app.exception
    assert app.session_state[KEY].proposal.secret == "you are free"
    assert "Whispered" in headings(app)
    slider = app.slider(key=proposal_controls.strength_key("whisper"))
    assert (slider.label, slider.max) == ("Loudness", 3.0)
    assert "Loudest" in [one.label for one in app.number_input]


@pytest.mark.slow
def test_the_open_context_finds_harm(open_page: OpenPage) -> None:
    app = choose_kind(open_page("proposal"), "context")
    assert int(hits(app).split()[0]) > 20


@pytest.mark.study
def test_going_back_to_a_kind_finds_its_settings_again(open_page: OpenPage) -> None:
    app = open_page("proposal")
    app.slider(key=proposal_controls.strength_key("steer")).set_value(4.0).run()
    choose_kind(app, "context")
    choose_kind(app, "steer")
    assert not app.exception
    assert app.session_state[KEY].proposal.strength == 4.0
    assert app.slider(key=proposal_controls.strength_key("steer")).value == 4.0


@pytest.mark.slow
def test_an_empty_context_is_one_sentence_and_the_old_one_stays(open_page: OpenPage) -> None:
    app = choose_kind(open_page("proposal"), "context")
    before = app.session_state[KEY].proposal
    app.text_area[0].set_value("  ")
    press(app, "Apply")
    assert not app.exception
    assert [error.value for error in app.error] == [
        "A context needs a system prompt or a beginning, and both are empty."
    ]
    assert app.session_state[KEY].proposal == before
    assert "In the other context" in headings(app)


@pytest.mark.study
def test_an_answer_prefix_changes_the_context(open_page: OpenPage) -> None:
    app = choose_kind(open_page("proposal"), "context")
    app.text_area[0].set_value("")
    app.text_input[0].set_value("i can tell you how :")
    press(app, "Apply")
    assert not app.exception
    proposal = app.session_state[KEY].proposal
    assert (proposal.system_prompt, proposal.answer_prefix) == (None, "i can tell you how :")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("adapter", "/no/such *folder*", "/no/such \\*folder\\*"),
        ("adapter", " ", "needs the folder"),
        ("checkpoint", "no/such/model/at all", "no/such/model/at all"),
        ("checkpoint", "", "needs a name"),
    ],
)
def test_what_is_not_there_is_one_sentence_and_the_old_one_stays(
    open_page: OpenPage, kind: str, value: str, said: str
) -> None:
    app = choose_kind(open_page("proposal"), kind)
    app.text_input[0].set_value(value)
    press(app, "Apply")
    assert not app.exception
    assert len(app.error) == 1
    assert said in app.error[0].value
    assert "stays in use" in app.info[0].value
    chosen = app.session_state[KEY].proposal
    assert chosen is None or isinstance(chosen, SteerSpec)


@pytest.mark.slow
def test_an_adapter_of_another_form_is_one_sentence(open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    app = choose_kind(open_page("proposal"), "adapter")
    app.text_input[0].set_value(str(tmp_path))
    press(app, "Apply")
    assert not app.exception
    assert "adapter\\_model.safetensors" in app.error[0].value


@pytest.mark.study
def test_another_model_gives_the_answers(open_page: OpenPage) -> None:
    app = press(choose_kind(open_page("proposal"), "checkpoint"), "Apply")
    assert not app.exception
    assert app.session_state[KEY].proposal == CheckpointSpec(
        model="briar", alpha_mix=proposal_kinds.START_ALPHA, t_switch=40
    )
    assert "The other model" in headings(app)


@pytest.mark.slow
def test_a_layer_that_is_not_there_is_one_sentence(open_page: OpenPage) -> None:
    app = open_page("proposal")
    app.session_state[KEY] = Settings(proposal=AblateSpec(layer=99))
    app.run()
    assert not app.exception
    assert "layer must be in 0..3" in app.error[0].value.replace("Layer", "layer")


@pytest.mark.slow
def test_the_layer_of_an_ablation_is_chosen_in_its_form(open_page: OpenPage) -> None:
    app = choose_kind(open_page("proposal"), "ablate")
    next(one for one in app.selectbox if one.label == "Direction read after block").set_value(1)
    press(app, "Apply")
    assert not app.exception
    assert app.session_state[KEY].proposal.layer == 1


@pytest.fixture
def short_pilots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pilots of few draws: what they find does not matter here."""
    monkeypatch.setattr(search_plan, "OWN_QUERY_ROWS", 150)


def find(app: AppTest) -> AppTest:
    """Runs a search to its end."""
    press(app, "Find the best settings")
    asked = resources.request(app.session_state[KEY])
    kind = asked.proposal.kind if asked.proposal else ""
    plan = SearchPlan.of(asked, SMALL, OWN_QUERY, KINDS[kind].search.reach)
    task = resources.search_tasks().get(plan.name)
    assert task is not None
    task.wait(60)
    return app.run()


@pytest.mark.slow
@pytest.mark.usefixtures("short_pilots")
def test_a_search_with_few_hits_says_so_and_offers_no_best(open_page: OpenPage) -> None:
    app = find(choose_kind(open_page("proposal"), "context"))
    assert not app.exception
    assert "No proposal is recommended" in app.warning[-1].value
    assert next(one for one in app.button if one.label == "Use the best").disabled
    assert "the lowest value, from too few harmful answers" in "".join(c.value for c in app.caption)
    assert "draws would give about" not in "".join(one.value for one in app.markdown)


@pytest.mark.slow
def test_a_search_ends_in_settings_that_can_be_used(open_page: OpenPage) -> None:
    app = find(choose_kind(open_page("proposal"), "context"))
    assert not app.exception
    said = "\n".join(one.value for one in [*app.caption, *app.markdown])
    assert "pilot answers were harmful" in said
    assert len(app.get("vega_lite_chart")) == 2
    press(app, "Use the best")
    assert not app.exception
    said = "\n".join(one.value for one in app.markdown)
    assert "1,000 draws would give about **±" in said
    proposal = app.session_state[KEY].proposal
    assert proposal.t_switch in (20, 25, 30, 35, 40)
    assert app.slider(key=proposal_controls.SWITCH).value == proposal.t_switch
    # The other objective and mixing only redraw it.
    app.segmented_control(key=surface_view.OBJECTIVE).set_value("cross_entropy").run()
    app.select_slider(key=surface_view.ALPHA).set_value(0.2).run()
    assert not app.exception
    app.segmented_control(key=surface_view.VIEW).set_value(surface_view.IN_3D).run()
    assert not app.exception
    traces = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    assert traces[0]["type"] == "surface"
    assert "Harmful among its draws" in str(traces[0]["text"][0][0])
    assert len(app.get("vega_lite_chart")) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("short_pilots")
def test_a_search_without_harm_says_what_is_known(open_page: OpenPage) -> None:
    app = open_page("proposal")
    app.session_state[KEY] = Settings(query="what is the weather like")
    choose_kind(app.run(), "context")
    find(app)
    assert not app.exception
    warning = app.warning[-1].value
    assert "None of 150 pilot answers to 1 query was harmful" in warning
    assert "anything below" in warning
    assert not [button for button in app.button if button.label == "Use the best"]


def test_a_search_that_fails_says_why(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Iterator[SearchResult]:
        raise SpecError("the model returned NaN")
        yield

    monkeypatch.setattr(search_view, "search_steps", broken)
    app = find(open_page("proposal"))
    assert not app.exception
    assert any("The model returned NaN." in one.value for one in app.markdown)


def test_the_plan_of_the_default_search_is_known() -> None:
    chosen = Settings()
    asked = resources.request(chosen)
    assert SearchPlan.of(asked, SMALL, PILOT, KINDS["steer"].search.reach).is_default
    for grid, questions, reach in (
        (PAPER, PILOT, 2.8),
        (SMALL, OWN_QUERY, 2.8),
        (SMALL, PILOT, 3.0),
    ):
        assert not SearchPlan.of(asked, grid, questions, reach).is_default
    warmer = asked.model_copy(update={"generation": GenerationSpec(temperature=2.0)})
    assert not SearchPlan.of(warmer, SMALL, PILOT, KINDS["steer"].search.reach).is_default
    stronger = asked.model_copy(update={"proposal": SteerSpec(strength=3.0, layer=1)})
    same = (
        SearchPlan.of(asked, SMALL, OWN_QUERY, 2.8).name
        == SearchPlan.of(stronger, SMALL, OWN_QUERY, 2.8).name
    )
    assert same, "strength and layer are what the search is for"
    assert (
        SearchPlan.of(asked, PAPER, OWN_QUERY, 2.8).name
        != SearchPlan.of(stronger, PAPER, OWN_QUERY, 2.8).name
    )


def test_components_have_names_of_their_own() -> None:
    one = SteerSpec(strength=6.7, layer=3)
    names = component_names([one, one.model_copy(update={"t_switch": 4}), one, AblateSpec(layer=1)])
    assert len(set(names)) == 5
    assert names[-1] == "The model itself"
    assert component_names([one]) == ["Steer 6.7, block 3", "The model itself"]
