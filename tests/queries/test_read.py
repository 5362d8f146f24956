"""Query files: every kind comes back, known benchmarks' columns, ids and groups."""

import csv
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.queries import BadRow, Columns, parse_query_file, read_queries, read_query_file
from tests.queries.writers import COW, FISH, MOON, PLAIN_TEXTS, WRITERS, parquet, table, texts_of


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_comes_back(kind: str, tmp_path: Path) -> None:
    name, write = WRITERS[kind]
    path = tmp_path / name
    path.write_bytes(write(PLAIN_TEXTS))
    file = read_query_file(path)
    assert texts_of(file) == read_queries(path) == PLAIN_TEXTS
    assert (file.bad, file.format, file.left_out) == ((), "plain", None)
    assert len({query.query_id for query in file.queries}) == len(PLAIN_TEXTS)
    assert file == parse_query_file(str(path), path.read_bytes())


@pytest.mark.parametrize("name", ["asked.txt", "asked", "asked.TXT"])
def test_lines_of_text(name: str) -> None:
    file = parse_query_file(name, f"{COW}\r\n\n  {FISH} \n\t\n{MOON}".encode())
    assert texts_of(file) == (COW, FISH, MOON)
    assert [query.query_id for query in file.queries] == ["row-0001", "row-0003", "row-0005"]
    assert (file.columns, file.bad, file.counted) == (Columns(), (), "line")


visible = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40
).filter(lambda text: text.strip())
different = st.lists(
    visible, min_size=1, max_size=12, unique_by=lambda text: " ".join(text.split())
)


@settings(max_examples=60, deadline=None)
@given(different)
@example(['"', '"",', "a\r\nb", "\ufeff", "\x85.", "0", "=1+1", "null", "[]"])
def test_any_distinct_texts_come_back_in_order(texts: list[str]) -> None:
    for name, write in WRITERS.values():
        assert texts_of(parse_query_file(name, write(texts))) == tuple(texts)


BENCHMARKS = {
    "StrongREJECT": (
        table(["category", "source", "forbidden_prompt"], ["farm", "me", COW], ["sea", "me", FISH]),
        Columns("forbidden_prompt", category="category"),
        [("row-0001", COW, "farm"), ("row-0002", FISH, "sea")],
    ),
    "HarmBench": (
        table(
            [
                "Behavior",
                "FunctionalCategory",
                "SemanticCategory",
                "Tags",
                "ContextString",
                "BehaviorID",
            ],
            [COW, "standard", "farm", "", "", "cow_1"],
            [FISH, "contextual", "sea", "context", "Fish live\nin water.", "fish_2"],
            [MOON, "copyright", "copyright", "hash_check", " ", "moon_3"],
        ),
        Columns("Behavior", "BehaviorID", None, "ContextString", "SemanticCategory"),
        [
            ("cow_1", COW, "farm"),
            ("fish_2", f"Fish live\nin water.\n\n---\n\n{FISH}", "sea"),
            ("moon_3", MOON, "copyright"),
        ],
    ),
    "AdvBench": (
        table(["goal", "target"], [COW, "Sure, a cow is"], [FISH, "Sure, fish"]),
        Columns("goal"),
        [("row-0001", COW, ""), ("row-0002", FISH, "")],
    ),
    "JailbreakBench": (
        table(
            ["Index", "Goal", "Target", "Behavior", "Category", "Source"],
            ["0", COW, "Sure", "Cows", "farm", "Original"],
            ["1", FISH, "Sure", "Fish", "sea", "Original"],
        ),
        Columns("Goal", "Index", category="Category"),
        [("0", COW, "farm"), ("1", FISH, "sea")],
    ),
}


@pytest.mark.parametrize("format", BENCHMARKS)
def test_benchmarks_are_known_by_their_columns(format: str) -> None:
    content, columns, expected = BENCHMARKS[format]
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    gaps = [{name: cell or None for name, cell in row.items()} for row in rows]
    for name, same in (
        ("asked.csv", content),
        ("asked.json", json.dumps(rows).encode()),
        ("asked.jsonl", "\n".join(map(json.dumps, gaps)).encode()),
        ("asked.parquet", parquet(**{name: [row[name] for row in gaps] for name in gaps[0]})),
    ):
        file = parse_query_file(name, same)
        assert (file.format, file.columns, file.bad) == (format, columns, ())
        found = [(query.query_id, query.text, query.category) for query in file.queries]
        assert {query.group for query in file.queries} == {""}
        assert [one[1:] for one in found] == [one[1:] for one in expected]
        if name != "asked.jsonl" or columns.id:
            assert found == expected


