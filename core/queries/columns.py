"""Chooses the columns: four published benchmarks are known by theirs, other files by usual names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.errors import SpecError
from core.files.rows import check_distinct, plain_name
from core.queries.chat import TURNS_NAMES

# In order of preference.
TEXT_NAMES = (
    "query", "prompt", "question", "instruction", "text", "goal", "input", "forbidden_prompt", "behavior",
    "paraphrase", "wording", *TURNS_NAMES,
)  # fmt: skip
ID_NAMES = ("query_id", "id", "behaviorid", "index")
# Columns that say which rows are wordings of one query. A benchmark's category says no such thing: its
# queries are different ones about one subject.
GROUP_NAMES = ("group", "paraphrase group", "wording of")
CATEGORY_NAMES = ("category", "semanticcategory", "functionalcategory")
SYSTEM_NAMES = ("system", "system prompt", "system message")
NO_GROUPS = "none"
# Columns that a query may depend on; only HarmBench defines how to combine them with the text.
_BESIDE_TEXT = ("context", "contextstring", "imagefilename")


_KNOWN = (
    *TEXT_NAMES, *ID_NAMES, *GROUP_NAMES, *CATEGORY_NAMES, *SYSTEM_NAMES, *_BESIDE_TEXT
)  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """The chosen columns by their names in the file; None where there is none.

    context: put before the text, as HarmBench does. system: each query's own system prompt.
    """

    text: str | None = None
    id: str | None = None
    group: str | None = None
    context: str | None = None
    category: str | None = None
    system: str | None = None

    @property
    def taken(self) -> tuple[str, ...]:
        """The names that are not None."""
        all_of_them = (self.text, self.id, self.group, self.context, self.category, self.system)
        return tuple(dict.fromkeys(name for name in all_of_them if name is not None))


@dataclass(frozen=True)
class _Benchmark:
    """A published file: the columns that identify it, and those to use."""

    format: str
    known_by: tuple[str, ...]
    text: str
    id: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    context: tuple[str, ...] = ()


# The first match counts. JailbreakBench also has AdvBench's columns, and its "Behavior" is a short name.
_BENCHMARKS = (
    _Benchmark(
        "HarmBench",
        known_by=("behavior", "behaviorid"),
        text="behavior",
        id=("behaviorid",),
        category=("semanticcategory", "functionalcategory"),
        context=("contextstring",),
    ),
    _Benchmark(
        "JailbreakBench",
        known_by=("goal", "target", "behavior", "category"),
        text="goal",
        id=("index",),
        category=("category",),
    ),
    _Benchmark(
        "StrongREJECT",
        known_by=("forbidden_prompt", "category"),
        text="forbidden_prompt",
        category=("category",),
    ),
    _Benchmark("AdvBench", known_by=("goal", "target"), text="goal"),
)


def choose_columns(
    columns: Sequence[str], group: str | None = None
) -> tuple[str, Columns, tuple[str, ...]]:
    """Returns the format, the columns to use, and notes.

    columns: empty for files of bare texts. group: the column that says which rows are wordings of one query,
    NO_GROUPS for none; None for the one whose name says so.

    Raises:
        SpecError: no column has a name that queries are known by, one is there twice, or `group` is none.
    """
    if not columns:
        if group not in (None, NO_GROUPS):
            raise SpecError(f"has no columns, so none is {group!r}")
        return "plain", Columns(), ()
    check_distinct(columns, _KNOWN)
    names: dict[str, str] = {}
    for column in columns:
        names.setdefault(plain_name(column), column)
    format, chosen = _benchmark(names) or ("plain", _usual(names))
    if chosen.text is None:
        given = ", ".join(map(_shown, columns[:20]))
        raise SpecError(
            f"must have a column named {', '.join(TEXT_NAMES[:-1])} or {TEXT_NAMES[-1]}, got {given}"
        )
    chosen = replace(chosen, group=_group(names, group), system=_first(names, SYSTEM_NAMES))
    notes = []
    if chosen.category is not None and chosen.category != chosen.group:
        notes.append(
            f"column {_shown(chosen.category)} is taken as a subject: its queries count as different ones, "
            "not as wordings of one"
        )
    if chosen.system is not None:
        notes.append(f"column {_shown(chosen.system)} is taken as each query's own system prompt")
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
            return benchmark.format, Columns(
                text=text,
                id=_first(names, benchmark.id),
                category=_first(names, benchmark.category),
                context=_first(names, benchmark.context),
            )
    return None


def _usual(names: Mapping[str, str]) -> Columns:
    return Columns(
        text=_first(names, TEXT_NAMES),
        id=_first(names, ID_NAMES),
        category=_first(names, CATEGORY_NAMES),
    )


def _group(names: Mapping[str, str], wanted: str | None) -> str | None:
    """Returns the column of wordings. Raises: SpecError if the one that is asked for is not there."""
    if wanted is None:
        return _first(names, GROUP_NAMES)
    if plain_name(wanted) == NO_GROUPS and NO_GROUPS not in names:
        return None
    if plain_name(wanted) not in names:
        given = ", ".join(map(_shown, list(names.values())[:20]))
        raise SpecError(
            f"has no column {wanted!r} to group by, only {given}; {NO_GROUPS!r} groups nothing"
        )
    return names[plain_name(wanted)]


def _first(names: Mapping[str, str], wanted: Sequence[str]) -> str | None:
    return next((names[plain_name(name)] for name in wanted if plain_name(name) in names), None)


def _shown(name: str) -> str:
    """Returns a column's name as text for a message: short, on one line, without quotation marks."""
    return repr(name)[1:-1][:60]
