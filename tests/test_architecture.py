"""Dependencies flow one way, pages -> core -> cache, in no circle, and some things are not done at all."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("app", "pages", "core", "cache")

# What each part of the app may import of the others.
ALLOWED = {
    "app": {"app", "pages", "core"},
    "pages": {"pages", "core"},
    "core": {"core", "cache"},
    "cache": {"cache"},
}
# Parts of the repository that the app never imports.
OUTSIDE = {"tests", "benchmarks", "sample_data"}
MAY_IMPORT_STREAMLIT = {"app", "pages"}
PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
PICKLE_CALLS = {"read_pickle", "to_pickle"}
# The modules in the root of core; all others have a folder.
ROOT_OF_CORE = {"__init__", "__main__", "errors", "spec", "deployment"}
# What a page shares with others lies here.
SHARED = "shared"


def sources() -> list[Path]:
    """Returns the app's own Python files, those that exist by now."""
    files = [ROOT / "app.py"] if (ROOT / "app.py").exists() else []
    for layer in LAYERS[1:]:
        files += sorted((ROOT / layer).rglob("*.py"))
    return files


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yields (line, module) of every import, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import stays inside its layer, unless it climbs out, which Python refuses.
            yield node.lineno, node.module or "" if node.level == 0 else package
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value.lstrip(".") or package


def wrong_imports(source: str, layer: str) -> list[str]:
    """Returns the imports that go against the direction, as "line N: ..."."""
    found = []
    for line, module in imports(ast.parse(source), layer):
        top = module.partition(".")[0]
        if (top in LAYERS and top not in ALLOWED[layer]) or top in OUTSIDE:
            found.append(f"line {line}: {layer} must not import {module}")
        elif top == "streamlit" and layer not in MAY_IMPORT_STREAMLIT:
            found.append(f"line {line}: only app.py and pages/ import Streamlit")
        elif top in PICKLES:
            found.append(f"line {line}: {module} runs code from a file")
    return found


def wrong_habits(source: str) -> list[str]:
    """Returns the calls that run code from a file, and handlers that swallow everything."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"line {node.lineno}: bare except")
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func) == "torch.load":
            found.append(f"line {node.lineno}: torch.load")
        if _name(node.func) in PICKLE_CALLS:
            found.append(f"line {node.lineno}: {_name(node.func)}")
        found += [
            f"line {node.lineno}: {keyword.arg} must stay off"
            for keyword in node.keywords
            if keyword.arg in ("trust_remote_code", "allow_pickle") and not _is_off(keyword.value)
        ]
    return found


def _name(function: ast.expr) -> str:
    return ast.unparse(function).rpartition(".")[2]


def _is_off(value: ast.expr) -> bool:
    """Whether it is False, or as the operator's configuration has it."""
    return ast.unparse(value) in ("False", "allowed.remote_code")


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_one_direction_and_no_pickle(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert wrong_imports(source, layer_of(path)) + wrong_habits(source) == []


def test_there_is_something_to_check() -> None:
    assert {"core", "cache"} <= {layer_of(path) for path in sources()}


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("cache", "import core"),
        ("cache", "from core.spec import Spec"),
        ("cache", "import numpy, pages.model"),
        ("core", "from pages import components"),
        ("core", "import app"),
        ("pages", "import cache"),
        ("pages", "def f():\n    from cache.store import Store"),
        ("app", "import cache"),
        ("core", "import streamlit as st"),
        ("cache", "from streamlit.runtime import caching"),
        ("core", "import importlib\nimportlib.import_module('pages.model')"),
        ("core", "__import__('streamlit')"),
        ("core", "from sample_data.world import judge"),
        ("core", "import tests.helpers"),
        ("core", "import pickle"),
        ("pages", "from joblib import load"),
        ("cache", "if True:\n    import shelve"),
    ],
)
def test_a_wrong_import_is_found(layer: str, source: str) -> None:
    assert len(wrong_imports(source, layer)) == 1


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("app", "import streamlit, pages.model, core"),
        ("pages", "import streamlit.components.v1\nfrom core import engine\nfrom . import charts"),
        ("core", "import cache.store\nfrom .spec import Spec\nfrom core.judges import Judge"),
        ("cache", "import coreutils, diskcache\nfrom . import keys"),
    ],
)
def test_a_right_import_is_not(layer: str, source: str) -> None:
    assert wrong_imports(source, layer) == []


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    f()\nexcept:\n    pass",
        "torch.load(path)",
        "torch.load(path, weights_only=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=flag)",
        "np.load(path, allow_pickle=True)",
        "frame.to_pickle(path)",
        "pd.read_pickle(path)",
    ],
)
def test_a_wrong_habit_is_found(source: str) -> None:
    assert len(wrong_habits(source)) == 1


def test_a_right_habit_is_not() -> None:
    assert (
        wrong_habits(
            "f(trust_remote_code=False)\nf(trust_remote_code=allowed.remote_code)\n"
            "np.load(p, allow_pickle=False)\njson.load(f)"
        )
        == []
    )


# What others have written is read in one strict way: `core/files`.

