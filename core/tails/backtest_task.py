"""The backtest as a task with a partial result after each split: by group, and naively."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import field_validator

from core.errors import SpecError
from core.spec import Seed, Spec, Whole, in_range
from core.tails.analysis import fit_tail
from core.tails.backtest import (
    SHARE,
    SPLITS,
    Backtest,
    MakePredictor,
    backtest_steps,
)
from core.tails.bootstrap import is_grouped
from core.tails.predictor import Predictor
from core.tails.remarks import TailError, Vocabulary, in_words
from core.tails.sample import TailSample
from core.tails.spec import FIT_NAMES, FitName, TailSpec
from core.tails.thresholds import threshold_table
from core.tasks import Progress, Snapshot, Steps, Task

# Fewer than for a forecast: each split has its own.
REFITS = 100
SIMULATIONS = 99
FEWEST_FITTED = 5
MAX_SPLITS = 10_000


class BacktestSpec(Spec):
    """Which kinds of tail are backtested, over how many splits.

    tail: the choices for the fit that it names; the others are tested with their defaults.
    """

    fits: tuple[FitName, ...]
    splits: Annotated[Whole, in_range(2, MAX_SPLITS)] = SPLITS
    tail: TailSpec = TailSpec()
    seed: Seed = 0

    @field_validator("fits", mode="before")
    @classmethod
    def _fits(cls, value: object) -> object:
        names = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not names or not set(names) <= set(FIT_NAMES) or len(set(names)) < len(names):
            raise ValueError(
                f"fits must be one or more of {', '.join(FIT_NAMES)}, each once, got {list(names)!r}"
            )
        return names


@dataclass(frozen=True, eq=False)
class BacktestState:
    """A backtest after some of its splits: name of the fit -> its forecasts.

    naive: with wordings of one query on both sides of a split; None where no query is another's wording, for
    then it is the same. A fit that has failed in every split so far is missing.
    """

    spec: BacktestSpec
    done: int
    by_group: Mapping[str, Backtest]
    naive: Mapping[str, Backtest] | None

    @property
    def whole(self) -> bool:
        """Whether all splits are done."""
        return self.done == self.spec.splits

    @property
    def without_fit(self) -> tuple[str, ...]:
        """Names of the fits that could be made in none of the splits by group."""
        return tuple(name for name in self.spec.fits if name not in self.by_group)


# The partial result is None before the first split.
BacktestTask = Task[BacktestState | None, BacktestState]
BacktestSnapshot = Snapshot[BacktestState | None, BacktestState]


def backtest_task(sample: TailSample, spec: BacktestSpec, vocabulary: Vocabulary) -> BacktestTask:
    """Returns the task of a backtest, not yet started. It fails as `run_backtest` raises.

    vocabulary: of the sentence on why it failed.
    """
    first = Progress[BacktestState | None](0, spec.splits, "splits")
    return Task(_worded(sample, spec, vocabulary), what="the backtest", first=first)


def _worded(
    sample: TailSample, spec: BacktestSpec, vocabulary: Vocabulary
) -> Steps[BacktestState | None, BacktestState]:
    with in_words(vocabulary):
        return (yield from run_backtest(sample, spec))


def run_backtest(
    sample: TailSample, spec: BacktestSpec
) -> Steps[BacktestState | None, BacktestState]:
    """Yields the state of a backtest after each split; returns the last.

    Raises:
        SpecError: the queries cannot be split, or not one kind has a fit in any split.
    """
    kinds = predictors_by_fit(spec)
    by_group = backtest_steps(sample, kinds, spec.splits, seed=spec.seed)
    naive = (
        backtest_steps(sample, kinds, spec.splits, by_group=False, seed=spec.seed)
        if is_grouped(sample)
        else None
    )
    found: Mapping[str, Backtest] = {}
    last = BacktestState(spec, 0, {}, None)
    for done, found in enumerate(by_group, start=1):
        also = None if naive is None else next(naive)
        last = BacktestState(spec, done, found, also)
        yield Progress(done, spec.splits, "splits", partial=last)
    if not found:
        raise TailError("no_fits_in_splits", fits=", ".join(spec.fits), splits=spec.splits)
    return last


def predictors_by_fit(spec: BacktestSpec) -> dict[str, MakePredictor]:
    """Returns a function for each kind of tail that fits it to the queries of a split.

    A chosen number of largest is scaled with the queries: a split has fewer of them.
    """
    found: dict[str, MakePredictor] = {}
    for name in spec.fits:
        tail = TailSpec.build(
            fit=name, confidence=0.95, bootstraps=REFITS, noise_corrected=False, seed=spec.seed
        )
        if name == spec.tail.fit:
            largest = spec.tail.largest
            if largest is not None:
                largest = max(round(SHARE * largest), FEWEST_FITTED)
            chosen = {
                "largest": largest,
                "threshold": spec.tail.threshold,
                "estimator": spec.tail.estimator,
            }
            tail = tail.model_copy(update=chosen)
        found[name] = _predictor_of(tail)
    return found


def _predictor_of(spec: TailSpec) -> MakePredictor:
    """Returns what `predictor_of` does, with fewer simulations to choose a threshold."""

    def make(sample: TailSample, seed: int) -> Predictor:
        table = None
        if spec.fit == "pot" and spec.largest is None and spec.threshold is None:
            with contextlib.suppress(SpecError):
                table = threshold_table(sample, spec.confidence, SIMULATIONS, seed)
        mine = spec.model_copy(update={"seed": seed})
        return fit_tail(sample, mine, table, max_horizon=float(len(sample)) * 10).predictor

    return make
