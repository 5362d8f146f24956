"""The backtest of Jones et al. (2025): fit on some of the queries, forecast the worst of the others."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.analysis import fit_tail
from core.tails.predictor import Predictor
from core.tails.remarks import TailError
from core.tails.sample import FEWEST, Array, Mask, TailSample, to_risk
from core.tails.spec import TailSpec

SHARE = 0.3
SPLITS = 300
FEWEST_GROUPS = 4
TAUS = tuple(float(tau) for tau in np.geomspace(1e-4, 0.9, 20))
MakePredictor = Callable[[TailSample, int], Predictor]


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts of one kind of tail over many splits; arrays are (splits,), risks.

    worst: the worst of the n other queries. level: the level exceeded once in n. median, low, high: the
    forecast of the worst of n. chance: (splits, taus) P(worst > tau). failed: splits that had no fit; they
    are in no array.
    """

    name: str
    worst: Array
    level: Array
    median: Array
    low: Array
    high: Array
    taus: Array
    chance: Array
    failed: int

    def log_error(self, which: str = "median") -> Array:
        """Returns log10(forecast / worst), below 0 for an underestimate. which: median or level."""
        forecast = {"median": self.median, "level": self.level}[which]
        return np.asarray(np.log10(forecast) - np.log10(self.worst))

    def scores(self, which: str = "median") -> dict[str, float]:
        """Returns mean absolute log error, shares within a decade and below, coverage, and Brier score."""
        error = self.log_error(which)
        inside = (self.low <= self.worst * (1 + 1e-9)) & (self.worst <= self.high * (1 + 1e-9))
        return {
            "mean_absolute_log_error": float(np.abs(error).mean()),
            "within_a_decade": float((np.abs(error) <= 1).mean()),
            "underestimates": float((error < 0).mean()),
            "coverage": float(inside.mean()),
            "brier": float(((self.chance - self.happened) ** 2).mean()),
        }

    @property
    def happened(self) -> Array:
        """(splits, taus): 1 where the worst exceeded tau."""
        return np.asarray((self.worst[:, None] > self.taus).astype(float))

    def reliability(self, bins: int = 5) -> list[tuple[float, float, int]]:
        """Returns (mean forecast chance, share that happened, how many) of forecasts alike in chance."""
        place = np.minimum((self.chance * bins).astype(int), bins - 1)
        found = []
        for number in range(bins):
            inside = place == number
            if inside.any():
                mean, share = self.chance[inside].mean(), self.happened[inside].mean()
                found.append((float(mean), float(share), int(inside.sum())))
        return found


def check_size(sample: TailSample, *, by_group: bool = True) -> None:
    """Raises SpecError where a split's share of the queries is too small for a tail, or of too few groups."""
    needed = math.ceil(FEWEST / SHARE)
    if len(sample) < needed:
        raise TailError("too_few_queries_to_test", share=SHARE, needed=needed, queries=len(sample))
    groups = len(np.unique(sample.group))
    if by_group and groups < FEWEST_GROUPS:
        raise TailError("too_few_groups_to_test", fewest=FEWEST_GROUPS, groups=groups)


def splits(
    sample: TailSample,
    times: int = SPLITS,
    share: float = SHARE,
    *,
    by_group: bool = True,
    seed: int = 0,
) -> Iterator[Mask]:
    """Yields masks of the queries for the fit, (m,): a share of the groups, or of the queries one by one.

    by_group: wordings of one query are all on one side. Without it they straddle the split, and what is
    forecast has been seen.
    """
    generator = np.random.default_rng(seed)
    units = np.unique(sample.group, return_inverse=True)[1] if by_group else np.arange(len(sample))
    count = int(units.max()) + 1
    for _ in range(times):
        chosen = generator.permutation(count)[: max(round(share * count), 1)]
        yield np.isin(units, chosen)


def backtest(
    sample: TailSample,
    kinds: Mapping[str, MakePredictor],
    times: int = SPLITS,
    *,
    by_group: bool = True,
    taus: Sequence[float] = TAUS,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Backtest]:
    """Returns how each kind of tail did on the same splits.

    kinds: name -> what fits a tail to the queries of a split, given a seed. report: is called with splits
    done, and all.

    Raises:
        SpecError: the queries cannot be split, or a kind has no fit in any split.
    """
    found: dict[str, Backtest] = {}
    steps = backtest_steps(sample, kinds, times, by_group=by_group, taus=taus, seed=seed)
    for done, so_far in enumerate(steps, start=1):
        found = so_far
        if report is not None:
            report(done, times)
    for name in kinds:
        if name not in found:
            raise TailError("no_fit_in_splits", fit=name, splits=times)
    return found


def backtest_steps(
    sample: TailSample,
    kinds: Mapping[str, MakePredictor],
    times: int = SPLITS,
    *,
    by_group: bool = True,
    taus: Sequence[float] = TAUS,
    seed: int = 0,
) -> Iterator[dict[str, Backtest]]:
    """Yields after each split how each kind did so far; one without a fit so far is not in it.

    Arguments as for `backtest`.

    Raises:
        SpecError: the queries cannot be split.
    """
    check_size(sample, by_group=by_group)
    rows: dict[str, list[Array]] = {name: [] for name in kinds}
    for number, mask in enumerate(splits(sample, times, by_group=by_group, seed=seed)):
        fit_on, rest = sample.take(mask), sample.take(~mask)
        worst = float(rest.risk.max())
        # A forecast needs different risks to fit on, and a hit among the rest to be compared with.
        usable = worst > 0 and len(np.unique(fit_on.risk[~fit_on.censored])) > 1
        for name, make in kinds.items() if usable else ():
            try:
                found = _forecast(make(fit_on, seed + number), len(rest), taus)
            except SpecError:
                continue
            rows[name].append(np.concatenate([[worst], found]))
        yield {name: _gathered(name, some, taus, number + 1) for name, some in rows.items() if some}


def predictor_of(spec: TailSpec) -> MakePredictor:
    """Returns a function that fits the spec's tail to the queries of a split."""

    def make(sample: TailSample, seed: int) -> Predictor:
        mine = spec.model_copy(update={"seed": seed})
        return fit_tail(sample, mine, max_horizon=float(len(sample)) * 10).predictor

    return make


def _forecast(predictor: Predictor, n: int, taus: Sequence[float]) -> Array:
    """Returns level, median, low, high, and the chance of each tau."""
    low, median, high = predictor.worst(np.array([float(n)]), [0.025, 0.5, 0.975])[:, 0]
    chance = predictor.chances_above(float(n), np.asarray(taus))
    level = float(to_risk(predictor.shown.score_at(-np.log(n))))
    return np.concatenate([[level, median, low, high], chance])


def _gathered(name: str, rows: list[Array], taus: Sequence[float], times: int) -> Backtest:
    table = np.array(rows)
    worst, level, median, low, high = table[:, :5].T
    failed = times - len(rows)
    return Backtest(name, worst, level, median, low, high, np.asarray(taus), table[:, 5:], failed)
