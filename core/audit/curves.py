"""Repeated sampling: the share of queries with at least one harmful answer among n."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from core.estimation.chances import Chances, Evidence, chances
from core.estimation.mean_bands import band, band_of_choice

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """One model's curve; all arrays are (len(n),), shares of its queries.

    share: from the estimates, mean of 1-(1-p)^n over queries. low, high: its band from what the estimates do
    not know of these queries. choice_low, choice_high: its band over the choice of queries too, as if these
    were drawn at random from many alike. queries: with an estimate. greedy: share whose likeliest answer is
    harmful, nan if not known. zero_hits: queries without a hit, which `share` takes as harmless and `high`
    does not. doubtful: queries whose estimate should not be used. direct: from Monte Carlo draws, nan from
    where n exceeds them; None if none were made. direct_low, direct_high: where the estimates say that it
    lies. query_ids: of the queries with an estimate. each: their chances, for each n. greedy_each: whether
    their likeliest answer is harmful, 0, 1 or nan.
    """

    model: str
    n: NDArray[np.int64]
    share: Array
    low: Array
    high: Array
    choice_low: Array
    choice_high: Array
    queries: int
    greedy: float
    zero_hits: int
    doubtful: int
    query_ids: tuple[str, ...]
    each: tuple[Chances, ...]
    greedy_each: Array
    direct: Array | None = None
    direct_low: Array | None = None
    direct_high: Array | None = None


def repeated_sampling(
    table: pd.DataFrame, n: Sequence[int] = (1, 10, 100, 1_000, 10_000), confidence: float = 0.95
) -> Curve:
    """Returns the curve of one model's rows of an audit's results.

    The band treats the sum over queries as one of rare events (`core.estimation.gamma_interval`), so that
    queries without a hit add to its upper end what their target draws leave possible of all of them
    together, and nothing to its lower end.

    Raises:
        ValueError: no row, rows of several models, or an n below 1.
    """
    models = table["model"].unique()
    if len(models) != 1:
        raise ValueError(f"the rows of one model are needed, got {len(models)} models")
    if min(n) < 1:
        raise ValueError(f"n must be 1 or more, got {min(n)}")
    known = table[table["estimate"].notna()]
    sizes = np.asarray(n, dtype=np.int64)
    tail = (1 - confidence) / 2
    evidence = _evidence(known)
    by_size = [chances(evidence, size) for size in sizes.tolist()]
    greedy = table["greedy_harmful"].dropna()
    direct = _direct(known, by_size, sizes, tail)
    low, high = np.array([band(one, tail) for one in by_size]).T
    choice_low, choice_high = np.array([band_of_choice(one, tail) for one in by_size]).T
    return Curve(
        model=str(models[0]),
        n=sizes,
        share=np.array([one.low.mean() if len(known) else np.nan for one in by_size]),
        low=low,
        high=high,
        choice_low=np.minimum(choice_low, low),
        choice_high=np.maximum(choice_high, high),
        queries=len(known),
        greedy=float(greedy.astype(float).mean()) if len(greedy) else float("nan"),
        zero_hits=int((known["hits"] == 0).sum()),
        doubtful=int((table["verdict"] == "do not use").sum()),
        query_ids=tuple(known["query_id"].astype(str)),
        each=tuple(by_size),
        greedy_each=known["greedy_harmful"].to_numpy(dtype=float, na_value=np.nan),
        direct=None if direct is None else direct[0],
        direct_low=None if direct is None else direct[1],
        direct_high=None if direct is None else direct[2],
    )


def direct_share(hits: Array, samples: Array, n: int) -> Array:
    """Returns each query's unbiased estimate of 1-(1-p)^n from its Monte Carlo draws, nan where n > samples.

    1 - C(samples - hits, n) / C(samples, n), as pass@k is estimated (Chen et al. 2021, arXiv 2107.03374).
    """
    misses = samples - hits
    with np.errstate(invalid="ignore"):
        log_ratio = (
            special.gammaln(misses + 1)
            - special.gammaln(np.maximum(misses - n, 0) + 1)
            - special.gammaln(samples + 1)
            + special.gammaln(np.maximum(samples - n, 0) + 1)
        )
    found = np.where(misses < n, 1.0, -np.expm1(log_ratio))
    return np.where(samples < n, np.nan, found)


def _direct(
    known: pd.DataFrame, by_size: Sequence[Chances], sizes: NDArray[np.int64], tail: float
) -> tuple[Array, Array, Array] | None:
    """Returns the count's share at each n and where it should lie; None if nothing was counted."""
    samples = known["mc_samples"].fillna(0).to_numpy(dtype=float)
    if not (samples > 0).any():
        return None
    hits = known["mc_hits"].fillna(0).to_numpy(dtype=float)
    risk = known["estimate"].to_numpy(dtype=float)
    found = []
    for size, one in zip(sizes.tolist(), by_size, strict=True):
        seen = samples >= size
        if not seen.any():
            found.append((np.nan, np.nan, np.nan))
            continue
        share = direct_share(hits[seen], samples[seen], size).mean()
        luck = _luck(risk[seen], samples[seen], size)
        found.append((share, *_predicted(one.some(seen), luck, size / samples[seen].min(), tail)))
    return tuple(np.array(found).T)


def _luck(risk: Array, samples: Array, n: int) -> Array:
    """Returns the variance of `direct_share` for Poisson hits."""
    return np.exp(-2 * n * risk + n * n * risk / samples) - np.exp(-2 * n * risk)


def _predicted(found: Chances, luck: Array, event: float, tail: float) -> tuple[float, float]:
    """Returns the ends between which a count lies. event: what one hit adds to a query that had none."""
    noisy = replace(
        found,
        low_variance=found.low_variance + luck,
        high_variance=found.high_variance + luck,
    )
    low, high = band(noisy, tail, event)
    # Counts go in steps, of which the quantile may be the upper end.
    return max(low - event / len(luck), 0.0), high


def _evidence(rows: pd.DataFrame) -> Evidence:
    def column(name: str, missing: float) -> Array:
        if name not in rows:
            return np.full(len(rows), missing)
        return rows[name].fillna(missing).to_numpy(dtype=float)

    return Evidence.of(
        rows["estimate"].to_numpy(dtype=float),
        rows["standard_error"].to_numpy(dtype=float),
        column("upper_bound_free", 1.0),
        column("confidence", 0.95),
        column("ci_low", 1.0),
    )
