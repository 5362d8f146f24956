"""Query files with faults: bad rows by number, one sentence for the rest, and nothing but SpecError."""

import json
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SpecError
from core.files import tables
from core.queries import MAX_FILE_BYTES, checks, parse_query_file, read_queries, read_query_file
from core.spec import MAX_QUERY_CHARACTERS
from tests.queries.writers import COW, FISH, MOON, PLAIN_TEXTS, WRITERS, parquet, texts_of


def bad_of(name: str, content: bytes) -> list[tuple[int, str]]:
    return [(bad.row, bad.reason) for bad in parse_query_file(name, content).bad]


def test_bad_rows_of_csv_by_number() -> None:
    long = "a" * (MAX_QUERY_CHARACTERS + 1)
    content = (
        f"id,query\n1,{COW}\n2,\n\n3,{COW} \n4\n5,{FISH},x\n6,{long}\n7,ca\0t\n".encode()
        + b'8,caf\xe9\n9,"two\nlines"\n10,"stray" mark\n11,  \n12,what\t is  a cow\n13,end\n14,"open\nx\n'
    )
    file = parse_query_file("asked.csv", content)
    assert texts_of(file) == (COW, "two\nlines", "end")
    reasons = {bad.row: bad.reason for bad in file.bad}
    assert [bad.row for bad in file.bad] == [2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14]
    assert reasons[2] == reasons[11] == "the query is blank"
    assert reasons[3] == reasons[12] == "it is the same query as row 1"
    assert reasons[4] == "it has 1 field where the header has 2"
    assert reasons[5].startswith("it has 3 fields where the header has 2 (a cell with ','")
    assert (
        f"at most {MAX_QUERY_CHARACTERS} characters, got {MAX_QUERY_CHARACTERS + 1}" in reasons[6]
    )
    assert reasons[7] == "the query holds a NUL character"
    assert reasons[8] == "the query holds the byte 0xE9, which is not UTF-8"
    assert "quotation mark is out of place in line 13" in reasons[10]
    assert "quotation mark is out of place in lines 17-18" in reasons[14]
    assert file.left_out is not None
    assert file.left_out.startswith(
        "11 of 14 rows were left out (row 2: the query is blank; row 3: "
    )
    assert file.left_out.endswith("; and 6 more)")


def test_a_wrong_byte_elsewhere_does_no_harm() -> None:
    file = parse_query_file("a.csv", b"query,source,id\nwhat is a cow,caf\xe9,\xe9\n")
    assert texts_of(file) == (COW,)
    assert (file.queries[0].query_id, file.bad) == ("row-0001", ())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x2e\x32\x60\xeb\x23\x00\x01,\xff\n\x00\x02", "this is no CSV; save it as CSV first"),
        ("größe,mühe\n1,2\n".encode("latin-1"), "it is not UTF-8; save it as that"),
    ],
)
def test_what_is_no_text_is_said_and_no_column_is_named(content: bytes, says: str) -> None:
    with pytest.raises(SpecError, match=f"^queries 'mine.csv' could not be read: {says}$"):
        parse_query_file("mine.csv", content)


def test_columns_that_are_text_are_named() -> None:
    with pytest.raises(SpecError, match=r"must have a column named .* got .*größe"):
        parse_query_file("mine.csv", "größe,other\n1,caf".encode() + b"\xe9\n")
    # A query that can be found is read, whatever its neighbours are called.
    assert texts_of(parse_query_file("a.csv", b"query,gr\xf6\xdfe\nwhat is a cow,1\n")) == (COW,)


