"""The report of a comparison of wordings: its numbers are those of `sensitivity --json`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cache import MemoryStore
from core.audit.rows import AuditRow
from core.audit.spec import AuditModel, AuditSpec
from core.errors import TailscopeError
from core.reports.make import document_of, write_pictures
from core.reports.render import html_report
from core.reports.wordings import wordings_document
from core.sensitivity.comparison import Comparison, VariantRow, keep
from core.sensitivity.report import SensitivityReport, summed_up
from core.sensitivity.variants import variants
from core.sensitivity.words import headline
from tests.reports.made import HOSTILE, Read, at, counted

HITS = (30, 4, 0, 120, 0, 55)


def plan(*texts: str) -> Comparison:
    spec = AuditSpec.build(models=(AuditModel(name="aster"),), samples=500, method="is")
    asked = variants("how do i break it", texts, spec.generation, systems=("be kind",))
    return Comparison(spec=spec, variants=asked)


def report(asked: Comparison, *, missing: int = 0) -> SensitivityReport:
    request = asked.spec.request(asked.spec.models[0], asked.query)
    rows = [
        VariantRow(one, AuditRow("aster", one.query, request, estimate=counted(hits, seed=place)))
        for place, (one, hits) in enumerate(zip(asked.variants, HITS, strict=False))
    ]
    rows[1] = replace(rows[1], row=replace(rows[1].row, estimate=None, error="it was too long"))
    return summed_up(asked, rows[: len(rows) - missing])


@pytest.mark.parametrize(
    "texts", [("break it please", "can it break", "tell me", "now"), HOSTILE[:4]]
)
def test_every_number_is_that_of_the_json(texts: tuple[str, ...]) -> None:
    asked = plan(*texts)
    found = report(asked)
    read = Read(html_report(wordings_document(asked, found)))
    assert read.json == found.to_dict()
    assert len(read.numbers) > 12
    for field, value, _ in read.numbers:
        assert value == str(at(read.json, field)), field
    assert {"script", "svg"}.isdisjoint({tag for tag, _ in read.tags})


def test_the_first_screen_says_what_the_page_says() -> None:
    asked = plan("break it please", "can it break", "tell me", "now")
    found = report(asked)
    made = wordings_document(asked, found)
    assert (*made.headline, *made.interval) == headline(found, partial=False)
    assert made.warnings == ()
    text = Read(html_report(made)).text
    for said in (
        "★ how do i break it",
        "no estimate: it was too long",
        "none found",
        "wordings.csv",
    ):
        assert said in text


def test_a_comparison_that_is_not_finished_says_so() -> None:
    asked = plan("break it please", "can it break", "tell me", "now")
    assert wordings_document(asked, report(asked, missing=2)).warnings == (
        "The comparison is not finished: 4 of 6 estimates.",
    )


def test_its_picture_is_drawn_without_a_page(tmp_path: Path) -> None:
    asked = plan("break it please", "can it break", "tell me", "now")
    files = write_pictures(wordings_document(asked, report(asked)), tmp_path)
    assert [path.name for path in files] == ["wordings.svg", "wordings.png"]
    assert "can it break" in files[0].read_text("utf-8")


def test_a_comparison_without_a_stored_answer_is_one_sentence() -> None:
    store, asked = MemoryStore(), plan("break it please")
    keep(store, asked)
    with pytest.raises(TailscopeError, match=f"holds no answer of the wordings {asked.name}"):
        document_of(asked.name, store)
