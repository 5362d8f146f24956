"""The Model page: looked at first, then loaded; what cannot be used leaves the one before in place."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.models import task as model_task
from core.models.download import BYTES
from core.models.findings import Finding, Preflight
from core.models.loading import EMBEDDED_MODELS, LoadedModel, load_model
from core.models.spec import LoadingSpec
from core.tasks import Progress, Steps
from pages.shared import model_loading, resources, state
from tests.pages.driver import OpenPage, press, words

FOLDER = "Or a folder, a GGUF file, or a Hugging Face id"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a model of its own."""
    return Path(shutil.copytree(EMBEDDED_MODELS / "aster", tmp_path / "copy"))


def load(app: AppTest, name: object, press_on: str = "Check and load") -> AppTest:
    next(one for one in app.text_input if one.label == FOLDER).set_value(str(name))
    return press(app, press_on)


def arrive(app: AppTest, name: object, loading: LoadingSpec | None = None) -> AppTest:
    """Waits until what was asked for has been loaded, and runs the page as its polling does."""
    task = resources.model_tasks().get(model_task.task_name(str(name), loading or LoadingSpec()))
    assert task is not None
    task.wait(60)
    return app.run()


def test_an_embedded_model_is_loaded_at_once(open_page: OpenPage) -> None:
    app = open_page("model")
    next(one for one in app.selectbox if one.label == "On this machine").set_value("briar")
    press(app, "Check and load")
    assert not app.exception
    assert not app.error
    assert app.session_state[state.KEY].model == "briar"


def test_a_folder_is_loaded_in_the_background(open_page: OpenPage, copy: Path) -> None:
    app = load(open_page("model"), copy)
    assert not app.exception
    assert app.session_state[state.KEY].model == "aster" or not app.error
    arrive(app, copy)
    assert not app.error
    assert app.session_state[state.KEY].model == str(copy)
    assert str(copy) in words(app)
    # It was handed over, and is not kept a second time.
    task = resources.model_tasks().get(model_task.task_name(str(copy), LoadingSpec()))
    assert model_task.taken_model(task) is None


def test_the_list_wins_over_a_name_that_was_tried_before(open_page: OpenPage, copy: Path) -> None:
    app = load(open_page("model"), "no/such/model")
    assert app.error
    next(one for one in app.selectbox if one.label == "On this machine").set_value("briar")
    press(app, "Check and load")
    assert app.session_state[state.KEY].model == "briar"
    load(app, copy)
    arrive(app, copy)
    next(one for one in app.selectbox if one.label == "On this machine").set_value("aster")
    press(app, "Check and load")
    assert not app.exception
    assert app.session_state[state.KEY].model == "aster"


def test_how_it_is_loaded_is_followed(open_page: OpenPage, copy: Path) -> None:
    app = open_page("model")
    next(one for one in app.selectbox if one.label == "Numbers").set_value("bfloat16")
    load(app, copy)
    loading = LoadingSpec(dtype="bfloat16")
    arrive(app, copy, loading)
    assert not app.exception
    assert app.session_state[state.KEY].loading == loading
    assert str(resources.model(str(copy), loading).model.dtype) == "torch.bfloat16"
    assert "bfloat16" in words(app)


def test_other_numbers_of_the_same_model_are_another_model(open_page: OpenPage) -> None:
    app = open_page("model")
    app.session_state[state.KEY] = state.Settings(
        proposal=resources.default_proposal(load_model("aster"), "misuse")
    )
    next(one for one in app.selectbox if one.label == "Numbers").set_value("float16")
    press(app, "Check and load")
    assert not app.exception
    chosen = app.session_state[state.KEY]
    assert (chosen.model, chosen.loading.dtype) == ("aster", "float16")
    assert chosen.proposal is None


def test_looking_loads_nothing(open_page: OpenPage, copy: Path) -> None:
    app = load(open_page("model"), copy, "Check only")
    assert app.session_state[state.KEY].model == "aster"
    assert not resources.is_here(str(copy), LoadingSpec())
    assert "Its weights are safetensors files." in words(app)
    press(app, "Load it")
    arrive(app, copy)
    assert app.session_state[state.KEY].model == str(copy)


def only_pickles(folder: Path) -> str:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    return "only as pickle"


def code_of_its_own(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config))
    return "code of its own"