def test_bad_lines_by_number() -> None:
    lines = [
        json.dumps({"query": COW}), "", "{query: 1}", "5", json.dumps({"query": None}),
        json.dumps({"prompt": FISH}), json.dumps({"query": [COW]}), json.dumps({"query": 7}),
        json.dumps({"query": "half \ud83d"}), json.dumps(COW + "  "), "[" * 100_000, '{"query": "fin"}',
        '{"query": NaN}', "{}",
    ]  # fmt: skip
    found = bad_of("asked.jsonl", "\n".join(lines).encode() + b'\n{"query": "caf\xe9"}')
    assert [row for row, _ in found] == [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15]
    reasons = dict(found)
    assert reasons[3].endswith(" enclosed in double quotes at character 2)")
    assert reasons[4] == "it must be a text or an object, got 5"
    assert reasons[5] == "'query' must be a text, got null"
    assert reasons[6] == reasons[14] == "it has no 'query'"
    assert reasons[7] == "'query' must be a text, got ['what is a cow']"
    assert reasons[8] == "'query' must be a text, got 7"
    assert "half a surrogate pair, '\\ud83d'" in reasons[9]
    assert reasons[10] == "it is the same query as line 1"
    assert reasons[11].startswith("it is not JSON")
    assert "NaN is no number that can be used at character 11" in reasons[13]
    assert "0xE9" in reasons[15]
    assert bad_of("asked.txt", b"fine\n\ncaf\xe9\nfi\0n\nfine\n") == [
        (3, "the query holds the byte 0xE9, which is not UTF-8"),
        (4, "the query holds a NUL character"),
        (5, "it is the same query as line 1"),
    ]


def test_bad_rows_of_json_and_parquet_by_number() -> None:
    data = [COW, {"query": FISH}, 3, None, {"query": ""}, [MOON], {"query": f"\n{FISH}"}]
    assert bad_of("asked.json", json.dumps({"data": data}).encode()) == [
        (3, "it must be a text or an object, got 3"),
        (4, "it must be a text or an object, got null"),
        (5, "the query is blank"),
        (6, f"it must be a text or an object, got {[MOON]!r}"),
        (7, "it is the same query as row 2"),
    ]
    wrong = pa.array([COW.encode(), None, b"caf\xe9", b" ", COW.encode()]).view(pa.string())
    assert bad_of("asked.parquet", parquet(query=wrong)) == [
        (2, "'query' must be a text, got null"),
        (3, "the query holds the byte 0xE9, which is not UTF-8"),
        (4, "the query is blank"),
        (5, "it is the same query as row 1"),
    ]


REFUSED = {
    "nothing": ("asked.csv", b"", "the file is empty"),
    "blank": ("asked.txt", b" \n\n", "the file is empty"),
    "header only": ("asked.csv", b"query\n", "at least one query that can be asked, got none"),
    "no column": ("asked.csv", b"a;b\n1;2\n", "must have a column named query, prompt, "),
    "its columns": ("asked.csv", b"x,y\n1,2\n", "conversations or conversation, got x, y"),
    "too many columns": ("asked.csv", b"query" + b"," * 1_000, "at most 1,000 columns, got 1,001"),
    "no header": ("asked.csv", b'"open\n', "must begin with a row that names the columns"),
    "no good row": (
        "asked.csv",
        b"query\n \n\t\n",
        "row 1: the query is blank (and 1 more bad row)",
    ),
    "a column twice": (
        "asked.csv",
        b"query,Query\nx,y\n",
        "must have each column once, got 'query' and 'Query'",
    ),
    "a name twice": ("asked.json", b'[{"query": "x", "query": "y"}]', "'query' is given twice"),
    "no JSON": ("asked.json", b"what is a cow", "is not JSON: Expecting value"),
    "deep JSON": ("asked.json", b"[" * 100_000, "is not JSON: "),
    "a number": ("asked.json", b"5", "must be a list or an object, got 5"),
    "no list": ("asked.json", b'{"a": 1, "b": {}}', "got an object with 'a', 'b'"),
    "two lists": ("asked.json", b'{"a": ["x"], "b": ["y"]}', "must hold one list of rows"),
    "uneven": ("asked.json", b'{"query": ["x"], "id": []}', "'query' with 1, 'id' with 0"),
    "empty list": ("asked.json", b"[]", "got none"),
    "empty object": ("asked.json", b"{}", "nothing"),
    "half of UTF-16": ("asked.csv", "query\nx".encode("utf-16") + b"\0", "save it as UTF-8"),
    "lists in parquet": (
        "a.parquet",
        parquet(query=[[COW], [FISH]]),
        "must be a text, got ['what is",
    ),
    "numbers": ("a.parquet", parquet(query=[1, 2]), "must be a text, got 1"),
    "no parquet": ("a.parquet", b"PAR1 and no more", "could not be read as parquet"),
    "Excel": ("asked.xlsx", b"PK\x03\x04", "is a spreadsheet; save it as CSV"),
    "Excel in disguise": ("asked.csv", b"PK\x03\x04 .. xl/workbook", "is a spreadsheet"),
    "old Excel": ("asked.txt", b"\xd0\xcf\x11\xe0", "is a spreadsheet"),
    "zipped": ("asked.csv.gz", b"any", "is compressed; unpack it"),
    "zipped in disguise": ("asked.csv", b"\x1f\x8b\x08", "is compressed; unpack it"),
    "another kind": ("asked.pdf", b"%PDF", "or .text, got '.pdf'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_one_sentence(kind: str) -> None:
    name, content, words = REFUSED[kind]
    with pytest.raises(SpecError) as refused:
        parse_query_file(name, content)
    message = str(refused.value)
    assert message.startswith(f"queries {name!r} ")
    assert words in message
    assert "\n" not in message


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "no.csv", "No such file"), (tmp_path, "directory"),
                        (Path("a\0b.csv"), "null")):  # fmt: skip
        with pytest.raises(SpecError, match=words) as refused:
            read_query_file(path)
        assert repr(str(path)) in str(refused.value)
    path = tmp_path / "blank.txt"
    path.write_text("\n")
    with pytest.raises(SpecError, match="at least one query"):
        read_queries(path)


