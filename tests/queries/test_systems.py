"""A row's own system prompt is part of the query, of its key and of what is told."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from cache import spec_hash
from core.audit.folder import _write_queries
from core.audit.query import init
from core.audit.spec import AuditSpec, queries_hash
from core.errors import SpecError
from core.executors.worker import Prepared
from core.queries import parse_query_file, read_queries, read_query_file
from core.queries.query import Query
from core.runs.request import Fingerprints
from core.sampling.shards import sampling_key
from core.search.tune import pilot_of
from tests.queries.writers import COW, FISH, table, texts_of

SYSTEM = "you are a farmer"
OWN = Query("a", COW, "", system=SYSTEM)
PLAIN = Query("a", COW, "")


@pytest.mark.parametrize("name", ["system", "System Prompt", "system_message"])
def test_a_column_of_system_prompts(name: str) -> None:
    rows = [COW, SYSTEM], [COW, "another"], [COW, " "], [COW, ""], [FISH, ""]
    file = parse_query_file("a.csv", table(["query", name], *map(list, rows)))
    assert [query.asked for query in file.queries] == [
        (COW, SYSTEM), (COW, "another"), (COW, None), (FISH, None),
    ]  # fmt: skip
    assert [(bad.row, bad.reason) for bad in file.bad] == [(4, "it is the same query as row 3")]
    assert f"column {name} is taken as each query's own system prompt" in file.notes


def key_of(query: Query, system: str | None = None) -> str:
    spec = AuditSpec(method="mc").model_copy(update={"samples": 10})
    generation = spec.generation.model_copy(update={"system_prompt": system})
    spec = spec.model_copy(update={"generation": generation})
    request = spec.request(spec.models[0], "another")
    state = init(spec, query, Prepared(request, Fingerprints("m"), {}, {}), 0.5)
    assert state.waiting[0].request.generation.system_prompt == (query.system or system)
    return sampling_key(state.waiting[-1].sample.plan.spec)


def test_the_key_is_that_of_the_system_prompt() -> None:
    assert key_of(OWN) == key_of(PLAIN, SYSTEM) != key_of(PLAIN)
    # The row's own goes before the audit's.
    assert key_of(OWN, "another") == key_of(OWN)


def test_the_request_of_a_row_has_its_system_prompt() -> None:
    spec = AuditSpec()
    model = spec.models[0]
    assert spec.request(model, *OWN.asked).generation.system_prompt == SYSTEM
    assert spec.request(model, *PLAIN.asked) == spec.request(model, COW)


def test_hashes_of_queries_without_one_stay() -> None:
    # As all audits before there were system prompts and categories were named.
    before = [
        {"query_id": "a", "text": COW, "group": "g"},
        {"query_id": "b", "text": FISH, "group": ""},
    ]
    queries = [Query("a", COW, "g"), Query("b", FISH, "")]
    assert queries_hash(queries) == spec_hash({"queries": before})[:32]
    assert len({queries_hash([PLAIN]), queries_hash([OWN])}) == 2


def test_an_audits_queries_come_back_from_its_folder(tmp_path: Path) -> None:
    queries = (OWN, Query("b", COW, "g", category="farm"), Query("c", FISH, "g", "sea", "a\u2028b"))
    _write_queries(tmp_path / "queries.jsonl", queries)
    found = read_query_file(tmp_path / "queries.jsonl").queries
    assert list(map(asdict, found)) == list(map(asdict, queries))


def test_where_texts_alone_are_asked_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(table(["query", "system"], [COW, SYSTEM]))
    for ask in (lambda: read_queries(path), lambda: pilot_of(read_query_file(path), "misuse", 0.5)):
        with pytest.raises(SpecError, match="system prompts of their own"):
            ask()
    path.write_bytes(table(["query", "system"], [COW, ""]))
    assert read_queries(path) == (COW,)


GROUPED = table(["query", "group", "category"], [COW, "g", "farm"], [FISH, "g", "sea"])


@pytest.mark.parametrize(
    ("group", "wanted"), [(None, ["g", "g"]), ("none", ["", ""]), ("Category", ["farm", "sea"])]
)
def test_the_user_chooses_what_groups(group: str | None, wanted: list[str]) -> None:
    file = parse_query_file("a.csv", GROUPED, group)
    assert [query.group for query in file.queries] == wanted
    assert [query.category for query in file.queries] == ["farm", "sea"]
    assert texts_of(file) == (COW, FISH)


def test_a_group_that_is_not_there_is_refused() -> None:
    with pytest.raises(
        SpecError, match="has no column 'topic' to group by, only query, group, category"
    ):
        parse_query_file("a.csv", GROUPED, "topic")
    with pytest.raises(SpecError, match="has no columns, so none is 'topic'"):
        parse_query_file("a.txt", b"what is a cow\n", "topic")
