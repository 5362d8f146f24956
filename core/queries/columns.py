"""Chooses the columns: four published benchmarks are known by theirs, other files by usual names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import SpecError
from core.files.rows import check_distinct, plain_name

# In order of preference.
TEXT_NAMES = (
    "query", "prompt", "question", "instruction", "text", "goal", "input", "forbidden_prompt", "behavior",
    "paraphrase", "wording",
)  # fmt: skip
ID_NAMES = ("query_id", "id", "behaviorid", "index")
GROUP_NAMES = ("group", "category", "semanticcategory", "functionalcategory", "paraphrase group")
# Columns that a query may depend on; only HarmBench defines how to combine them with the text.
_BESIDE_TEXT = ("context", "contextstring", "imagefilename")


@dataclass(frozen=True)
class Columns:
    """The chosen columns by their names in the file; None where there is none.

    context: put before the text, as HarmBench does.
    """

    text: str | None = None
    id: str | None = None
    group: str | None = None
    context: str | None = None

    @property
    def taken(self) -> tuple[str, ...]:
        """The names that are not None."""
        return tuple(
            name for name in (self.text, self.id, self.group, self.context) if name is not None
        )


@dataclass(frozen=True)
class _Benchmark:
    """A published file: the columns that identify it, and those to use."""

    format: str
    known_by: tuple[str, ...]
    text: str
    id: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    context: tuple[str, ...] = ()


# The first match counts. JailbreakBench also has AdvBench's columns, and its "Behavior" is a short name.
_BENCHMARKS = (
    _Benchmark(
        "HarmBench",
        known_by=("behavior", "behaviorid"),
        text="behavior",
        id=("behaviorid",),
        group=("semanticcategory", "functionalcategory"),
        context=("contextstring",),
    ),
    _Benchmark(
        "JailbreakBench",
        known_by=("goal", "target", "behavior", "category"),
        text="goal",
        id=("index",),
        group=("category",),
    ),
    _Benchmark(
        "StrongREJECT",
        known_by=("forbidden_prompt", "category"),
        text="forbidden_prompt",
        group=("category",),
    ),
    _Benchmark("AdvBench", known_by=("goal", "target"), text="goal"),
)


def choose_columns(columns: Sequence[str]) -> tuple[str, Columns, tuple[str, ...]]:
    """Returns the format, the columns to use, and notes. columns: empty for files of bare texts.

    Raises:
        SpecError: no column has a name that queries are known by, or one is there twice.
    """
    if not columns:
        return "plain", Columns(), ()
    check_distinct(columns, (*TEXT_NAMES, *ID_NAMES, *GROUP_NAMES, *_BESIDE_TEXT))
    names: dict[str, str] = {}
    for column in columns:
        names.setdefault(plain_name(column), column)
    format, chosen = _benchmark(names) or ("plain", _usual(names))
    if chosen.text is None:
        given = ", ".join(map(_shown, columns[:20]))
        raise SpecError(
            f"must have a column named {', '.join(TEXT_NAMES[:-1])} or {TEXT_NAMES[-1]}, got {given}"
        )
    notes = []
    candidates = [
        _shown(names[plain_name(name)]) for name in TEXT_NAMES if plain_name(name) in names
    ]
    if format == "plain" and len(candidates) > 1:
        notes.append(
            f"columns {', '.join(candidates)} could hold the queries; {candidates[0]} was taken"
        )
    for name in _BESIDE_TEXT:
        if name in names and names[name] != chosen.context:
            notes.append(f"column {_shown(names[name])} is not part of the queries")
    return format, chosen, tuple(notes)


def _benchmark(names: Mapping[str, str]) -> tuple[str, Columns] | None:
    # `query` is this program's own name for the column, so it wins over a benchmark's.
    if "query" in names:
        return None
    for benchmark in _BENCHMARKS:
        if all(plain_name(name) in names for name in benchmark.known_by):
            text = names[plain_name(benchmark.text)]
            others = (benchmark.id, benchmark.group, benchmark.context)
            return benchmark.format, Columns(text, *(_first(names, wanted) for wanted in others))
    return None


def _usual(names: Mapping[str, str]) -> Columns:
    return Columns(_first(names, TEXT_NAMES), _first(names, ID_NAMES), _first(names, GROUP_NAMES))


def _first(names: Mapping[str, str], wanted: Sequence[str]) -> str | None:
    return next((names[plain_name(name)] for name in wanted if plain_name(name) in names), None)


def _shown(name: str) -> str:
    """Returns a column's name as text for a message: short, on one line, without quotation marks."""
    return repr(name)[1:-1][:60]
