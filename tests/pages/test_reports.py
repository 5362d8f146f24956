"""The report as a download: made when it is pressed, and where it cannot be made, why."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from core.errors import TailscopeError
from core.queries.query import Query
from core.reports.audit import audit_document
from core.reports.document import Document
from pages.shared import audits, reports
from tests.pages.driver import open_page
from tests.reports.made import Read, made_folder


def refuse(shown: bool) -> Document:
    raise TailscopeError("the store holds no answer of <b>this</b> run")


def test_why_there_is_no_report_is_what_is_downloaded() -> None:
    found = Read(reports._html(refuse, False).decode("utf-8"))
    assert "the store holds no answer of <b>this</b> run" in found.text
    with zipfile.ZipFile(io.BytesIO(reports._pictures(refuse))) as file:
        assert file.namelist() == ["error.txt"]


@pytest.mark.parametrize("shown", [False, True])
def test_answers_stand_in_it_only_if_asked_for(shown: bool, tmp_path: Path) -> None:
    folder = made_folder(tmp_path, [Query("a", "open it", "")], answers=("a secret",))

    def make(answers_shown: bool) -> Document:
        return audit_document(folder, answers_shown=answers_shown)

    assert (b"a secret" in reports._html(make, shown)) is shown
    with zipfile.ZipFile(io.BytesIO(reports._pictures(make))) as file:
        assert set(file.namelist()) == {"repeated-sampling.svg", "repeated-sampling.png"}


def test_a_finished_audit_offers_its_report(tmp_path: Path) -> None:
    folder = made_folder(tmp_path, [Query(f"q{k}", f"open it {k}", "") for k in range(3)])
    app = open_page(
        "audit",
        session={audits.AUDIT_KEY: folder.audit_id, audits.OPENED: {folder.audit_id: folder.path}},
    )
    assert not app.exception
    labels = [one.proto.label for one in app.get("download_button")]
    assert "Report (html)" in labels
    assert "Pictures (svg, png)" in labels
    assert app.toggle(key="audit_details.report.answers").value is False
