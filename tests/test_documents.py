"""The documents hold: what they name is there, what they link to exists, and the README stays short."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from core.cli.app import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README_BYTES = 7_000
FOLDERS = ("app.py", "benchmarks", "cache", "core", "docs", "pages", "sample_data", "tests", ".ci")
# A path of this repository in code font; placeholders such as NAME stand for one to be made.
PATH = re.compile(r"`((?:" + "|".join(map(re.escape, FOLDERS)) + r")(?:/[\w./-]*)?)(#[\w-]+)?`")
PLACEHOLDER = re.compile(r"\b(NAME|BEHAVIOUR)\b|test_NAME")
# A function, a class or a method in code font.
NAME = re.compile(r"`([A-Za-z_]\w*(?:\.\w+)?)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
COMMAND = re.compile(
    r"(?:^\s*make (?=[a-z-]+\b)|\btailscope\b|\bpython -m (?:core|benchmarks|sample_data)\b)[^`\n|]*"
)
# Documents that lie outside the repository: nobody who reads the code can open them.
UNKNOWN = re.compile(r"\bdesign, section|\bdesign\.md\b|\bhouse\.md\b|\bstyle\.md\b|\bpaper\.md\b")


def names(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", DOCUMENTS, ids=names)
def test_every_path_in_a_document_exists(path: Path) -> None:
    assert missing_paths(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=names)
def test_every_link_of_a_document_resolves(path: Path) -> None:
    assert broken_links(path.read_text("utf-8"), path.parent) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=names)
def test_every_command_in_a_document_exists(path: Path) -> None:
    assert [fault for line in commands(path.read_text("utf-8")) for fault in faults(line)] == []


@pytest.mark.parametrize("name", ["architecture", "method"])
def test_every_name_in_a_table_stands_in_a_file_of_its_row(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    assert [fault for row in text.splitlines() for fault in strange_names(row)] == []


def test_a_name_that_stands_elsewhere_is_found() -> None:
    assert strange_names("| intervals | `core/spec.py` | `clopper_pearson` |") == [
        "clopper_pearson"
    ]
    assert strange_names("| intervals | `core/estimation/intervals.py` | `clopper_pearson` |") == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


def test_the_code_cites_documents_that_are_here() -> None:
    cited = [
        f"{names(path)}: {text[:80]!r}"
        for folder in ("core", "cache", "pages", "benchmarks", "sample_data")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for text in prose(path)
        if UNKNOWN.search(" ".join(text.split())) or missing_paths(text)
    ]
    assert cited == []


@pytest.mark.parametrize(
    "text",
    ["`core/no_such_file.py`", "`docs/method.md` and `core/nowhere/`", "`tests/test_NOTHING.py`"],
)
def test_a_path_that_is_not_there_is_found(text: str) -> None:
    assert len(missing_paths(text)) == 1


@pytest.mark.parametrize(
    "text", ["`core/spec.py`", "`pages/NAME/page.py`", "`docs/method.md#weights`", "`mis`, `a/b`"]
)
def test_a_path_that_is_there_is_not(text: str) -> None:
    assert missing_paths(text) == []


@pytest.mark.parametrize("text", ["[a](docs/nothing.md)", "[a](docs/method.md#no-such-heading)"])
def test_a_broken_link_is_found(text: str) -> None:
    assert len(broken_links(text, ROOT)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "make nothing",
        "tailscope conclude",
        "tailscope estimate --sampels 3",
        "python -m core audit --quick",
        "python -m benchmarks.nothing",
        "python -m benchmarks.accuracy --nothing",
    ],
)
def test_a_wrong_command_is_found(line: str) -> None:
    assert len(faults(line)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "tailscope estimate --query '...' --json",
        "make test PYTEST_ARGS=x",
        "tailscope --help",
        "python -m core tails --horizon 10   # a remark --with dashes",
        "python -m benchmarks.tails zeros",
        "python -m sample_data.train_judges --check",
    ],
)
def test_a_right_command_is_not(line: str) -> None:
    assert faults(line) == []


def missing_paths(text: str) -> list[str]:
    """Returns the repository's paths in code font that do not exist."""
    paths = [match[1] for match in PATH.finditer(text) if not PLACEHOLDER.search(match[1])]
    return [path for path in paths if not (ROOT / path).exists()]


def strange_names(row: str) -> list[str]:
    """Returns the names in code font in a table's row that none of the row's files holds."""
    files = [ROOT / match[1] for match in PATH.finditer(row) if match[1].endswith(".py")]
    if not row.startswith("|") or not files:
        return []
    source = "\n".join(file.read_text("utf-8") for file in files if file.exists())
    return [name for name in NAME.findall(row) if name.rpartition(".")[2] not in source]


def broken_links(text: str, folder: Path) -> list[str]:
    """Returns the relative links, seen from `folder`, that lead nowhere."""
    return [
        link
        for link in LINK.findall(text)
        if "://" not in link and leads_nowhere(link, text, folder)
    ]


def leads_nowhere(link: str, text: str, folder: Path) -> bool:
    """Returns whether a link of this text names no file, or a heading that its file does not have."""
    path, _, anchor = link.partition("#")
    target = folder / path
    if path and not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target.read_text("utf-8") if path else text)


def anchors(text: str) -> set[str]:
    """Returns the anchors that a document's headings have on GitHub."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in HEADING.findall(text)
    }


def commands(text: str) -> Iterator[str]:
    """Yields the commands of a document that its code holds, in blocks or in lines."""
    for line in text.splitlines():
        spans = [line] if line.startswith("    ") else re.findall(r"`([^`]+)`", line)
        for span in spans:
            if not line.startswith("    ") or not span.lstrip().startswith(("{", "import", '"')):
                yield from (match[0] for match in COMMAND.finditer(span))


def faults(line: str) -> list[str]:
    """Returns what a command names that does not exist: itself, or an option."""
    words = [word.rstrip(";,.") for word in shlex.split(line, comments=True)]
    if words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        return [] if words[1] in targets else [f"no target {words[1]!r}"]
    if words[0] == "tailscope":
        return command_faults(words[1:])
    module = words[2]
    if module == "core":
        return command_faults(words[3:])
    place = ROOT / module.replace(".", "/")
    path = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
    if not path.exists():
        return [f"no module {module}"]
    # Read and not run: a script's options are the texts that it hands to its parser.
    source = path.read_text("utf-8")
    return [f"{module} has no {word}" for word in options(words[3:]) if f'"{word}"' not in source]


def command_faults(words: list[str]) -> list[str]:
    """Returns what is wrong with a command line after the program's name."""
    if not words or words[0].startswith("-") or words[0] in ("COMMAND", "..."):
        return []
    known = known_options()
    if words[0] not in known:
        return [f"no command {words[0]!r}"]
    return [f"{words[0]} has no {word}" for word in options(words) if word not in known[words[0]]]


def options(words: list[str]) -> list[str]:
    return [word.partition("=")[0] for word in words if word.startswith("--")]


@cache
def known_options() -> dict[str, set[str]]:
    """Returns the options of each command, as its parser has them; no model is loaded."""
    group = get_command(app)
    return {
        name: {"--help", *(option for each in command.params for option in each.opts)}
        for name, command in group.commands.items()
    }


def prose(path: Path) -> Iterator[str]:
    """Yields a file's docstrings and comments."""
    source = path.read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    yield from (line for line in source.splitlines() if line.lstrip().startswith("#"))
