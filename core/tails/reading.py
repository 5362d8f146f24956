"""Reads samples from an audit's results, or from a table of estimates in a file."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.behaviours.load import load_queries, load_references
from core.errors import SpecError
from core.files.kinds import MAX_FILE_BYTES, read_table
from core.files.rows import BadRow, check_distinct, plain_name
from core.queries.columns import NO_GROUPS
from core.tails.remarks import Remark
from core.tails.sample import Array, Mask, TailSample, tail_sample

# The first of a row that is there is taken.
COLUMNS = {
    "query": ("query", "query_id", "text", "prompt"),
    "estimate": ("estimate", "qrisk", "risk"),
    "error": ("standard_error", "standard error", "stderr", "se"),
    "bound": ("ci_high", "upper_bound", "bound"),
    "group": ("group", "paraphrase group", "wording of"),
    "system": ("system", "system_prompt", "system message"),
    "verdict": ("verdict",),
    "model": ("model",),
}
DO_NOT_USE = "do not use"
NO_NUMBER = ("", "nan", "NaN", "None", "<NA>")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
KNOWN = tuple(spelling for spellings in COLUMNS.values() for spelling in spellings)


@dataclass(frozen=True, eq=False)
class ReadSample:
    """A sample, the name of each of its queries, and remarks on how it was read.

    rows: which row of the table each comes from.
    """

    sample: TailSample
    queries: tuple[str, ...]
    remarks: tuple[Remark, ...]
    rows: NDArray[np.int64]


def read_csv(
    path: Path,
    model: str | None = None,
    *,
    keep_doubtful: bool = True,
    group: str | None = None,
) -> ReadSample:
    """Returns the sample in a file of estimates: query, estimate, standard_error, group.

    Further columns that are read: ci_high (what a risk without a hit lies below), verdict, model.

    Raises:
        SpecError: it cannot be read, or no tail can be fitted to it; one sentence.
    """
    table = estimates_table(path, str(path))
    return sample_from_table(table, model, keep_doubtful=keep_doubtful, group=group)


def estimates_table(source: Path | bytes, name: str) -> pd.DataFrame:
    """Returns the cells of a table of estimates as they are written; `row` numbers begin at 1 in messages.

    source: the file, or what it holds. name: what sentences call it; its ending gives the kind, CSV where it
    has none.

    Raises:
        SpecError: it cannot be read, is larger than 64 MB, or a row has not as many fields as the header.
    """
    try:
        content = source if isinstance(source, bytes) else _content(source)
        table = read_table(name, content, KNOWN, wanted="estimate", as_csv=True)
    except IsADirectoryError:
        raise SpecError(
            f"input must be a table, and {name!r} is a folder; an audit's folder is given as --audit"
        ) from None
    except OSError as error:
        raise SpecError(f"input {name!r} could not be read: {error.strerror or error}") from None
    except SpecError as error:
        raise SpecError(f"input {name!r} {error}") from None
    cells: list[Mapping[str, object]] = []
    bad: list[BadRow] = []
    for row in table.rows(table.columns):
        if isinstance(row, BadRow):
            bad.append(row)
        elif isinstance(row.cells, str):
            bad.append(BadRow(row.row, f"it must be an object, got {row.cells!r:.80}"))
        else:
            cells.append(row.cells)
    if bad:
        more = f" (and {len(bad) - 1:,} more)" if len(bad) > 1 else ""
        raise SpecError(
            f"input {name!r} cannot be used: {table.counted} {bad[0].row}: {bad[0].reason}{more}"
        )
    columns = {name: [row.get(name) for row in cells] for name in table.columns}
    return pd.DataFrame(columns, dtype=object)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        # A pipe has no size to ask for; one byte too many is enough to see that it is too large.
        return file.read(MAX_FILE_BYTES + 1)


def shipped_sample(model: str) -> ReadSample:
    """Returns the references of an embedded model's misuse queries, in the groups they come in.

    Raises:
        SpecError: the model has none.
    """
    return sample_from_table(shipped_table(model))


def shipped_table(model: str) -> pd.DataFrame:
    """Returns what `shipped_sample` is made of, as a CSV of estimates has it."""
    references, queries = load_references(model, "misuse"), load_queries("misuse")
    known = [query for query in queries if query.query_id in references]
    return pd.DataFrame(
        {
            "query": [query.text for query in known],
            "estimate": [references[query.query_id].qrisk for query in known],
            "standard_error": [references[query.query_id].standard_error for query in known],
            "group": [query.group for query in known],
        }
    )


def models_of(table: pd.DataFrame) -> list[str]:
    """Returns the names of the models whose estimates a table holds, sorted; none if it names none."""
    found = next((table[name] for name in table if plain_name(name) == "model"), None)
    return [] if found is None else sorted({str(name) for name in found})


def sample_from_table(
    table: pd.DataFrame,
    model: str | None = None,
    *,
    keep_doubtful: bool = True,
    group: str | None = None,
) -> ReadSample:
    """Returns the sample in a table of an audit's results, or in one read from a CSV.

    model: which model's rows; needed where there are several. keep_doubtful: whether queries marked 'do not
    use' stay in. group: the column that says which rows are wordings of one query, "none" for none; None for
    the one whose name says so.

    Raises:
        SpecError: a column is missing, the model is not there, or the values are no sample.
    """
    table, names = _of_model(_renamed(table, group), model)
    estimate, error, bound = (_numbers(table, name) for name in ("estimate", "error", "bound"))
    # An audit's rows that failed have no estimate at all.
    failed = np.isnan(estimate) & _is_audit(table)
    doubtful = _texts(table, "verdict") == DO_NOT_USE
    keep = ~failed if keep_doubtful else ~failed & ~doubtful
    remarks = []
    if failed.any():
        remarks.append(Remark("rows_without_estimate", {"count": int(failed.sum())}))
    if not keep_doubtful and (doubtful & ~failed).any():
        remarks.append(Remark("doubtful_left_out", {"count": int((doubtful & ~failed).sum())}))
    bound, assumed = _bounds(estimate, bound, keep)
    groups, repeating = _groups(table, keep)
    remarks += [*assumed, *repeating]
    sample = tail_sample(
        estimate[keep],
        np.where(estimate == 0, 0.0, error)[keep],
        bound[keep],
        list(groups[keep]),
        doubtful[keep],
    )
    rows = table["row"].to_numpy(dtype=np.int64)[keep]
    return ReadSample(sample, tuple(str(name) for name in names[keep]), tuple(remarks), rows)


def _groups(table: pd.DataFrame, keep: Mask) -> tuple[np.ndarray, list[Remark]]:
    """Returns each row's group, and how many rows repeat a query. Without one, its text is; else its row."""
    given, texts = _texts(table, "group"), _texts(table, "query")
    systems = _texts(table, "system")
    # The same words under another system prompt are another query.
    texts = np.where(
        (systems != "") & (texts != ""), np.char.add(np.char.add(texts, "\n"), systems), texts
    )
    rows = np.char.add("row-", np.arange(len(table)).astype(str))
    by_text = (given == "") & (texts != "")
    found = np.where(by_text, np.char.add("query-", texts), np.where(given == "", rows, given))
    kept = by_text & keep
    repeats = int(kept.sum()) - len(np.unique(texts[kept]))
    return found, [Remark("repeated_queries", {"count": repeats})] if repeats else []


