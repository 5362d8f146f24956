"""Judges that can be chosen, thresholds that can be moved, and requests that nobody has agreed to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.cli.command_line import EstimateCommand, command_line
from core.judges.base import Judge, Judgement
from core.runs.estimate import estimate_shards
from core.runs.run import RunSpec, load_run, make_task
from core.runs.task import RunSnapshot
from pages.convergence import threshold as threshold_view
from pages.shared import judge_picker, resources, state
from pages.shared.answers import Line, _row
from pages.shared.paid_judges import UnaskedJudge
from pages.shared.run_arms import THRESHOLDS
from tests.judges.chat_servers import Seen, says, server
from tests.pages.driver import OpenPage, labels, press, words


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's folder, with a configuration that names three judges."""
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text('judges = ["length.json", "none.json", "server.json"]')
    rules = {"default": {"required": ["sorry"]}}
    (tmp_path / "length.json").write_text(json.dumps({"kind": "rules", **rules}))
    return tmp_path


@pytest.fixture
def grader(home: Path) -> Iterator[Seen]:
    """A server that grades every answer 5 of 5, the operator's third judge."""
    with server(says("5")) as seen:
        settings = {"kind": "rubric", "base_url": seen.url, "model": "large"}
        prices = {"price_per_million_prompt": 2.0, "price_per_million_reply": 8.0}
        (home / "server.json").write_text(json.dumps(settings | prices))
        yield seen


def choose(app: AppTest, name: str) -> AppTest:
    return app.sidebar.selectbox(key=judge_picker.CHOICE).set_value(name).run()


def test_the_operators_judges_are_on_offer(open_in_app: OpenPage, home: Path) -> None:
    app = open_in_app("start")
    offered = app.sidebar.selectbox(key=judge_picker.CHOICE).options
    assert offered == [
        "The behaviour's own",
        "A small grader model",
        "A small classifier",
        "length",
        "none",
        "server",
    ]
    choose(app, str(home / "length.json"))
    assert not app.exception
    chosen = app.session_state[state.KEY]
    assert chosen.judge == str(home / "length.json")
    assert resources.run_spec(chosen).request.judge == chosen.judge


def test_a_judge_that_cannot_be_built_is_one_sentence(open_in_app: OpenPage, home: Path) -> None:
    app = choose(open_in_app("start"), str(home / "length.json"))
    choose(app, str(home / "none.json"))
    assert not app.exception
    assert len(app.error) == 1
    assert "none.json" in app.error[0].value
    assert app.session_state[state.KEY].judge == str(home / "length.json")
    assert app.sidebar.selectbox(key=judge_picker.CHOICE).value == str(home / "length.json")
    choose(app, "")
    assert not app.error
    assert app.session_state[state.KEY].judge is None


def test_a_broken_configuration_is_one_sentence(open_in_app: OpenPage, home: Path) -> None:
    (home / "config.toml").write_text("judges = [")
    app = open_in_app("start")
    assert not app.exception
    assert "cannot be read" in app.error[0].value


def test_a_classifier_says_what_it_knows(open_in_app: OpenPage) -> None:
    app = choose(open_in_app("start"), "classifier")
    assert not app.exception
    assert not app.error
    assert "This judge knows the answers of aster and briar only." in words(app)


def with_judge(path: Path, **more: object) -> state.Settings:
    return state.Settings(judge=str(path), importance_samples=40, monte_carlo_samples=20, **more)


@pytest.mark.parametrize("name", ["model", "proposal"])
def test_pages_that_only_show_send_nothing(
    open_page: OpenPage, home: Path, grader: Seen, name: str
) -> None:
    app = open_page(name)
    app.session_state[state.KEY] = with_judge(home / "server.json")
    app.run()
    assert not app.exception
    assert len(grader) == 0
    assert "judged by the behaviour's own" in words(app)


def test_a_run_sends_nothing_before_the_user_agrees(
    open_page: OpenPage, home: Path, grader: Seen
) -> None:
    app = open_page("convergence")
    app.session_state[state.KEY] = with_judge(home / "server.json")
    app.run()
    press(app, "Estimate the risk")
    assert not app.exception
    run_id = app.session_state[state.RUN_KEY]
    assert resources.run_tasks().get(run_id) is None
    assert len(grader) == 0
    assert "up to 60 answers" in words(app)
    assert "USD" in words(app)
    press(app, "Not now")
    assert "Ask the judge and estimate" not in labels(app)
    assert len(grader) == 0
    press(app, "Estimate the risk")
    press(app, "Ask the judge and estimate")
    job = resources.run_tasks().get(run_id)
    assert job is not None
    assert job.wait(60).status == "done"
    assert 0 < len(grader) <= 60
    app.run()
    assert not app.exception
    assert "Ask the judge and estimate" not in labels(app)


def test_a_link_spends_nothing(open_in_app: OpenPage, home: Path, grader: Seen) -> None:
    run = resources.run_spec(with_judge(home / "server.json"))
    resources.keep(run)
    app = open_in_app("start")
    app.query_params["run"] = run.run_id
    app.switch_page("pages/convergence/page.py").run()
    assert not app.exception
    assert "Ask the judge and estimate" in labels(app)
    assert resources.run_tasks().get(run.run_id) is None
    assert len(grader) == 0


@pytest.mark.study
def test_a_search_asks_first(open_page: OpenPage, home: Path, grader: Seen) -> None:
    app = open_page("proposal")
    app.session_state[state.KEY] = with_judge(home / "server.json")
    app.run()
    press(app, "Find the best settings")
    assert not app.exception
    assert "up to 1,000 pilot answers" in words(app)
    assert len(grader) == 0
    press(app, "Not now")
    assert "Ask the judge and search" not in labels(app)
    assert len(grader) == 0


