"""A table whose cells have moved gives the right number or none."""

from __future__ import annotations

import pytest

from core.errors import SpecError
from core.tails.reading import estimates_table

GOOD = "query,estimate,standard_error\na,0.31,0.01\nb,0.2,0.01\n"


def cells(text: str) -> list[list[str]]:
    return estimates_table(text.encode(), "rows.csv").astype(str).to_numpy().tolist()


def test_delimiters_at_the_ends_of_rows_move_nothing() -> None:
    wanted = cells(GOOD)
    assert wanted[0] == ["a", "0.31", "0.01"]
    everywhere = GOOD.replace("\n", ",\n")
    assert cells(everywhere) == wanted
    header, *rows = everywhere.splitlines()
    assert cells("\n".join([header[:-1], *rows])) == wanted
    assert cells(everywhere.replace(",", ";")) == wanted
    assert cells(everywhere.replace(",", "\t")) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD.replace("a,", "how, why,"),
            r"row 1: it has 4 fields where the header has 3 \(a cell with",
        ),
        (GOOD.replace("0.2,0.01", "0.2"), "row 2: it has 2 fields where the header has 3"),
        (GOOD.replace("0.31,0.01", "0.31,0.01,"), "row 1: it has 4 fields"),
        (GOOD.replace("a,0.31", '"a"x,0.31'), "row 1: a quotation mark is out of place"),
        (
            GOOD.replace("query", "Estimate"),
            "must have each column once, got 'Estimate' and 'estimate'",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_named(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as told:
        estimates_table(text.encode(), "rows.csv")
    assert str(told.value).startswith("input 'rows.csv' ")


def test_a_quoted_comma_is_part_of_its_cell() -> None:
    assert cells(GOOD.replace("a,", '"how, why",', 1))[0][0] == "how, why"
