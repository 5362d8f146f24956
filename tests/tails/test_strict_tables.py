"""Tables of estimates: read right or refused, in every form; never one column further left."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import SpecError
from core.tails.reading import estimates_table, read_csv, sample_from_table

CASES = Path(__file__).parents[1] / "cases"
GOOD = CASES / "tails_trailing_delimiter" / "good.csv"


@pytest.mark.parametrize("name", ["rows.csv", "rows_semicolon.csv"])
def test_rows_that_end_in_a_delimiter_give_the_same_numbers(name: str) -> None:
    wanted, found = read_csv(GOOD), read_csv(CASES / "tails_trailing_delimiter" / name)
    np.testing.assert_array_equal(found.sample.risk, wanted.sample.risk)
    np.testing.assert_array_equal(found.sample.error, wanted.sample.error)
    assert found.queries == wanted.queries


def test_one_row_that_ends_in_a_delimiter_is_refused() -> None:
    lines = GOOD.read_text().splitlines()
    lines[5] += ","
    with pytest.raises(
        SpecError, match=r"row 5: it has 5 fields where the header has 4 \(it ends in ','"
    ):
        estimates_table("\n".join(lines).encode(), "x")


def test_a_header_that_ends_in_one_too_is_read() -> None:
    wanted = read_csv(GOOD).sample
    lines = GOOD.read_text().splitlines()
    found = sample_from_table(
        estimates_table("".join(f"{line},\n" for line in lines).encode(), "x")
    )
    np.testing.assert_array_equal(found.sample.risk, wanted.risk)
    np.testing.assert_array_equal(found.sample.error, wanted.error)


def test_a_comma_without_quotation_marks_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"row 1: it has 4 fields where the header has 3 \(a cell with"
    ):
        read_csv(CASES / "tails_unquoted_comma" / "rows.csv")


def test_a_row_too_short_is_refused() -> None:
    content = GOOD.read_text().splitlines()
    content[7] = "question 6,0.001"
    with pytest.raises(SpecError, match=r"row 7: it has 2 fields where the header has 4$"):
        estimates_table("\n".join(content).encode(), "x")


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("query,estimate,estimate,ci_high", "'estimate' and 'estimate'"),
        ("query,estimate, Estimate,standard_error", "'estimate' and 'Estimate'"),
        ("query,note,note,estimate", "'note' and 'note'"),
        ("standard error,estimate,standard_error,query", "'standard error' and 'standard_error'"),
    ],
)
def test_a_column_there_twice_is_refused(header: str, named: str) -> None:
    with pytest.raises(SpecError, match=f"must have each column once, got {named}"):
        estimates_table(f"{header}\na,0.1,0.1,0.1\n".encode(), "x.csv")


def test_a_table_of_pandas_with_a_column_twice_is_refused() -> None:
    table = pd.read_csv(GOOD).rename(columns={"ci_high": " Estimate"})
    with pytest.raises(
        SpecError, match="must have each column once, got 'estimate' and ' Estimate'"
    ):
        sample_from_table(table)


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def _padded(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).replace(",", ", ").encode()


def _tsv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, sep="\t").encode()


def _jsonl(table: pd.DataFrame) -> bytes:
    return "\n".join(json.dumps(row) for row in table.to_dict("records")).encode()


def _json(table: pd.DataFrame) -> bytes:
    return json.dumps(table.to_dict("list")).encode()


def _parquet(table: pd.DataFrame) -> bytes:
    held = io.BytesIO()
    table.to_parquet(held)
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.csv", _csv), ("a.csv", _padded), ("a.tsv", _tsv), ("a.jsonl", _jsonl), ("a.json", _json),
     ("a.parquet", _parquet), ("a", _csv), ("a.data", _tsv)],
)  # fmt: skip
def test_every_form_gives_the_same_sample(
    name: str, write: Callable[[pd.DataFrame], bytes]
) -> None:
    table = pd.read_csv(GOOD)
    wanted = read_csv(GOOD)
    found = sample_from_table(estimates_table(write(table), name))
    np.testing.assert_array_equal(found.sample.risk, wanted.sample.risk)
    np.testing.assert_array_equal(found.sample.error, wanted.sample.error)
    assert found.queries == wanted.queries


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("true", "estimate must be a number, got 'True' in row 3"),
        ("[0.1]", r"estimate must be a number, got '\[0.1\]' in row 3"),
        ('"True"', "estimate must be a number, got 'True' in row 3"),
        ('"inf"', "estimate must be a number, got 'inf' in row 3"),
        ('"1e999"', "estimate must be a finite number, got 1e999 in row 3"),
        ('"0x1"', "estimate must be a number, got '0x1' in row 3"),
        ('"1_0"', "estimate must be a number, got '1_0' in row 3"),
        ('"5%"', "estimate must be a number, got '5%' in row 3"),
    ],
)
def test_what_is_no_number_is_refused_by_row(cell: str, says: str) -> None:
    rows = [
        json.dumps({"query": f"q{n}", "estimate": 0.01, "standard_error": 0}) for n in range(30)
    ]
    rows[2] = rows[2].replace("0.01", cell)
    with pytest.raises(SpecError, match=says):
        sample_from_table(estimates_table("\n".join(rows).encode(), "a.jsonl"))


def test_a_flag_in_a_table_of_pandas_is_no_number() -> None:
    table = pd.read_csv(GOOD).assign(estimate=True)
    with pytest.raises(SpecError, match="estimate must be a number, got 'True' in row 1"):
        sample_from_table(table)
