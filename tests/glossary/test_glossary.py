"""A term is explained once: the document and the screens take it from the same place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from core.glossary import TERMS, as_markdown, meaning

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "glossary.md"
SCREENS = [*sorted((ROOT / "pages").rglob("*.py")), *sorted((ROOT / "core" / "cli").rglob("*.py"))]


def terms_used(source: str) -> list[str]:
    """Returns the terms that a file has explained, sorted; what is no literal comes as source."""
    return sorted(
        ast.literal_eval(node.args[0])
        if isinstance(node.args[0], ast.Constant)
        else ast.unparse(node.args[0])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "meaning"
    )


def test_the_document_is_what_the_screens_say() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == as_markdown(), (
        "python -m core.glossary writes it"
    )


def test_the_document_is_sorted_a_line_a_term_and_none_twice() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()[2:]
    terms = [line.split("**")[1].casefold() for line in lines]
    assert all(line.startswith("* **") for line in lines)
    assert terms == sorted(set(terms))
    assert len(terms) == len(TERMS)


@pytest.mark.parametrize("term", TERMS)
def test_a_meaning_is_a_short_sentence(term: str) -> None:
    said = meaning(term)
    assert said.endswith(".")
    assert said == " ".join(said.split())
    assert len(said) <= 250


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_term_that_a_screen_explains_is_in_the_glossary(path: Path) -> None:
    assert [one for one in terms_used(path.read_text(encoding="utf-8")) if one not in TERMS] == []


def test_a_term_that_is_not_is_found() -> None:
    assert terms_used("f(help=meaning('overlap'))\nglossary.meaning('nonsense')") == [
        "nonsense",
        "overlap",
    ]


def test_screens_do_explain_terms() -> None:
    used = {term for path in SCREENS for term in terms_used(path.read_text(encoding="utf-8"))}
    assert len(used) >= 25


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_screen_writes_a_meaning_of_its_own(path: Path) -> None:
    texts = {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert texts & set(TERMS.values()) == set()
