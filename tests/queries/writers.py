"""The same queries written to every kind of file that is read."""

import csv
import io
import json
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from core.queries import QueryFile

COW, FISH, MOON = "what is a cow", "can fish sing ?", "is the moon made of salt ?"


def table(*rows: Sequence[str], delimiter: str = ",") -> bytes:
    """A CSV file."""
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue().encode()


def parquet(**columns: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def as_csv(texts: Sequence[str]) -> bytes:
    return table(["query"], *([text] for text in texts))


def as_tsv(texts: Sequence[str]) -> bytes:
    return table(["n", "Query"], *([str(k), text] for k, text in enumerate(texts)), delimiter="\t")


def as_jsonl(texts: Sequence[str]) -> bytes:
    lines = (json.dumps({"prompt": text}, ensure_ascii=False) for text in texts)
    return "".join(f"{line}\n" for line in lines).encode()


def as_columns(texts: Sequence[str]) -> bytes:
    """What pandas' to_json writes."""
    return json.dumps({"text": {str(k): text for k, text in enumerate(texts)}}).encode()


WRITERS: dict[str, tuple[str, Callable[[Sequence[str]], bytes]]] = {
    "csv": ("asked.csv", as_csv),
    "semicolons": ("asked.csv", lambda texts: table(["id", "query"], *([f"q{k}", text] for k, text in
                                                    enumerate(texts)), delimiter=";")),
    "tsv": ("asked.TSV", as_tsv),
    "utf-16": ("asked.csv", lambda texts: as_csv(texts).decode().encode("utf-16")),
    "utf-8 with a mark": ("asked.csv", lambda texts: b"\xef\xbb\xbf" + as_csv(texts)),
    "jsonl": ("asked.jsonl", as_jsonl),
    "jsonl of texts": ("a.ndjson", lambda texts: "\n".join(map(json.dumps, texts)).encode()),
    "lines called json": ("asked.json", as_jsonl),
    "a list called jsonl": ("asked.jsonl", lambda texts: json.dumps(list(texts), indent=1).encode()),
    "list of texts": ("asked.json", lambda texts: json.dumps(list(texts)).encode()),
    "list of objects": ("asked.json", lambda texts: json.dumps([{"n": 1, "Goal": text} for text in texts])
                        .encode()),
    "a list inside": ("asked.json", lambda texts: json.dumps(
        {"version": 2, "about": {}, "data": [{"question": text} for text in texts]}).encode()),
    "texts inside": ("asked.json", lambda texts: json.dumps({"queries": list(texts)}).encode()),
    "columns of lists": ("asked.json", lambda texts: json.dumps(
        {"input": list(texts), "id": list(range(len(texts)))}).encode()),
    "columns of objects": ("asked.json", as_columns),
    "parquet": ("asked.parquet", lambda texts: parquet(n=range(len(texts)), instruction=list(texts))),
    "parquet of codes": ("asked.pq", lambda texts: parquet(
        query=pa.array(list(texts)).dictionary_encode())),
    "parquet by its bytes": ("asked", lambda texts: parquet(query=list(texts))),
    "bytes in parquet": ("asked.parquet", lambda texts: parquet(
        query=[text.encode() for text in texts])),
}  # fmt: skip
PLAIN_TEXTS = (
    COW,
    "two\nlines , one , query",
    'a "quoted" word; and\ta tab',
    "<b>naïve</b> 鯨 \u2028 👩‍🚀",
)


def texts_of(file: QueryFile) -> tuple[str, ...]:
    return tuple(query.text for query in file.queries)
