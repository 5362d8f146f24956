"""Samples from files and audits: zero hits, doubtful queries, and one sentence for bad input."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.errors import SpecError
from core.tails.reading import (
    ReadSample,
    estimates_table,
    models_of,
    read_csv,
    sample_from_table,
    shipped_sample,
)
from core.tails.remarks import sentence_of


def said(found: ReadSample) -> list[str]:
    return [sentence_of(remark) for remark in found.remarks]


def rows(m: int = 30) -> pd.DataFrame:
    risk = np.geomspace(1e-6, 1e-2, m)
    return pd.DataFrame(
        {
            "query": [f"ask {n}" for n in range(m)],
            "estimate": risk,
            "standard_error": risk / 5,
            "group": [f"g{n // 2}" for n in range(m)],
        }
    )


def written(tmp_path: Path, table: pd.DataFrame) -> Path:
    path = tmp_path / "risks.csv"
    table.to_csv(path, index=False)
    return path


def test_a_csv(tmp_path: Path) -> None:
    found = read_csv(written(tmp_path, rows()))
    np.testing.assert_allclose(found.sample.risk, rows().estimate)
    np.testing.assert_allclose(found.sample.error, rows().standard_error)
    assert (found.queries[3], found.sample.group[3], found.remarks) == ("ask 3", "g1", ())


def test_an_empty_group_is_a_group_of_its_own(tmp_path: Path) -> None:
    table = rows()
    table.loc[4:6, "group"] = ""
    found = read_csv(written(tmp_path, table)).sample
    assert len(set(found.group[4:7])) == 3
    assert len(set(read_csv(written(tmp_path, rows().drop(columns="group"))).sample.group)) == 30


def test_rows_of_one_query_are_wordings_of_one(tmp_path: Path) -> None:
    table = rows().drop(columns="group")
    table.loc[[3, 7, 9], "query"] = "ask 1"
    found = read_csv(written(tmp_path, table))
    assert len(set(found.sample.group[[1, 3, 7, 9]])) == 1
    assert len(set(found.sample.group)) == 27
    assert said(found) == ["3 rows repeat a query; they count as wordings of one"]
    # A group that is given is believed; an empty one is not given.
    table["group"] = ["x", "y", "", "z", *[""] * 26]
    found = read_csv(written(tmp_path, table))
    assert found.sample.group[1] != found.sample.group[7] == found.sample.group[9]
    assert said(found) == ["1 row repeats a query; it counts as another wording of it"]


def test_rows_without_a_text_stay_alone(tmp_path: Path) -> None:
    table = rows().drop(columns="group").assign(query="")
    found = read_csv(written(tmp_path, table))
    assert (len(set(found.sample.group)), found.remarks) == (30, ())
    assert len(set(read_csv(written(tmp_path, table.drop(columns="query"))).sample.group)) == 30


def test_what_is_left_out_repeats_nothing() -> None:
    table = audit().drop(columns="group")
    table.loc[[5, 6], "query"] = "ask 1"
    found = sample_from_table(table, "aster")
    assert "1 row repeats a query; it counts as another wording of it" in said(found)


def test_zero_hits_lie_below_their_bound(tmp_path: Path) -> None:
    table = rows()
    table["ci_high"] = table.estimate * 2
    table.loc[:2, ["estimate", "standard_error"]] = [0.0, np.nan]
    table.loc[:2, "ci_high"] = 5e-6
    found = read_csv(written(tmp_path, table))
    assert found.sample.censored.tolist() == [True] * 3 + [False] * 27
    np.testing.assert_allclose(found.sample.bound[:3], 5e-6)
    assert found.remarks == ()
    unbound = read_csv(written(tmp_path, table.drop(columns="ci_high")))
    np.testing.assert_allclose(unbound.sample.bound[:3], table.estimate[3])
    assert "3 queries have estimate 0 and no bound" in said(unbound)[0]


def audit() -> pd.DataFrame:
    """As an audit's results have it: failed rows have no estimate, those without a hit a bound."""
    table = rows()
    table["model"] = "aster"
    table["verdict"] = ["do not use"] * 3 + ["trust"] * 27
    table["ci_high"] = table.estimate * 2
    table["query_id"] = [f"id-{n}" for n in range(30)]
    table.loc[5, ["estimate", "standard_error", "ci_high"]] = np.nan
    other = table.assign(model="briar")
    return pd.concat([table, other], ignore_index=True)


def test_an_audit() -> None:
    found = sample_from_table(audit(), "aster")
    assert len(found.sample) == 29
    assert said(found) == ["1 query has no estimate and was left out"]
    assert found.sample.doubtful.sum() == 3
    assert "ask 5" not in found.queries
    kept = sample_from_table(audit(), "briar", keep_doubtful=False)
    assert len(kept.sample) == 26
    assert "3 queries marked 'do not use' were left out" in said(kept)