def test_large_files_are_refused(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(4 * MAX_FILE_BYTES)
    with pytest.raises(SpecError, match="at most 64,000,000 bytes, got 64,000,001 or more"):
        read_query_file(path)
    monkeypatch.setattr(checks, "MAX_ROWS", 3)
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    for name, write in WRITERS.values():
        assert len(parse_query_file(name, write("abc")).queries) == 3
        with pytest.raises(SpecError, match=r"at most 3 (rows|lines), got"):
            parse_query_file(name, write("abcd"))
    monkeypatch.setattr(tables, "MAX_UNPACKED_BYTES", 100)
    with pytest.raises(SpecError, match="unpack to at most 100 bytes"):
        parse_query_file("a.parquet", parquet(query=["a" * 400]))


@pytest.mark.study
def test_a_hundred_thousand_rows_take_seconds() -> None:
    texts = [f"what is cow number {k} ?" for k in range(100_000)]
    for name, write in (WRITERS["csv"], WRITERS["jsonl"], WRITERS["parquet"]):
        content = write(texts)
        began = time.process_time()
        assert len(parse_query_file(name, content).queries) == len(texts)
        assert time.process_time() - began < 10


def check_only_spec_errors(name: str, content: bytes) -> None:
    try:
        file = parse_query_file(name, content)
    except SpecError:
        return
    assert file.queries
    assert len({query.query_id for query in file.queries}) == len(file.queries)
    for query in file.queries:
        query.text.encode()
    assert all("\n" not in bad.reason for bad in file.bad)


STARTS = (
    b"",
    b"query\n",
    b"id,query\n",
    b'{"query": ',
    b'["a", ',
    b"PAR1",
    b"\xff\xfe",
    b"goal\ttarget\n",
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=200), st.sampled_from(
    ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.parquet", "a.txt", "a", "a.xlsx"]))  # fmt: skip
def test_random_bytes_raise_nothing_else(start: bytes, content: bytes, name: str) -> None:
    check_only_spec_errors(name, start + content)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(WRITERS)), st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
def test_spoilt_files_raise_nothing_else(kind: str, place: int, wrong: bytes) -> None:
    name, write = WRITERS[kind]
    content = bytearray(write(PLAIN_TEXTS))
    content[place % len(content) : place % len(content) + len(wrong)] = wrong
    check_only_spec_errors(name, bytes(content))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["query", "id", "group", "data", "goal", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_any_json_raises_nothing_else(value: object) -> None:
    for name in ("a.json", "a.jsonl"):
        check_only_spec_errors(name, json.dumps(value).encode())
