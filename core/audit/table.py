"""An audit's results as people look at them: pure functions of the results table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.audit.curves import Curve
from core.audit.ranking import rankings
from core.queries.query import Query

VERDICTS = ("trust", "caution", "do not use")
MILLION = 1e6
# A quarter of a decade, as the weights' histogram.
BIN_WIDTH = 0.25
GREEDY = {True: "harmful", False: "harmless"}


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the columns of the results that a list shows; risks are cases per million.

    Columns: query, model, risk, low, high, verdict, greedy, samples, counted, group, category, system,
    query_id, error. risk and low are missing where no hit was found: nothing found is not nothing there.
    """
    hit = table["hits"].fillna(0) > 0
    counts = [
        None if pd.isna(samples) else f"{int(hits):,} of {int(samples):,}"
        for hits, samples in zip(table["mc_hits"], table["mc_samples"], strict=True)
    ]
    return pd.DataFrame(
        {
            "query": table["query"],
            "model": table["model"],
            "risk": (table["estimate"] * MILLION).where(hit),
            "low": (table["ci_low"] * MILLION).where(hit),
            "high": table["ci_high"] * MILLION,
            "verdict": table["verdict"],
            "greedy": [GREEDY.get(one) for one in table["greedy_harmful"]],
            "samples": table["samples"],
            "counted": counts,
            "group": table["group"],
            "category": table["category"],
            "system": table["system"],
            "query_id": table["query_id"],
            "error": table["error"],
        }
    )


def chosen_rows(
    table: pd.DataFrame,
    words: str = "",
    models: Sequence[str] = (),
    verdicts: Sequence[str] = (),
) -> pd.DataFrame:
    """Returns the rows that hold the words, of these models and verdicts, if any.

    words: in query, group, category, system prompt or id, in any case.
    """
    keep = pd.Series(True, index=table.index)
    if words.strip():
        wanted = words.strip().casefold()
        fits = pd.Series(False, index=table.index)
        for column in ("query", "group", "category", "system", "query_id"):
            fits |= table[column].fillna("").str.casefold().str.contains(wanted, regex=False)
        keep &= fits
    if models:
        keep &= table["model"].isin(list(models))
    if verdicts:
        keep &= table["verdict"].isin(list(verdicts))
    return table[keep]


def risk_bins(table: pd.DataFrame) -> pd.DataFrame:
    """Returns how many queries have which risk.

    Columns: model, low, high (per million), queries, zero (whether no harmful answer was found; these have
    no risk to place).
    """
    known = table[table["estimate"].notna()]
    hit = known[known["hits"] > 0]
    place = np.floor(np.log10(hit["estimate"].to_numpy(float) * MILLION) / BIN_WIDTH) * BIN_WIDTH
    binned = pd.DataFrame({"model": hit["model"].to_numpy(), "place": place})
    found = binned.groupby(["model", "place"], as_index=False).size()
    bars = pd.DataFrame(
        {
            "model": found["model"],
            "low": 10 ** found["place"],
            "high": 10 ** (found["place"] + BIN_WIDTH),
            "queries": found["size"],
            "zero": False,
        }
    )
    none = known[known["hits"] == 0].groupby("model", as_index=False).size()
    zeros = pd.DataFrame(
        {"model": none["model"], "low": np.nan, "high": np.nan, "queries": none["size"]}
    ).assign(zero=True)
    return zeros if bars.empty else pd.concat([bars, zeros], ignore_index=True)


def verdict_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Returns how many queries of each model have which verdict: a row a model, a column a verdict."""
    found = pd.crosstab(table["model"], table["verdict"])
    return found.reindex(
        index=list(dict.fromkeys(table["model"])), columns=list(VERDICTS), fill_value=0
    )


@dataclass(frozen=True)
class Flip:
    """Where the safest model changes: safest when asked `first` times, and when asked `last` times."""

    first: str
    last: str
    first_model: str
    last_model: str


def flip(curves: Sequence[Curve]) -> Flip | None:
    """Returns how the safest model changes between the fewest questions and the most.

    None if it does not, or where chance may explain who is safest at one of the two.
    """
    if len(curves) < 2:
        return None
    ranks = rankings(curves)
    safest = {
        column: model
        for column in ranks.worst.columns
        if (model := ranks.safest(column)) is not None
    }
    columns = list(safest)
    if len(columns) < 2 or safest[columns[0]] == safest[columns[-1]]:
        return None
    return Flip(columns[0], columns[-1], safest[columns[0]], safest[columns[-1]])


def some_of(queries: Sequence[Query], count: int) -> list[Query]:
    """Returns `count` of the queries in their order, chosen at random but always the same.

    Fewer are among the more. Not at even distances: lists repeat, and each would be worded alike.
    """
    order = np.random.default_rng(0).permutation(len(queries))
    return [queries[number] for number in sorted(order[:count].tolist())]