def _bounds(estimate: Array, bound: Array, keep: Mask) -> tuple[Array, list[Remark]]:
    """Returns a bound for each query without a hit, and what was assumed where none was given."""
    missing = (estimate == 0) & ~(bound > 0) & keep
    hits = estimate[keep & (estimate > 0)]
    if not missing.any() or len(hits) == 0:
        return bound, []
    lowest = float(hits.min())
    assumed = Remark("bound_assumed", {"count": int(missing.sum()), "lowest": lowest})
    return np.where(missing, lowest, bound), [assumed]


def grouping_columns(table: pd.DataFrame) -> list[str]:
    """Returns the columns that may say which rows are wordings of one query: what is not read otherwise."""
    usual = {
        plain_name(spelling)
        for name, all_ in COLUMNS.items()
        if name != "group"
        for spelling in all_
    }
    return [
        str(name) for name in table.columns if plain_name(name) and plain_name(name) not in usual
    ]


def _renamed(table: pd.DataFrame, group: str | None = None) -> pd.DataFrame:
    try:
        check_distinct(list(table.columns), KNOWN)
    except SpecError as error:
        raise SpecError(f"input {error}") from None
    plain = {plain_name(name): name for name in table.columns}
    found: dict[str, object] = {"row": np.arange(len(table))}
    for name, spellings in COLUMNS.items():
        for spelling in map(plain_name, spellings):
            if spelling in plain:
                found[name] = table[plain[spelling]].to_numpy()
                break
    if group is not None:
        found.pop("group", None)
        if plain_name(group) in plain:
            found["group"] = table[plain[plain_name(group)]].to_numpy()
        elif group != NO_GROUPS:
            given = ", ".join(map(str, table.columns))
            raise SpecError(
                f"group must be a column of the estimates or {NO_GROUPS!r}, got {group!r}; there are {given}"
            )
    for name in ("estimate", "error"):
        if name not in found:
            raise SpecError(
                f"input needs a column {COLUMNS[name][0]}, got {', '.join(map(str, table.columns))}"
            )
    return pd.DataFrame(found)


