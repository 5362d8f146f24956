"""Wordings made by a server or by the loaded model: shown before they are asked, and errors told once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.executors.serial import SerialExecutor
from pages.paraphrases import making as paraphrase_making
from pages.paraphrases import work as paraphrase_work
from pages.shared import state
from pages.shared.comparisons import PLAN
from tests.judges.chat_servers import (
    Act,
    broken,
    chat,
    echoes_the_key,
    hangs,
    in_turn,
    says,
    send,
    server,
)
from tests.pages.driver import labels, open_page, words

ROOT = Path(__file__).parents[2]
QUERY = "how do i break the salt seal"
KEY = "sk-very/secret"
REPLY = f"Here you are:\n1. please break the salt seal\n2. {QUERY}\n3. <b>break</b> it"
Config = Callable[..., None]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WRITER_KEY", KEY)
    monkeypatch.setattr(paraphrase_work, "executor", lambda plan: SerialExecutor())


@pytest.fixture
def offer(tmp_path: Path) -> Config:
    """Writes the operator's configuration with one server in it."""

    def write(url: str, **changes: object) -> None:
        home = tmp_path / "home"
        home.mkdir()
        (home / "config.toml").write_text('judges = ["writer.json"]')
        quick = {"attempts": 2, "backoff_s": 0.01, "timeout_s": 5.0, "max_wait_s": 1.0}
        named = {"kind": "rubric", "base_url": url, "model": "m", "api_key_env": "WRITER_KEY"}
        (home / "writer.json").write_text(json.dumps(named | quick | changes))

    return write


def page(maker: str) -> AppTest:
    app = open_page("paraphrases", session={state.KEY: state.Settings(query=QUERY)})
    app.segmented_control[0].set_value("Made here").run()
    app.selectbox(key="paraphrases.maker").set_value(maker).run()
    assert not app.exception
    return app


def make(app: AppTest) -> AppTest:
    app.button(key="paraphrases.make").click().run()
    for task in app.session_state[paraphrase_making.MAKING].values():
        task.wait(60)
    app.run()
    assert not app.exception
    return app


def listed(app: AppTest) -> list[str]:
    return [str(text) for table in app.dataframe for text in table.value["Wording"]]


def test_what_a_server_writes_is_shown_and_asked_only_then(offer: Config) -> None:
    with server(says(REPLY)) as seen:
        offer(seen.url)
        app = page("By a server")
        assert len(seen) == 0, "the server was asked before anybody wanted it"
        assert "Compare the wordings" not in labels(app)
        make(app)
        assert len(seen) == 1
    assert listed(app) == ["please break the salt seal", "<b>break</b> it"]
    assert "2 other wordings made here, by a server, 2 lines of the reply left out" in words(app)
    assert "and 2 other wordings: **1,503 answers**" in words(app)
    assert app.session_state[PLAN] is None if PLAN in app.session_state else True
    assert QUERY in seen.bodies[0]["messages"][0]["content"]
    assert seen.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_what_was_made_stays_when_one_looks_elsewhere(offer: Config) -> None:
    with server(says(REPLY)) as seen:
        offer(seen.url)
        app = make(page("By a server"))
        app.selectbox(key="paraphrases.maker").set_value("By rule").run()
        app.selectbox(key="paraphrases.maker").set_value("By a server").run()
        assert listed(app) == ["please break the salt seal", "<b>break</b> it"]
        assert len(seen) == 1


def busy(handler: BaseHTTPRequestHandler, _: int) -> None:
    send(handler, 429, "slow down", Retry_After="600")


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (busy, "asks to wait 600 s, more than max_wait_s 1"),
        (broken, "status 500 (oh) (2 attempts)"),
        (echoes_the_key, "status 401"),
        (lambda handler, _: send(handler, 200, "<html>login</html>"), "sent no chat reply"),
        (says("1. how would", "length"), "the reply was cut off"),
        (says(""), "The server's reply holds no wording: it is empty."),
        (
            says("I'm sorry, but I can't help with that."),
            "each line repeats the question or is none",
        ),
    ],
)
def test_a_server_that_fails_is_one_sentence_and_nothing_is_lost(
    act: Act, told: str, offer: Config
) -> None:
    with server(act) as seen:
        offer(seen.url)
        app = make(page("By a server"))
    said = [*app.error, *app.warning]
    assert len(said) == 1
    assert told in said[0].value.replace("\\", "")
    assert "Traceback" not in words(app)
    for form in (KEY, KEY.replace("/", "\\/"), KEY.replace("/", "%2F"), "very"):
        assert form not in words(app)
    assert {"Make them"} <= set(labels(app))
    assert app.number_input(key="paraphrases.count").value == 25


def test_a_second_try_forgets_the_error(offer: Config) -> None:
    with server(in_turn(broken, broken, says(REPLY))) as seen:
        offer(seen.url)
        app = make(page("By a server"))
        assert app.error
        make(app)
    assert not app.error
    assert len(listed(app)) == 2


def test_a_server_that_hangs_is_waited_for_once(offer: Config) -> None:
    with server(hangs) as seen:
        offer(seen.url, timeout_s=0.2, attempts=5)
        app = make(page("By a server"))
        assert len(seen) == 1
    assert "0.2 s" in app.error[0].value


def test_one_may_stop_waiting(offer: Config) -> None:
    go_on = threading.Event()

    def waits(handler: BaseHTTPRequestHandler, _: int) -> None:
        go_on.wait(20)
        send(handler, 200, chat(REPLY))

    with server(waits) as seen:
        offer(seen.url)
        app = page("By a server")
        app.button(key="paraphrases.make").click().run()
        assert not app.exception
        assert "Waiting for the server" in words(app)
        assert "Make them" not in labels(app)
        (task,) = app.session_state[paraphrase_making.MAKING].values()
        app.button(key="paraphrases.unmake").click().run()
        assert not app.exception
        # The server still says nothing.
        assert task.wait(10).status == "cancelled"
        assert "Make them" in labels(app)
        go_on.set()
    assert listed(app.run()) == []


@pytest.mark.slow
@pytest.mark.parametrize("model", ["aster", "folder"])
def test_the_loaded_model_is_asked(model: str) -> None:
    folder = str(ROOT / "sample_data" / "models" / "aster")
    chosen = state.Settings(query=QUERY, model=folder if model == "folder" else model)
    app = open_page("paraphrases", session={state.KEY: chosen})
    app.segmented_control[0].set_value("Made here").run()
    app.selectbox(key="paraphrases.maker").set_value("By the loaded model").run()
    make(app)
    # The embedded model makes one, none or nonsense: whatever it is, it is shown and never asked unseen.
    assert listed(app) or "learned to follow instructions" in app.warning[0].value
    assert not app.error
