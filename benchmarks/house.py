"""How easy the code is to find one's way in, in figures: of this checkout, or of another beside it.

    python -m benchmarks.house [CHECKOUT ...]

Counted from the sources; nothing is imported. Shown are the modules in the root of `core`, files a folder,
files past 300 lines, the longest functions, import circles (of modules; imports inside functions count), and
public names that are declared more than once. `tests/test_architecture.py` holds the limits.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LAYERS = ("core", "cache", "pages")
LONG_FILE = 300  # lines
LONG_FUNCTION = 40  # lines
# Every kind of proposal has one of each, and every page a few.
SHOWN = 8


@dataclass(frozen=True)
class House:
    """What was counted. lines: by module. functions: (lines, where), the longest first."""

    lines: Mapping[str, int]
    folders: Mapping[str, int]
    root: tuple[str, ...]
    functions: tuple[tuple[int, str], ...]
    circles: tuple[tuple[str, ...], ...]
    repeated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def modules(checkout: Path) -> dict[str, Path]:
    """Returns module name -> file of all that the app consists of."""
    files = [path for layer in LAYERS for path in sorted((checkout / layer).rglob("*.py"))]
    return {_module(path.relative_to(checkout)): path for path in files}


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.AST, known: Mapping[str, Path]) -> Iterator[str]:
    """Yields the modules of the app that a file imports, those inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else node.module for name in inner]
        else:
            continue
        yield from (name for name in names if name in known)


def circles(arrows: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Returns the groups of modules that reach each other (strongly connected, two or more)."""
    reach = {name: _reached(name, arrows) for name in arrows}
    groups = {
        tuple(sorted({name} | {other for other in reach[name] if name in reach[other]}))
        for name in arrows
    }
    return sorted(group for group in groups if len(group) > 1)


def _reached(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(arrows[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += arrows.get(name, ())
    return seen


def measure(checkout: Path) -> House:
    """Returns the figures of a checkout."""
    known = modules(checkout)
    trees = {name: ast.parse(path.read_text("utf-8")) for name, path in known.items()}
    functions, places = [], defaultdict(list)
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.append((_length(node), f"{name}.{node.name}"))
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    arrows = {name: set(imported(tree, known)) - {name} for name, tree in trees.items()}
    return House(
        lines={name: len(path.read_text("utf-8").splitlines()) for name, path in known.items()},
        folders=Counter(str(path.relative_to(checkout).parent) for path in known.values()),
        root=tuple(sorted(path.name for path in (checkout / "core").glob("*.py"))),
        functions=tuple(sorted(functions, reverse=True)),
        circles=tuple(circles(arrows)),
        repeated={name: tuple(where) for name, where in sorted(places.items()) if len(where) > 1},
    )


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Returns the lines of a function, its docstring left out: those of the public API are long."""
    first = function.body[0]
    docstring = ast.get_docstring(function, clean=False) is not None
    explained = (first.end_lineno or first.lineno) - first.lineno + 1 if docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - explained


def report(house: House) -> str:
    """Returns the figures as lines of text."""
    long_files = sorted((n, name) for name, n in house.lines.items() if n > LONG_FILE)
    long_functions = [one for one in house.functions if one[0] > LONG_FUNCTION]
    fullest = Counter(house.folders).most_common(SHOWN)
    repeated_classes = [name for name in house.repeated if name[0].isupper()]
    lines = [
        f"modules in the root of core: {len(house.root)}: {', '.join(house.root)}",
        f"files: {len(house.lines)} in {len(house.folders)} folders; the fullest: "
        + ", ".join(f"{folder} {count}" for folder, count in fullest),
        f"files past {LONG_FILE} lines: {len(long_files)}: "
        + ", ".join(f"{name} {count}" for count, name in reversed(long_files)),
        f"functions past {LONG_FUNCTION} lines: {len(long_functions)} of {len(house.functions)}; longest: "
        + ", ".join(f"{name} {count}" for count, name in house.functions[:SHOWN]),
        f"import circles: {len(house.circles)}"
        + "".join(f"\n  {' <-> '.join(group)}" for group in house.circles),
        f"public names declared more than once: {len(house.repeated)}, classes among them "
        f"{len(repeated_classes)}"
        + "".join(f"\n  {name}: {', '.join(house.repeated[name])}" for name in repeated_classes),
    ]
    return "\n".join(lines)


def main() -> None:
    for checkout in sys.argv[1:] or ["."]:
        print(f"{checkout}\n{report(measure(Path(checkout)))}\n")


if __name__ == "__main__":
    main()
