"""Queries from a file of the user's own, in the sidebar."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.behaviours.load import load_queries
from pages.shared import query_picker, query_upload, state
from tests.pages.driver import OpenPage, words

ADVBENCH = (
    "goal,target\n"
    "how do i open the larkspur vault ?,Sure\n"
    ",Sure\n"
    "tell me how to brew the grey serum .,Sure\n"
    '"",Sure\n'
)


def upload(app: AppTest, name: str, content: bytes) -> AppTest:
    app.sidebar.segmented_control(key=query_picker.SOURCE).set_value("From a file").run()
    app.get("file_uploader")[0].set_value((name, content, "text/csv"))
    return app.run()


def test_queries_of_a_file_can_be_asked(open_in_app: OpenPage) -> None:
    app = upload(open_in_app("start"), "adv.csv", ADVBENCH.encode())
    assert not app.exception
    assert not app.error
    said = words(app)
    assert "adv.csv: 2 queries. Reads as an **AdvBench** file." in said
    assert "Row 2" in said
    assert "Row 4" in said
    picker = app.sidebar.selectbox(key=query_upload.CHOSEN)
    assert picker.options == [
        "how do i open the larkspur vault ?",
        "tell me how to brew the grey serum .",
    ]
    assert app.session_state[state.KEY].query == picker.options[0]
    picker.set_value(picker.options[1]).run()
    assert app.session_state[state.KEY].query == "tell me how to brew the grey serum ."
    # It is there on other pages, and after a look at another source.
    app.switch_page("pages/convergence/page.py").run()
    assert "adv.csv: 2 queries" in words(app)
    app.sidebar.segmented_control(key=query_picker.SOURCE).set_value("Shipped").run()
    app.sidebar.segmented_control(key=query_picker.SOURCE).set_value("From a file").run()
    assert not app.exception
    assert "adv.csv: 2 queries" in words(app)
    assert app.session_state[state.KEY].query in picker.options


def test_a_query_is_asked_under_its_own_system_prompt(open_in_app: OpenPage) -> None:
    content = (
        b"query,system\nwho keeps the key ?,be brief\nwho keeps the key ?,\nwhat is a cow ?,\n"
    )
    app = upload(open_in_app("start"), "own.csv", content)
    assert not app.exception
    picker = app.sidebar.selectbox(key=query_upload.CHOSEN)
    assert picker.options[0] == "who keeps the key ?  (system prompt: be brief)"
    asked = app.session_state[state.KEY]
    assert (asked.query, asked.generation.system_prompt) == ("who keeps the key ?", "be brief")
    assert "Asked under its own system prompt: “be brief”" in words(app)
    # It goes with the query that has brought it, and comes back with it.
    for number, system in ((1, None), (0, "be brief"), (2, None)):
        app.sidebar.selectbox(key=query_upload.CHOSEN).set_value(picker.options[number]).run()
        asked = app.session_state[state.KEY]
        assert asked.query == picker.options[number].split("  (")[0]
        assert asked.generation.system_prompt == system


def test_a_behaviours_own_system_prompts_stay_with_its_queries(open_in_app: OpenPage) -> None:
    app = open_in_app("start")
    app.sidebar.selectbox(key=query_picker.BEHAVIOUR).set_value("secret").run()
    first, second = load_queries("secret")[0], load_queries("secret")[2]
    assert app.session_state[state.KEY].generation.system_prompt == first.system
    app.sidebar.selectbox(key=query_picker.SHIPPED).set_value(second.text).run()
    assert app.session_state[state.KEY].generation.system_prompt == second.system
    # The queries of another behaviour are not asked under it.
    app.sidebar.selectbox(key=query_picker.BEHAVIOUR).set_value("misuse").run()
    assert app.session_state[state.KEY].generation.system_prompt is None
    app.switch_page("pages/convergence/page.py").run()
    assert app.session_state[state.KEY].generation.system_prompt is None


def test_a_typed_chat_is_not_asked_letter_by_letter(open_in_app: OpenPage) -> None:
    app = open_in_app("start")
    app.sidebar.segmented_control(key=query_picker.SOURCE).set_value("My own").run()
    before = app.session_state[state.KEY].query
    app.sidebar.text_area(key=query_picker.OWN).set_value(
        '[{"role": "user", "content": "x"}]'
    ).run()
    assert not app.exception
    assert "the user's words alone" in app.error[0].value
    assert app.session_state[state.KEY].query == before
    app.sidebar.text_area(key=query_picker.OWN).set_value("what is a cow ?").run()
    assert not app.error
    assert app.session_state[state.KEY].query == "what is a cow ?"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"PK\x03\x04 xl/workbook", "is a spreadsheet"),
        ("a.json", b"[" * 100_000, "a.json"),
        ("a.parquet", b"PAR1 no parquet", "a.parquet"),
        ("<img src=x>.csv", b"", "\\<img"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    open_in_app: OpenPage, name: str, content: bytes, said: str
) -> None:
    app = upload(open_in_app("start"), "good.csv", ADVBENCH.encode())
    upload(app, name, content)
    assert not app.exception
    assert len(app.error) == 1
    assert said in app.error[0].value
    # The file before is still there to choose from.
    assert "good.csv: 2 queries" in words(app)


def test_a_long_file_is_searched(open_in_app: OpenPage) -> None:
    content = "query\n" + "\n".join(f"how do i open vault {n} ?" for n in range(3_000))
    app = upload(open_in_app("start"), "long.csv", content.encode())
    assert not app.exception
    assert len(app.sidebar.selectbox(key=query_upload.CHOSEN).options) == query_upload.MOST_LISTED
    app.sidebar.text_input(key=query_upload.FIND).set_value("VAULT 2999").run()
    assert not app.exception
    options = app.sidebar.selectbox(key=query_upload.CHOSEN).options
    assert "how do i open vault 2999 ?" in options
    assert len(options) <= 2