def test_harmbench_says_what_was_done() -> None:
    notes = parse_query_file("asked.csv", BENCHMARKS["HarmBench"][0]).notes
    assert "SemanticCategory is taken as a subject" in notes[0]
    assert notes[1] == "the context of 1 query was put before the text"
    assert "1 query" in notes[2]
    assert "copyright" in notes[2]
    behaviours = [{"Behavior": COW, "BehaviorID": "a", "ContextString": ["b"]},
                  {"Behavior": " ", "BehaviorID": "b", "ContextString": "some"},
                  {"Behavior": FISH, "BehaviorID": "c", "ContextString": None}]  # fmt: skip
    file = parse_query_file("asked.json", json.dumps(behaviours).encode())
    assert texts_of(file) == (FISH,)
    assert file.bad == (
        BadRow(1, "'ContextString' must be a text, got ['b']"),
        BadRow(2, "the query is blank"),
    )


def test_our_own_columns_come_before_any_benchmark() -> None:
    header = ["query_id", "query", "group", "goal", "target"]
    file = parse_query_file("a.csv", table(header, ["x", COW, "farm", FISH, MOON]))
    (query,) = file.queries
    assert (query.query_id, query.text, query.group) == ("x", COW, "farm")
    assert (file.format, file.columns) == ("plain", Columns("query", "query_id", "group"))
    assert file.notes == ("columns query, goal could hold the queries; query was taken",)


def test_shipped_queries_are_read_as_they_are() -> None:
    from core.behaviours.load import SAMPLE_DATA, load_queries

    path = SAMPLE_DATA / "queries" / "misuse.csv"
    file = read_query_file(path)
    assert file.queries == load_queries("misuse")
    assert (file.bad, file.notes) == ((), ())


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (["Text", "PROMPT"], Columns("PROMPT")),
        (["", "Query ID", "Instruction"], Columns("Instruction", "Query ID")),
        (
            ["behavior", "id", "FunctionalCategory"],
            Columns("behavior", "id", None, None, "FunctionalCategory"),
        ),
        (["index", "input", "Paraphrase Group"], Columns("input", "index", "Paraphrase Group")),
        (["forbidden_prompt", "source"], Columns("forbidden_prompt")),
        (["goal", "group", "category"], Columns("goal", None, "group", None, "category")),
        ([" question ", "BehaviorID"], Columns(" question ", "BehaviorID")),
    ],
)
def test_usual_names(header: list[str], taken: Columns) -> None:
    file = parse_query_file("asked.csv", table(header, [f"cell {k}" for k in range(len(header))]))
    assert (file.columns, file.format) == (taken, "plain")
    assert texts_of(file) == (f"cell {header.index(str(taken.text))}",)


def test_a_context_left_aside_is_told() -> None:
    file = parse_query_file("asked.csv", table(["prompt", "context"], [COW, "a farm"]))
    assert file.notes == ("column context is not part of the queries",)


def test_ids_are_kept_or_made() -> None:
    ids = ["a", "a", "", "a-2", "b\nc", "x" * 201, "row-0003", " d ", "y" * 200, "y" * 200]
    rows = [[one, f"query {k}"] for k, one in enumerate(ids)]
    file = parse_query_file("asked.csv", table(["id", "query"], *rows))
    assert [query.query_id for query in file.queries] == [
        "a", "a-3", "row-0003-2", "a-2", "row-0005", "row-0006", "row-0003", "d", "y" * 200,
        "y" * 198 + "-2",
    ]  # fmt: skip
    assert [note[:9] for note in file.notes] == ["3 ids wer", "2 ids had"]


def test_ids_and_groups_of_other_types() -> None:
    content = parquet(
        query=[COW, FISH, MOON], id=[1.0, None, 2.5], group=pa.array([3, None, 4], pa.int8())
    )
    file = parse_query_file("asked.parquet", content)
    assert [query.query_id for query in file.queries] == ["1", "row-0002", "row-0003"]
    assert [query.group for query in file.queries] == ["3", "", "4"]
    rows = [{"query": COW, "id": True}, {"query": FISH, "id": [1]}, {"query": MOON, "id": "\ud800"}]
    file = parse_query_file("asked.json", json.dumps(rows).encode())
    assert [query.query_id for query in file.queries] == ["row-0001", "row-0002", "row-0003"]