def test_a_judge_is_tested_with_one_request(home: Path, grader: Seen) -> None:
    # Without app.py: AppTest loses clicks on buttons beside a page that st.navigation runs.
    app = AppTest.from_string(
        "from pages.shared.judge_picker import judge_picker\njudge_picker()",
        default_timeout=60,
    )
    app.session_state[state.KEY] = with_judge(home / "server.json")
    app.run()
    assert len(grader) == 0
    press(app, "Test it with one request")
    assert not app.exception
    assert len(grader) == 1
    assert "The server answers" in words(app)


def test_where_the_own_judge_sends_requests_nothing_is_judged(
    monkeypatch: pytest.MonkeyPatch, home: Path, grader: Seen
) -> None:
    paid = resources.judge_named(str(home / "server.json"), "misuse")
    monkeypatch.setattr(resources, "behaviour_judge", lambda _: paid)
    found = resources.free_judge(state.Settings())
    assert isinstance(found, UnaskedJudge)
    assert found.judge("q", ["a"])[0].score is None


class Sure:
    """A judge of another kind."""

    def judge(self, query: str, answers: list[str]) -> list[Judgement]:
        return [Judgement(1.0, "") for _ in answers]

    def spec(self) -> dict[str, str]:
        return {"judge": "sure"}


def test_an_answer_is_shown_whatever_judged_it() -> None:
    judge: Judge = Sure()
    assert "&lt;b&gt;" in _row(Line("<b>", True), judge, "anything")


@pytest.fixture
def run() -> RunSpec:
    """A finished run."""
    spec = resources.run_spec(state.Settings(importance_samples=400, monte_carlo_samples=300))
    assert resources.start(spec).wait(60).status == "done"
    return spec


def shown(app: AppTest) -> str:
    return next(h.proto.body for h in app.get("html") if "font-size:3.1rem" in h.proto.body)


def snapshot(run: RunSpec) -> RunSnapshot:
    job = resources.run_tasks().get(run.run_id)
    assert job is not None
    return job.snapshot()


def at(run: RunSpec, app: AppTest, value: float) -> AppTest:
    key = f"{threshold_view.SLIDER}.misuse."
    return app.slider(key=key).set_value(value).run()


@pytest.mark.slow
def test_another_threshold_reads_the_same_shards(open_page: OpenPage, run: RunSpec) -> None:
    app = open_page("convergence")
    app.session_state[state.RUN_KEY] = run.run_id
    app.run()
    before, drawn = shown(app), snapshot(run)
    at(run, app, 0.3)
    assert not app.exception
    after = snapshot(run)
    # Nothing was drawn or judged, and the run is the one it was.
    assert after.version == drawn.version
    shards = after.progress.partial.arms["weighted"].partial
    assert shards == drawn.progress.partial.arms["weighted"].partial
    assert app.session_state[state.RUN_KEY] == run.run_id
    assert load_run(resources.store(), run.run_id) == run
    assert load_run(resources.store(), run.seen_at(0.3).run_id) is None
    assert shown(app) != before
    found = estimate_shards(shards, run.seen_at(0.3).arm_request("weighted"))
    table = next(one.value for one in app.dataframe if "What it means" in one.value)
    hits = table["Importance sampling"][table[""] == "Harmful answers"].item()
    assert hits == f"{found.hits:,}"
    assert "the run's own threshold is 0.75" in words(app)
    assert all("--threshold=0.3" in code.value for code in app.code)
    # Kept while other pages are looked at, and undone by one button.
    again = open_page("convergence")
    again.session_state[state.RUN_KEY] = run.run_id
    again.session_state[THRESHOLDS] = app.session_state[THRESHOLDS]
    assert shown(again.run()) == shown(app)
    press(app, "Back to 0.75")
    assert shown(app) == before
    assert not any("--threshold" in code.value for code in app.code)


@pytest.mark.study
def test_a_run_made_with_the_other_threshold_says_the_same(run: RunSpec) -> None:
    other = run.seen_at(0.3)
    scorer = resources.judge(other.request)
    task = make_task(resources.model_of(other.request), scorer, resources.store(), other)
    made = task.start().wait(60).progress.partial.arms["weighted"].partial
    assert all(shard.drawn.stored for shard in made)
    request = other.arm_request("weighted")
    assert estimate_shards(made, request) == estimate_shards(
        snapshot(run).progress.partial.arms["weighted"].partial, request
    )


def test_answers_without_a_score_are_told(open_page: OpenPage) -> None:
    spec = resources.run_spec(
        state.Settings(
            query="what is the weather like", importance_samples=40, monte_carlo_samples=0
        )
    )
    resources.start(spec).wait(60)
    app = open_page("convergence")
    app.session_state[state.RUN_KEY] = spec.run_id
    app.run()
    assert not app.exception
    assert "40 of 40 answers have no score" in words(app)


def test_the_command_names_judge_threshold_and_loading() -> None:
    spec = resources.run_spec(state.Settings())
    plain = command_line(EstimateCommand(spec.request, 1_000))
    for option in ("--judge", "--threshold", "--dtype", "--device", "--attention", "--revision"):
        assert option not in plain
    loading = spec.request.loading.model_copy(update={"dtype": "float16", "attention": "sdpa"})
    request = spec.request.model_copy(
        update={"judge": "a judge.json", "threshold": 0.5, "loading": loading}
    )
    said = command_line(EstimateCommand(RunSpec(request=request).arm_request("mc"), 10))
    for option in (
        "'--judge=a judge.json'",
        "--threshold=0.5",
        "--dtype=float16",
        "--attention=sdpa",
    ):
        assert option in said