def no_tokenizer(folder: Path) -> str:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    return "tokenizer"


def cut_off(folder: Path) -> str:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    return "safetensors"


@pytest.mark.parametrize("spoil", [only_pickles, code_of_its_own, no_tokenizer, cut_off])
def test_a_bad_folder_is_one_sentence_and_the_old_one_stays(
    open_page: OpenPage, copy: Path, spoil: Callable[[Path], str]
) -> None:
    said = spoil(copy)
    app = load(open_page("model"), copy)
    assert not app.exception
    assert len(app.error) == 1
    assert said in app.error[0].value
    assert app.session_state[state.KEY].model == "aster"
    assert "aster stays loaded." in words(app)
    assert resources.model_tasks().get(model_task.task_name(str(copy), LoadingSpec())) is None


def test_a_base_model_without_a_chat_template_is_told(open_page: OpenPage, copy: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    app = load(open_page("model"), copy, "Check only")
    assert "no chat template" in words(app)
    assert not app.error


@pytest.mark.parametrize("revision", ["--upload-pack", "a b", ";"])
def test_a_strange_revision_is_one_sentence(open_page: OpenPage, revision: str) -> None:
    app = open_page("model")
    next(one for one in app.text_input if one.label == "Revision").set_value(revision)
    press(app, "Check and load")
    assert not app.exception
    assert "Revision must be a branch, a tag or a commit" in app.error[0].value.replace("\\", "")
    assert app.session_state[state.KEY].loading == LoadingSpec()


def test_no_name_is_one_sentence(open_page: OpenPage) -> None:
    app = open_page("model")
    next(one for one in app.selectbox if one.label == "On this machine").set_value(
        "Another model ..."
    )
    press(app, "Check and load")
    assert not app.exception
    assert "must not be blank" in app.error[0].value


def test_what_the_operator_allows_is_told(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILSCOPE_HOME", str(tmp_path))
    assert "Only safetensors weights are read" in words(open_page("model"))
    (tmp_path / "config.toml").write_text('allow_pickle = ["some/model"]')
    assert "allows pickled weights of some/model" in words(open_page("model"))
    (tmp_path / "config.toml").write_text("allow_pickle = 3")
    app = open_page("model")
    assert not app.exception
    assert "allow_pickle" in words(app).replace("\\", "")


def found(name: str) -> Preflight:
    return Preflight(name, (Finding("source", "ok", f"{name!r} is on the Hugging Face Hub."),))


@pytest.fixture
def on_the_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A model of 2.5 GB that is not here; its download stops half way until the event is set."""
    going = threading.Event()

    def fetch(name: str, loading: LoadingSpec) -> Steps[None, Path]:
        yield Progress(1_000_000_000, 2_500_000_000, BYTES)
        while not going.wait(0.02):
            yield Progress(1_250_000_000, 2_500_000_000, BYTES)
        return Path(name)

    def loaded(name: str, loading: LoadingSpec | None = None) -> LoadedModel:
        return load_model("aster", loading)

    monkeypatch.setattr(model_loading, "preflight", lambda name, **_: found(name))
    monkeypatch.setattr(
        model_loading, "to_download", lambda name, _: 2_500_000_000 if "/" in name else 0
    )
    monkeypatch.setattr(model_task, "download_steps", fetch)
    monkeypatch.setattr(model_task, "load_model", loaded)
    yield going
    going.set()


def test_a_download_is_asked_about_and_survives_a_page_change(
    open_page: OpenPage, open_in_app: OpenPage, on_the_hub: threading.Event
) -> None:
    app = load(open_page("model"), "some/model")
    assert not app.exception
    # Nothing is fetched before the user has agreed.
    assert resources.model_tasks().get(model_task.task_name("some/model", LoadingSpec())) is None
    press(app, "Download 2.5 GB and load")
    poll(app, lambda: "1.25 GB" in progress(app))
    assert "1.25 GB of 2.5 GB" in progress(app)
    assert app.session_state[state.KEY].model == "aster"
    # Another page of the same session.
    elsewhere = open_in_app("start")
    elsewhere.session_state[model_loading.PENDING] = app.session_state[model_loading.PENDING]
    assert "some/model is loading" in words(elsewhere.run())
    on_the_hub.set()
    arrive(elsewhere, "some/model")
    assert "some/model has stopped loading" in words(elsewhere)
    app.run()
    assert not app.exception
    assert app.session_state[state.KEY].model == "some/model"


def poll(app: AppTest, seen: Callable[[], bool]) -> None:
    """Runs the page anew until something is seen on it, as its polling does."""
    deadline = time.monotonic() + 20
    while not seen() and time.monotonic() < deadline:
        time.sleep(0.05)
        app.run()


def progress(app: AppTest) -> str:
    return " ".join(bar.proto.text for bar in app.get("progress"))


def test_a_download_can_be_cancelled(open_page: OpenPage, on_the_hub: threading.Event) -> None:
    app = load(open_page("model"), "some/model")
    press(app, "Download 2.5 GB and load")
    poll(app, lambda: "Cancel" in [button.label for button in app.button])
    press(app, "Cancel")
    arrive(app, "some/model")
    assert not app.exception
    assert "was cancelled" in app.error[0].value
    assert app.session_state[state.KEY].model == "aster"


def test_a_load_that_fails_is_one_sentence(
    open_page: OpenPage, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It looks well, and is damaged inside.
    monkeypatch.setattr(model_loading, "preflight", lambda name, **_: found(name))
    cut_off(copy)
    app = load(open_page("model"), copy)
    arrive(app, copy)
    assert not app.exception
    assert len(app.error) == 1
    assert "could not be loaded" in app.error[0].value
    assert app.session_state[state.KEY].model == "aster"


@pytest.mark.slow
def test_the_models_own_settings_are_told_and_taken_over(open_page: OpenPage, copy: Path) -> None:
    own = {"eos_token_id": 1, "temperature": 0.6, "repetition_penalty": 1.3, "num_beams": 4}
    (copy / "generation_config.json").write_text(json.dumps(own))
    app = load(open_page("model"), copy)
    arrive(app, copy)
    told = " ".join(note.value for note in app.info)
    assert "repetition\\_penalty 1.3" in told
    assert told.endswith("num\\_beams cannot be had.")
    press(app, "Use the model's own settings")
    assert not app.exception
    assert not app.error
    made = app.session_state[state.KEY].generation
    assert (made.temperature, made.repetition_penalty) == (0.6, 1.3)
    told = " ".join(note.value for note in app.info)
    assert "repetition" not in told
    assert "num\\_beams 4" in told
    assert "Use the model's own settings" not in [one.label for one in app.button]
    # Another setting is changed, and those taken over stay.
    next(one for one in app.number_input if one.label == "Longest answer, in tokens").set_value(12)
    press(app, "Apply")
    changed = app.session_state[state.KEY].generation
    assert changed == made.model_copy(update={"max_new_tokens": 12})


def test_a_template_that_takes_no_system_prompt_is_one_sentence(
    open_page: OpenPage, copy: Path
) -> None:
    template = copy / "chat_template.jinja"
    refusal = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    )
    template.write_text(refusal + template.read_text())
    app = load(open_page("model"), copy)
    arrive(app, copy)
    assert not app.error
    next(one for one in app.text_area if one.label == "System prompt").set_value("be kind")
    press(app, "Apply")
    assert not app.exception
    assert "leave the system prompt out" in " ".join(error.value for error in app.error)


def test_a_date_is_shown_and_set(open_page: OpenPage, copy: Path) -> None:
    template = copy / "chat_template.jinja"
    template.write_text("{{ strftime_now('%d') }}" + template.read_text())
    app = load(open_page("model"), copy)
    arrive(app, copy)
    assert "a date into the prompt: 2025-01-01" in " ".join(one.value for one in app.caption)
    day = next(one for one in app.text_input if one.label == "Date in the prompt")
    day.set_value("soon")
    press(app, "Apply")
    assert "must be a date like 2025-01-31, got 'soon'" in app.error[0].value
    next(one for one in app.text_input if one.label == "Date in the prompt").set_value("2026-11-28")
    press(app, "Apply")
    assert not app.error
    assert app.session_state[state.KEY].generation.template_date.isoformat() == "2026-11-28"
    never = next(one for one in app.text_input if one.label == "Tokens never drawn")
    never.set_value("10, x")
    press(app, "Apply")
    assert "'x'" in app.error[0].value
