"""Text of others in a report: nothing runs, nothing breaks the page, and every character can be written."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reports.document import (
    Badge,
    Bullets,
    Document,
    Listing,
    Paragraph,
    Picture,
    Section,
    Spoken,
    Table,
    Terms,
    Tile,
    Value,
)  # fmt: skip
from core.reports.pictures import svg
from core.reports.render import POLICY, html_report
from core.reports.text import LONGEST, clean, shortened
from tests.reports.made import HOSTILE, Read

MARK = "marked"
NOT_TEXT = {"verdict", "field", "name"}


def chart(text: str) -> dict[str, Any]:
    return {
        "data": {"values": [{"label": text, "n": 2.5}]},
        "title": text,
        "mark": "bar",
        "encoding": {
            "x": {"field": "label", "type": "nominal", "title": text},
            "y": {"field": "n", "type": "quantitative"},
            "color": {"field": "label", "type": "nominal"},
        },
    }


def document(text: str, *, answers_shown: bool = True) -> Document:
    """Returns a report with every kind of block, this text wherever text can stand."""
    plain = {"data": {"values": [{"n": 1}]}, "mark": "point", "encoding": {}}
    picture = Picture("p", plain, text, text)
    blocks = (
        Paragraph(text),
        Paragraph(text, warning=True),
        Bullets((text, text)),
        Table(
            (text, text),
            ((text, Value(text, 1.5, "f")), (Spoken(text), Badge("trust", text))),
            text,
        ),
        picture,
        Terms(((text, text), (text, Value(text, None, "f")))),
        Listing(text),
        Listing(text, data=True),
    )
    return Document(
        kind=text, identity=text, made=text, question=text, quoted=text,
        headline=(text, Value(text, 2.0, "f")), interval=(text,), badges=(Badge("do not use", text),),
        reasons=(text,), warnings=(text,), tiles=(Tile(text, Value(text, 3.0, "f"), text),),
        picture=picture, sections=(Section(text, blocks),), answers_shown=answers_shown,
    )  # fmt: skip


def texts_of(value: Any) -> int:
    """Returns how many texts a document holds outside its charts."""
    if isinstance(value, str):
        return 1
    if isinstance(value, tuple):
        return sum(map(texts_of, value))
    if is_dataclass(value) and not isinstance(value, type):
        return sum(
            texts_of(getattr(value, one.name)) for one in fields(value) if one.name not in NOT_TEXT
        )
    return 0


@pytest.fixture(scope="module")
def harmless() -> Read:
    return Read(html_report(document(MARK)))


def test_no_text_of_a_document_is_forgotten_here(harmless: Read) -> None:
    # Twice stand a heading (in the list of contents), a caption (as label), and kind and id (in the title).
    assert html_report(document(MARK)).count(MARK) == texts_of(document(MARK)) + 2 + 2


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_adds_no_tag_and_no_attribute(text: str, harmless: Read) -> None:
    html = html_report(document(text))
    found = Read(html)
    assert found.tags == harmless.tags
    assert [one for one in found.addresses if not one.startswith(("data:", "#"))] == []
    assert clean(text)[:LONGEST] in found.text
    html.encode("utf-8")


@given(st.text(st.characters(), max_size=60))
def test_any_text_can_be_written_and_changes_nothing_when_cleaned_again(text: str) -> None:
    found = clean(text)
    found.encode("utf-8")
    assert clean(found) == found
    ElementTree.fromstring(f"<a>{found.replace('&', '&amp;').replace('<', '&lt;')}</a>")


@pytest.mark.parametrize("text", ["two\nlines\tand a tab", "死 🙂 é ẞ ﷽", "a‑b “c” ½"])
def test_text_that_does_no_harm_stays(text: str) -> None:
    assert clean(text) == text


def test_no_script_and_no_address_is_allowed(harmless: Read) -> None:
    assert POLICY.startswith("default-src 'none'")
    assert "script" not in {tag for tag, _ in harmless.tags}
    assert POLICY in html_report(document(MARK)).replace("&#39;", "'")
    assert not any(name.startswith("on") for _, names in harmless.tags for name in names)


@pytest.mark.parametrize("text", HOSTILE[:9])
def test_a_chart_with_hostile_names_is_well_formed(text: str) -> None:
    def tags(drawn: str) -> set[str]:
        return {one.tag for one in ElementTree.fromstring(drawn).iter()}

    assert tags(svg(chart(text))) == tags(svg(chart(MARK)))


def test_answers_are_redacted_unless_asked_for() -> None:
    said = "the secret recipe"
    table = Table(("Answer",), ((Spoken(said),), (Spoken(""),)))
    one = replace(document("x"), sections=(Section("Answers", (table,)),))
    assert said in html_report(one)
    hidden = html_report(replace(one, answers_shown=False))
    assert said not in hidden
    assert "redacted (17 characters)" in hidden
    assert "(an empty answer)" in hidden


def test_a_long_text_says_how_much_is_left_out() -> None:
    assert shortened("y" * LONGEST) == "y" * LONGEST
    assert shortened("y" * (LONGEST + 1_234)).endswith("y … (1,234 more characters)")