# Who reads by itself, and why.
OWN_READERS = {
    "cache/memory.py": "what the store has written itself",
    "cache/shard.py": "what the store has written itself",
    "cache/store.py": "what the store has written itself",
    "core/audit/results.py": "a value that was made a moment before",
    "core/files/json_text.py": "the strict reader itself",
    "core/judges/chat_server.py": "a server's envelope, where an infinity in a field unused does no harm",
    "core/models/file_findings.py": "a model's config.json, in which transformers writes Infinity",
    "core/steering/gguf_file.py": "what this program has written, with NaN for what is not known",
}
LOOSE_READERS = {("json", "load"), ("json", "loads"), ("pd", "read_csv"), ("pd", "read_json")}


def loose_readers(source: str) -> list[str]:
    """Returns the calls that read JSON or a table loosely, as "line N: ..."."""
    return [
        f"line {node.lineno}: {node.func.value.id}.{node.func.attr}; use core/files"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in LOOSE_READERS
    ]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_others_wrote_is_read_strictly(path: Path) -> None:
    found = loose_readers(path.read_text(encoding="utf-8"))
    assert bool(found) == (path.relative_to(ROOT).as_posix() in OWN_READERS), found


def test_a_loose_reader_is_found() -> None:
    assert (
        len(loose_readers("import json\nx = [json.loads(t), pd.read_csv(p), json.dumps(x)]")) == 2
    )


# Pages: a page's folder knows nothing of another's.


def wrong_page_imports(source: str, folder: str) -> list[str]:
    """Returns the imports of another page. folder: a folder of pages/, or "app" for app.py."""
    own = {SHARED} if folder == "app" else {SHARED, folder}
    return [
        f"line {line}: {folder} must not import {module}"
        for line, module in modules_imported(ast.parse(source), f"pages.{folder}")
        if module.startswith("pages.") and module.split(".")[1] not in own
    ]


def modules_imported(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yields (line, dotted name) of everything imported; a name that is no module ends in one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            climbed = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*climbed, *([node.module] if node.module else [])])
            of = base if node.level else str(node.module)
            yield from ((node.lineno, f"{of}.{name.name}") for name in node.names)


def page_files() -> list[Path]:
    return [ROOT / "app.py", *sorted((ROOT / "pages").glob("*/*.py"))]


@pytest.mark.parametrize("path", page_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_imports_no_other_page(path: Path) -> None:
    folder = "app" if path.name == "app.py" else path.parent.name
    assert wrong_page_imports(path.read_text(encoding="utf-8"), folder) == []


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("deployment", "from pages.convergence.run import run_view"),
        ("deployment", "from pages.convergence import run"),
        ("runs", "def f():\n    import pages.audit.view"),
        ("runs", "from pages import audit"),
        ("runs", "from ..audit import view"),
        ("shared", "from pages.tails.address import read_link"),
        ("app", "from pages.start import page"),
    ],
)
def test_an_import_of_another_page_is_found(folder: str, source: str) -> None:
    assert len(wrong_page_imports(source, folder)) == 1


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("audit", "from pages.audit.view import audit_view\nfrom pages.shared import words"),
        ("audit", "from . import view\nfrom ..shared import words\nfrom core.audit import spec"),
        ("shared", "from pages.shared import words"),
        ("app", "from pages.shared.sidebar import sidebar"),
    ],
)
def test_an_import_of_its_own_is_not(folder: str, source: str) -> None:
    assert wrong_page_imports(source, folder) == []


def test_pages_holds_folders_only() -> None:
    assert [path.name for path in (ROOT / "pages").glob("*.py")] == ["__init__.py"]


# The root of core: a new module goes where its kind is.


def loose_modules(names: Set[str]) -> set[str]:
    """Returns the modules in the root of core that belong into a folder."""
    return set(names) - ROOT_OF_CORE


def test_the_root_of_core_is_closed() -> None:
    assert loose_modules({path.stem for path in (ROOT / "core").glob("*.py")}) == set()


def test_a_loose_module_is_found() -> None:
    assert loose_modules({"__init__", "errors", "helpers"}) == {"helpers"}


# Circles: whoever reads one module of a circle must read them all.


def import_graph(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Returns module -> the modules that it imports, inside functions too. files: module -> source."""
    graph: dict[str, set[str]] = {name.removesuffix(".__init__"): set() for name in files}
    for name, source in files.items():
        module, package = name.removesuffix(".__init__"), name.rpartition(".")[0]
        for _, imported in modules_imported(ast.parse(source), package):
            # A name that is no module is one of the module before its last dot.
            target = imported if imported in graph else imported.rpartition(".")[0]
            if target in graph and target != module:
                graph[module].add(target)
    return graph


def circle(graph: Mapping[str, Set[str]]) -> list[str]:
    """Returns the modules of a circle of imports, in order; none if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_circle_of_imports() -> None:
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sources()
    }
    assert circle(import_graph(files)) == []


@pytest.mark.parametrize(
    "files",
    [
        {"a.one": "from a.two import f", "a.two": "import a.one"},
        {"a.one": "from a.two import f", "a.two": "def f():\n    from a import one"},
        {"a.one": "from . import two", "a.two": "from .three import f", "a.three": "import a.one"},
        {"a.__init__": "from a.one import f", "a.one": "from a import g"},
    ],
)
def test_a_circle_is_found(files: dict[str, str]) -> None:
    assert circle(import_graph(files))


def test_no_circle_is_found_where_there_is_none() -> None:
    files = {
        "a.__init__": "from a.one import f",
        "a.one": "from a import two",
        "a.two": "import json\nfrom b import g",
        "b.__init__": "",
    }
    assert circle(import_graph(files)) == []