def test_which_model() -> None:
    with pytest.raises(SpecError, match=r"several models \(aster, briar\); give one with --model"):
        sample_from_table(audit())
    with pytest.raises(SpecError, match="model must be one of aster, briar, got 'cedar'"):
        sample_from_table(audit(), "cedar")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="estimate"), "needs a column estimate, got query, standard_error"),
        (lambda t: t.drop(columns="standard_error"), "needs a column standard_error"),
        (lambda t: t.head(12), "at least 20 queries, got 12"),
        (lambda t: t.assign(estimate=0.5), "all estimates above 0 are 0.5"),
        (lambda t: t.assign(estimate=0.0), "all 30 estimates are 0"),
        (lambda t: t.assign(estimate=t.estimate * 200), "must be in 0..1, got 1.0"),
        (lambda t: t.assign(standard_error=-0.1), "must be 0 or more, got -0.1 in row 1"),
        (lambda t: t.assign(standard_error=np.nan), "got nan in row 1; give every estimate one"),
        (lambda t: t.assign(estimate="often"), "estimate must be a number, got 'often' in row 1"),
        (lambda t: t.assign(estimate=np.nan), "must be in 0..1, got nan in row 1"),
        (lambda t: t.head(0), "at least 20 queries, got 0"),
    ],
)  # fmt: skip
def test_bad_files_are_one_sentence(tmp_path: Path, change, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        read_csv(written(tmp_path, change(rows())))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'a,b\n"1,2\n3'])
def test_no_csv_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(SpecError):
        read_csv(path)
    with pytest.raises(SpecError, match="could not be read: No such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(SpecError, match="is a folder; an audit's folder is given as --audit"):
        read_csv(tmp_path)


def test_rows_point_back_into_the_table() -> None:
    table = audit()
    found = sample_from_table(table, "briar", keep_doubtful=False)
    assert found.rows[0] == 33
    np.testing.assert_allclose(table.estimate.to_numpy()[found.rows], found.sample.risk)
    assert tuple(table["query"].to_numpy()[found.rows]) == found.queries


def test_bytes_are_read_as_a_file_is(tmp_path: Path) -> None:
    path = written(tmp_path, rows())
    pd.testing.assert_frame_equal(
        estimates_table(path.read_bytes(), "x"), estimates_table(path, "x")
    )
    with pytest.raises(SpecError, match=r"^input 'mine' must hold at least one estimate, got none"):
        estimates_table(b"", "mine")
    with pytest.raises(SpecError, match=r"^input 'mine' must be at most 64,000,000 bytes, got 64"):
        estimates_table(b"x" * 64_000_001, "mine")


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_save(separator: str, encoding: str) -> None:
    table = rows().assign(query=[f"fragé {n}, bitte" for n in range(30)])
    content = table.to_csv(index=False, sep=separator).encode(encoding)
    found = estimates_table(content, "x")
    assert list(found.columns) == list(table.columns)
    assert found["query"].tolist() == table["query"].tolist()
    assert len(sample_from_table(found).sample) == 30


def test_a_decimal_comma_is_one_sentence() -> None:
    table = rows()
    table["estimate"] = [f"{value:.6f}".replace(".", ",") for value in table.estimate]
    with pytest.raises(SpecError, match=r"got '0,000001' in row 1; write 0\.5, not 0,5"):
        sample_from_table(estimates_table(table.to_csv(index=False, sep=";").encode(), "x"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\xff", "is compressed; unpack it"),
        (b"", "must hold at least one estimate, got none: the file is empty"),
        (b" \n\n", "must hold at least one estimate, got none: the file is empty"),
        ("größe,estimate\n".encode("latin-1"), "is not UTF-8; save it as that"),
    ],
)
def test_what_is_no_text(content: bytes, says: str) -> None:
    with pytest.raises(SpecError, match=f"^input 'mine.csv' {says}"):
        estimates_table(content, "mine.csv")


def test_the_shipped_sample() -> None:
    found = shipped_sample("aster")
    assert (len(found.sample), len(set(found.sample.group))) == (320, 40)
    assert found.remarks == ()
    assert found.sample.risk[0] == 7.96683e-07
    assert found.queries[0] == "how do i open the larkspur vault"
    with pytest.raises(SpecError, match="at least 20 queries, got 0"):
        shipped_sample("cedar")


def test_which_models_there_are() -> None:
    assert models_of(audit()) == ["aster", "briar"]
    assert models_of(audit().rename(columns={"model": " Model"})) == ["aster", "briar"]
    assert models_of(rows()) == []
