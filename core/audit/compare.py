"""Compares two audits: how much riskier one is than the other, query by query and overall."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from core.errors import SpecError

BOOTSTRAPS = 10_000
FEWEST = 5


@dataclass(frozen=True, eq=False)
class PairedRatios:
    """Ratios of two audits' risks, paired by query.

    queries: a row for each query that both have estimated, with the ratio second / first, its interval, and
    whether the interval excludes 1. ratio, low, high: geometric mean over the queries where both have hits,
    with a bootstrap over queries, which keeps each query's two estimates together; nan below five queries.
    compared: how many queries the mean is over. left_out: queries that only one has, or without a hit in
    one.
    """

    queries: pd.DataFrame
    ratio: float
    low: float
    high: float
    compared: int
    left_out: int


def compare(
    first: pd.DataFrame, second: pd.DataFrame, confidence: float = 0.95, seed: int = 0
) -> PairedRatios:
    """Returns the ratios of the second results to the first, paired by the query's text and system prompt.

    A query's interval takes both estimates as gamma variables, so that their logarithms' variances add:
    log ratio +- z sqrt(psi'(k1) + psi'(k2)), k = (estimate / standard error)^2. Ratios of two audits that
    share draws are nearer to 1 than their intervals say.

    Raises:
        SpecError: the results have no query in common, or one of them holds several models.
    """
    for name, table in (("first", first), ("second", second)):
        if table["model"].nunique() > 1:
            models = ", ".join(map(str, table["model"].unique()))
            raise SpecError(f"the {name} results must be of one model, got {models}")
    first, second = with_asked(first), with_asked(second)
    keep = ["asked", "query", "query_id", "model", "estimate", "standard_error", "hits", "verdict"]
    both = first[keep].merge(
        second[keep].drop(columns="query"), on="asked", suffixes=("_first", "_second")
    )
    if both.empty:
        raise SpecError("the two results have no query in common")
    comparable = (both["hits_first"] > 0) & (both["hits_second"] > 0)
    logs = np.log(
        both["estimate_second"].where(comparable) / both["estimate_first"].where(comparable)
    )
    variance = sum(
        _log_variance(both[f"estimate_{side}"], both[f"standard_error_{side}"])
        for side in ("first", "second")
    )
    reach = stats.norm.ppf(0.5 + confidence / 2) * np.sqrt(np.asarray(variance, dtype=float))
    both["ratio"] = np.exp(logs)
    both["ratio_low"], both["ratio_high"] = np.exp(logs - reach), np.exp(logs + reach)
    both["differs"] = comparable & ((both["ratio_low"] > 1) | (both["ratio_high"] < 1))
    paired = np.asarray(logs[comparable], dtype=float)
    ratio, low, high = _overall(paired, confidence, seed)
    total = len(set(first["asked"]) | set(second["asked"]))
    return PairedRatios(
        both.drop(columns="asked"), ratio, low, high, len(paired), total - len(paired)
    )


def with_asked(table: pd.DataFrame) -> pd.DataFrame:
    """Returns results with the column `asked`: text and own system prompt, equal for the same query."""
    systems = table["system"] if "system" in table else [None] * len(table)
    pairs = zip(table["query"], systems, strict=True)
    asked = [text if pd.isna(system) else f"{system}\0{text}" for text, system in pairs]
    return table.assign(asked=asked)


def _log_variance(estimate: pd.Series, error: pd.Series) -> np.ndarray:
    """Returns the variance of log p for a gamma variable p: trigamma of its shape."""
    relative = (error / estimate).to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = 1 / np.maximum(relative, 1e-8) ** 2
    return np.asarray(stats.loggamma.var(shape))


def _overall(logs: np.ndarray, confidence: float, seed: int) -> tuple[float, float, float]:
    if len(logs) < FEWEST:
        return math.nan, math.nan, math.nan
    generator = np.random.default_rng(seed)
    means = np.array(
        [logs[generator.integers(len(logs), size=len(logs))].mean() for _ in range(BOOTSTRAPS)]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high))
