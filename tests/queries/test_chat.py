"""Queries in chat form: one user's turn is the query, more is refused by row, nothing is dropped unsaid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import SpecError
from core.queries import parse_query_file, read_query_file
from core.queries.chat import check_no_chat, read_chat
from tests.queries.writers import COW, FISH, MOON, parquet, texts_of

CASES = Path(__file__).parents[1] / "cases" / "queries_chat_layouts"
SYSTEM = "you are a farmer"


def user(text: str = COW) -> dict[str, str]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("name", ["messages.jsonl", "turns.jsonl", "human.jsonl"])
def test_published_layouts(name: str) -> None:
    file = read_query_file(CASES / name)
    assert texts_of(file) == ("how do i open the north gate ?", "who keeps the lamp room key ?")
    assert file.bad == ()
    assert ("2 queries were in chat form: the user's turn is asked" in file.notes) is True


LAYOUTS: list[tuple[str, Any, str | None]] = [
    ("messages", [user()], None),
    ("messages", [{"role": "system", "content": SYSTEM}, user()], SYSTEM),
    ("messages", [{"role": "developer", "content": SYSTEM}, user()], SYSTEM),
    ("messages", [{"role": "system", "content": " "}, user()], None),
    ("messages", [{"role": "user", "content": [{"type": "text", "text": COW}]}], None),
    (
        "conversations",
        [{"from": "system", "value": SYSTEM}, {"from": "human", "value": COW}],
        SYSTEM,
    ),
    ("input", [user()], None),
    ("prompt", [{"type": "human", "content": COW}], None),
    ("turns", [COW], None),
    ("query", json.dumps([user()]), None),
    ("query", json.dumps({"messages": [{"role": "system", "content": SYSTEM}, user()]}), SYSTEM),
    ("query", json.dumps(user()), None),
]


@pytest.mark.parametrize(("column", "cell", "system"), LAYOUTS)
def test_one_turn_is_the_query(column: str, cell: Any, system: str | None) -> None:
    content = json.dumps({column: cell}) + "\n" + json.dumps({column: FISH})
    file = parse_query_file("asked.jsonl", content.encode())
    assert [query.asked for query in file.queries] == [(COW, system), (FISH, None)]
    assert file.bad == ()


def test_chats_in_parquet_and_in_lines() -> None:
    chat = [{"role": "system", "content": SYSTEM}, user()]
    file = parse_query_file("asked.parquet", parquet(messages=[chat, [user(FISH)]]))
    assert [query.asked for query in file.queries] == [(COW, SYSTEM), (FISH, None)]
    lines = f"{json.dumps({'messages': chat})}\n{MOON}\n"
    file = parse_query_file("asked.txt", lines.encode())
    assert [query.asked for query in file.queries] == [(COW, SYSTEM), (MOON, None)]


def test_an_answer_is_told_and_not_asked() -> None:
    chat = [user(), {"role": "assistant", "content": "an animal"}]
    file = parse_query_file("a.jsonl", json.dumps({"messages": chat}).encode() + b"\n")
    assert texts_of(file) == (COW,)
    assert "the answer that followed 1 query is not part of what is asked" in file.notes


REFUSED: list[tuple[Any, str]] = [
    (
        [user(), {"role": "assistant", "content": "x"}, user(FISH)],
        "a conversation with 2 turns of the user",
    ),
    ([{"role": "assistant", "content": "hi"}, user()], "a conversation of assistant, user"),
    ([{"role": "system", "content": "x"}], "a chat without a turn of the user"),
    ([user(), {"role": "tool", "content": "x"}], "a message is by 'tool'"),
    (
        [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}],
        "a message must be text",
    ),
    ([{"role": "user", "content": None}], "a message must be text, got null"),
    ([user(), {"content": "x"}], "some of its messages have no role"),
    ([COW, FISH], "a conversation with 2 turns of the user"),
    ([], "must be a text, got []"),
    ("[{'role': 'user', 'content': 'what is a cow'}]", "it looks like a chat, but is not JSON"),
]


@pytest.mark.parametrize(("cell", "reason"), REFUSED)
def test_what_cannot_be_asked_is_refused_by_row(cell: Any, reason: str) -> None:
    content = f"{json.dumps({'messages': [user(MOON)]})}\n{json.dumps({'messages': cell})}\n"
    file = parse_query_file("asked.jsonl", content.encode())
    assert texts_of(file) == (MOON,)
    (bad,) = file.bad
    assert bad.row == 2
    assert reason in bad.reason


def test_two_system_prompts_are_refused() -> None:
    chat = [{"role": "system", "content": SYSTEM}, user()]
    rows = [{"messages": chat, "system": "another"}, {"messages": chat, "system": SYSTEM}]
    file = parse_query_file("asked.jsonl", "\n".join(map(json.dumps, rows)).encode())
    assert [bad.reason for bad in file.bad] == [
        "it has two system prompts, one in the chat and one beside it"
    ]
    assert [query.asked for query in file.queries] == [(COW, SYSTEM)]


@pytest.mark.parametrize(
    "text",
    [COW, "[1, 2]", '{"a": 1}', '["a", "b"]', "[draft] what is a cow", '{"role": "x"}', "{", "[]"],
)
def test_other_text_is_a_query_as_it_is(text: str) -> None:
    assert read_chat(text) is None
    assert check_no_chat(text) == text
    assert texts_of(parse_query_file("a.jsonl", json.dumps({"query": text}).encode())) == (text,)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([user()]),
        json.dumps({"messages": [user(), user()]}),
        "[{'role': 'user', 'x': 1}]",
    ],
)
def test_a_typed_chat_is_not_asked_letter_by_letter(text: str) -> None:
    with pytest.raises(SpecError, match="query must be the user's words"):
        check_no_chat(text)