def _of_model(table: pd.DataFrame, model: str | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns one model's rows and their names."""
    if "model" in table:
        present: Sequence[str] = sorted({str(name) for name in table["model"]})
        if model is None and len(present) > 1:
            raise SpecError(
                f"input has several models ({', '.join(present)}); give one with --model"
            )
        if model is not None:
            if model not in present:
                raise SpecError(f"model must be one of {', '.join(present)}, got {model!r}")
            table = table[table["model"].astype(str) == model].reset_index(drop=True)
    names = _texts(table, "query")
    rows = np.char.add("row ", np.arange(1, len(table) + 1).astype(str))
    return table, np.where(names == "", rows, names)


def _is_audit(table: pd.DataFrame) -> bool:
    """Returns whether an estimate that is missing means a query that failed, and no slip in a file."""
    return bool(pd.api.types.is_float_dtype(table["estimate"]))


def _numbers(table: pd.DataFrame, name: str) -> Array:
    if name not in table:
        return np.full(len(table), np.nan)
    cells = table[name]
    if pd.api.types.is_float_dtype(cells):
        return np.asarray(cells, dtype=np.float64)
    return np.array(
        [_number(cell, COLUMNS[name][0], row) for row, cell in enumerate(cells, start=1)],
        dtype=np.float64,
    )


def _number(cell: object, column: str, row: int) -> float:
    """Returns a cell's number, nan where it is empty. Raises: SpecError, naming column and row."""
    if isinstance(cell, int | float | Decimal | np.number) and not isinstance(
        cell, bool | np.bool_
    ):
        found = float(cell)
    elif cell is None or cell is pd.NA or (text := str(cell).strip()) in NO_NUMBER:
        return math.nan
    elif isinstance(cell, str) and NUMBER.fullmatch(text):
        found = float(text)
    else:
        hint = "; write 0.5, not 0,5" if "," in text else ""
        raise SpecError(f"{column} must be a number, got {text!r} in row {row}{hint}")
    if math.isinf(found):
        raise SpecError(f"{column} must be a finite number, got {cell} in row {row}")
    return found


def _texts(table: pd.DataFrame, name: str) -> np.ndarray:
    if name not in table:
        return np.full(len(table), "", dtype=object).astype(str)
    return np.asarray(table[name].fillna("").astype(str).str.strip().to_numpy(dtype=str))
