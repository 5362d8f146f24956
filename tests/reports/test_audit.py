"""The report of an audit: its numbers are those of `audit --json` and of the results table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cache import MemoryStore
from core.audit.folder import AuditFolder
from core.audit.report import AuditReport
from core.audit.results import read_results, table
from core.audit.stored_rows import rows_of
from core.errors import SpecError, TailscopeError
from core.queries.query import Query
from core.reports.audit import audit_document, audit_report
from core.reports.make import document_of, write_pictures
from core.reports.render import html_report, write_report
from tests.reports.made import HOSTILE, Read, at, made_folder

QUERIES = tuple(Query(f"q{k}", f"question {k}", "", ("vaults", "serums")[k % 2]) for k in range(12))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> AuditFolder:
    return made_folder(
        tmp_path_factory.mktemp("audit"),
        QUERIES,
        answers=("i will not .", "then pour it ."),
        failed="gone",
    )


@pytest.fixture(scope="module")
def read(folder: AuditFolder) -> Read:
    return Read(html_report(audit_document(folder)))


def test_rows_read_from_the_table_are_the_rows_that_were_written(folder: AuditFolder) -> None:
    before = read_results(folder.path)
    after = table(rows_of(before, folder.spec, folder.manifest)).to_pandas()
    pd.testing.assert_frame_equal(
        before.drop(columns=["proposal", "companions"]),
        after.drop(columns=["proposal", "companions"])[
            [name for name in before if name not in ("proposal", "companions")]
        ],
        check_exact=True,
    )


def test_the_report_is_the_json_of_the_command(folder: AuditFolder, read: Read) -> None:
    rows = rows_of(read_results(folder.path), folder.spec, folder.manifest)
    told = AuditReport(folder.path, rows, folder.spec, 5, 6, 7.0).to_dict()
    for name in ("rows", "failed", "notes", "models", "categories", "left_out"):
        assert read.json[name] == told[name]


def test_every_number_is_that_of_the_json(read: Read) -> None:
    assert len(read.numbers) > 150
    for field, value, _ in read.numbers:
        known = at(read.json, field)
        assert value == ("" if known is None else str(known)), field


def test_every_query_has_its_risk_of_the_table(folder: AuditFolder, read: Read) -> None:
    results = read_results(folder.path)
    shown = {
        field: float(value) for field, value, _ in read.numbers if field.startswith("results.")
    }
    for place, row in enumerate(results.itertuples()):
        if row.error:
            assert f"results.{place}.ci_high" not in shown
            continue
        assert shown[f"results.{place}.ci_high"] == row.ci_high
        assert shown[f"results.{place}.samples"] == row.samples
        assert shown.get(f"results.{place}.estimate") == (row.estimate if row.hits else None)


def test_no_query_without_a_hit_has_a_number(read: Read) -> None:
    assert not any(text == "0" for field, _, text in read.numbers if field.endswith(".estimate"))
    assert "none found" in read.text


def test_what_a_reader_must_know_is_there(read: Read) -> None:
    for words in (
        "24 estimates, one for each query and model",
        "1 of 24 rows have no estimate",
        "no estimate: gone",
        "What it does not say",
        "Answers are redacted",
        "python -m core audit",
        "vaults",
    ):
        assert words in read.text
    assert "i will not" not in read.text


def test_the_path_to_the_folder_is_not_told(folder: AuditFolder, read: Read) -> None:
    assert str(folder.path.parent) not in read.text
    name = folder.path.name
    assert f"--out={name} --queries={name}/queries.jsonl" in read.text


def test_answers_stand_in_it_where_they_are_asked_for(folder: AuditFolder) -> None:
    text = Read(html_report(audit_document(folder, answers_shown=True))).text
    assert "then pour it ." in text
    assert "Answers are redacted" not in text


def test_an_audit_that_is_not_finished_says_so(tmp_path: Path) -> None:
    found = audit_document(made_folder(tmp_path, QUERIES, missing=5))
    assert found.warnings == ("The audit is not finished: 19 of 24 estimates.",)


@pytest.mark.slow
@pytest.mark.parametrize(
    "models", [("aster",), ("folder/<i>x</i>", "<script>y</script>", HOSTILE[5])]
)
def test_hostile_names_queries_and_answers_break_nothing(
    models: tuple[str, ...], tmp_path: Path
) -> None:
    # A table of results cannot hold half of a pair.
    texts = [text[:4_000].encode("utf-8", "replace").decode() for text in HOSTILE]
    queries = tuple(Query(f"q{k}{text[:9]}", text, "", text[:50]) for k, text in enumerate(texts))
    folder = made_folder(tmp_path, queries, models=models, answers=(*HOSTILE[:3], HOSTILE[9]))
    read = Read(html_report(audit_document(folder, answers_shown=True)))
    assert {"script", "svg", "i"}.isdisjoint({tag for tag, _ in read.tags})
    assert not any(name.startswith("on") for _, names in read.tags for name in names)
    for field, value, _ in read.numbers:
        assert value == str(at(read.json, field))


def test_a_report_is_found_by_its_folder_and_its_pictures_are_files(
    folder: AuditFolder, tmp_path: Path
) -> None:
    made = document_of(str(folder.path), MemoryStore())
    assert write_report(made, tmp_path / "report.html") == (tmp_path / "report.html").stat().st_size
    files = write_pictures(made, tmp_path / "pictures")
    assert {path.suffix for path in files} == {".svg", ".png"}
    assert {path.stem for path in files} == {"repeated-sampling", "risks"}
    assert all(path.stat().st_size > 1_000 for path in files)


@pytest.mark.parametrize("target", ["nowhere", "0123456789abcdef", ""])
def test_what_is_no_target_is_named(target: str) -> None:
    with pytest.raises(SpecError, match=f"got '{target}'$" if target else "holds no audit"):
        document_of(target, MemoryStore())


def test_a_file_that_cannot_be_written_is_one_sentence(folder: AuditFolder, tmp_path: Path) -> None:
    with pytest.raises(TailscopeError, match="could not be written"):
        write_report(audit_document(folder), tmp_path / "no such folder" / "report.html")


def test_what_drawing_took_is_not_known_and_not_told(folder: AuditFolder, read: Read) -> None:
    assert {"drawn", "seconds", "from_store"}.isdisjoint(read.json)
    assert audit_report(folder, read_results(folder.path)).drawn == 0
