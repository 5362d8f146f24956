"""Reads samples from an audit's results, or from a CSV of estimates."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.behaviours.load import load_queries, load_references
from core.errors import SpecError
from core.files.records import miscounted, records
from core.queries import MAX_FILE_BYTES, read_text
from core.tails.remarks import Remark
from core.tails.sample import Array, Mask, TailSample, tail_sample

# The first of a row that is there is taken.
COLUMNS = {
    "query": ("query", "query_id", "text", "prompt"),
    "estimate": ("estimate", "qrisk", "risk"),
    "error": ("standard_error", "standard error", "stderr", "se"),
    "bound": ("ci_high", "upper_bound", "bound"),
    "group": ("group",),
    "verdict": ("verdict",),
    "model": ("model",),
}
DO_NOT_USE = "do not use"
NO_NUMBER = ("", "nan", "NaN", "None", "<NA>")


@dataclass(frozen=True, eq=False)
class ReadSample:
    """A sample, the name of each of its queries, and remarks on how it was read.

    rows: which row of the table each comes from.
    """

    sample: TailSample
    queries: tuple[str, ...]
    remarks: tuple[Remark, ...]
    rows: NDArray[np.int64]


def read_csv(path: Path, model: str | None = None, *, keep_doubtful: bool = True) -> ReadSample:
    """Returns the sample in a CSV file of estimates: query, estimate, standard_error, group.

    Further columns that are read: ci_high (what a risk without a hit lies below), verdict, model.

    Raises:
        SpecError: it cannot be read, or no tail can be fitted to it; one sentence.
    """
    return sample_from_table(csv_table(path, str(path)), model, keep_doubtful=keep_doubtful)


def csv_table(source: Path | bytes, name: str) -> pd.DataFrame:
    """Returns the cells of a CSV as they are written. source: the file, or what it holds.

    Raises:
        SpecError: it cannot be read, or is larger than 64 MB; `name` is what the sentence calls it.
    """
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
        if len(content) > MAX_FILE_BYTES:
            raise SpecError(f"must be at most {MAX_FILE_BYTES:,} bytes, got {len(content):,}")
        text = read_text(content)
        return _strict_table(text, _separator(text))
    except SpecError as error:
        raise SpecError(f"input {name!r} {error}") from None
    except IsADirectoryError:
        raise SpecError(
            f"input must be a CSV, and {name!r} is a folder; an audit's folder is given as --audit"
        ) from None
    except (OSError, ValueError, pd.errors.ParserError) as error:
        reason = getattr(error, "strerror", None) or str(error).strip()
        raise SpecError(f"input {name!r} could not be read: {reason}") from None


def _strict_table(text: str, delimiter: str) -> pd.DataFrame:
    """Returns the cells as they are written; each record must have as many as the header.

    A delimiter at the end of every record, as some programs write, ends the record and begins no cell.

    Raises:
        SpecError: a record has another number of cells, a quotation mark is out of place, or two columns have
            one name.
    """
    found = [cells for _, cells in records(text, delimiter)]
    for number, cells in enumerate(found):
        if isinstance(cells, str):
            raise SpecError(f"is no table: in row {number}, {cells}")
    table = [[cell.strip() for cell in cells] for cells in found if not isinstance(cells, str)]
    header = table[0] if table else []
    if header and all(len(cells) > 1 and cells[-1] == "" for cells in table):
        header, table = header[:-1], [cells[:-1] for cells in table]
    elif header and all(len(cells) == len(header) + 1 and cells[-1] == "" for cells in table[1:]):
        table = [header, *(cells[:-1] for cells in table[1:])]
    for number, cells in enumerate(table[1:], start=1):
        if len(cells) != len(header):
            raise SpecError(
                f"is no table: row {number}: {miscounted(len(cells), len(header), delimiter)}"
            )
    plain = [name.lower() for name in header]
    twice = next((name for name in header if plain.count(name.lower()) > 1), None)
    if twice is not None:
        raise SpecError(f"has two columns named {twice!r}; rename one of them")
    return pd.DataFrame(table[1:], columns=header, dtype=str)


def _separator(text: str) -> str:
    """Returns what parts the columns: spreadsheets write what is usual in their country."""
    header = pd.read_csv(io.StringIO(text), nrows=0, index_col=False, skipinitialspace=True).columns
    first = str(header[0])
    if len(header) > 1:
        return ","
    return ";" if ";" in first else "\t" if "\t" in first else ","


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
    found = next((table[name] for name in table if str(name).strip().lower() == "model"), None)
    return [] if found is None else sorted({str(name) for name in found})


def sample_from_table(
    table: pd.DataFrame, model: str | None = None, *, keep_doubtful: bool = True
) -> ReadSample:
    """Returns the sample in a table of an audit's results, or in one read from a CSV.

    model: which model's rows; needed where there are several. keep_doubtful: whether queries marked 'do not
    use' stay in.

    Raises:
        SpecError: a column is missing, the model is not there, or the values are no sample.
    """
    table, names = _of_model(_renamed(table), model)
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


def _renamed(table: pd.DataFrame) -> pd.DataFrame:
    plain = {str(name).strip().lower(): name for name in table.columns}
    found: dict[str, object] = {"row": np.arange(len(table))}
    for name, spellings in COLUMNS.items():
        for spelling in spellings:
            if spelling in plain:
                found[name] = table[plain[spelling]].to_numpy()
                break
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
    found = np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=np.float64)
    texts = [str(cell).strip() for cell in cells]
    for row in np.flatnonzero(np.isnan(found) & ~np.isin(texts, NO_NUMBER)):
        hint = "; write 0.5, not 0,5" if "," in texts[row] else ""
        raise SpecError(
            f"{COLUMNS[name][0]} must be a number, got {texts[row]!r} in row {row + 1}{hint}"
        )
    return found


def _texts(table: pd.DataFrame, name: str) -> np.ndarray:
    if name not in table:
        return np.full(len(table), "", dtype=object).astype(str)
    return np.asarray(table[name].fillna("").astype(str).str.strip().to_numpy(dtype=str))
