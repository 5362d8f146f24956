"""Fits of a sample and what is drawn of them: computed once for all sessions, the likely next ones ahead."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.errors import TailscopeError
from core.tails.analysis import FittedTail, fit_tail
from core.tails.exceedance import chances_above, shares_above
from core.tails.forecast import Forecast, supported_horizon
from core.tails.maximum import corrected_forecasts
from core.tails.picture import exceedance, fan, levels_in_doubt, survival_curve
from core.tails.sample import TailSample, to_score
from core.tails.simex import NOISY_COPIES
from core.tails.spec import TailSpec
from core.tails.thresholds import ThresholdTable, offered_starts, threshold_table_if_enough

# A fan begins where the worst is still one of those seen.
FAN_FIRST = 10.0
# A survival curve goes so many times beyond the queries seen, at least and at most.
CURVE_REACH = (2.0, 20.0)
# Other starts of the tail are fitted ahead up to so many queries; beyond, a fit takes seconds.
AHEAD_UP_TO = 1_000
NUMBER = 8


class SingleFlightCache:
    """Results by key, each computed by one caller while the others wait for it; the least recently used go.

    most: what all results may cost together, in the unit of `get`'s cost. The last one stays, whatever it
    costs.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self._changed = threading.Condition()
        self._results: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()
        self._making: set[Hashable] = set()
        self._waiting = 0

    def __contains__(self, key: Hashable) -> bool:
        with self._changed:
            return key in self._results

    def get(
        self, key: Hashable, make: Callable[[], Any], cost: float = 0.0, *, ahead: bool = False
    ) -> Any:
        """Returns the result of a key, computed by `make` if it is not kept.

        ahead: nobody waits for it; it is begun only when nobody waits for anything.

        Raises: as `make`, of which nothing is kept then.
        """
        with self._changed:
            self._waiting += not ahead
        try:
            with self._changed:
                self._changed.wait_for(
                    lambda: key not in self._making and not (ahead and self._waiting)
                )
                if key in self._results:
                    self._results.move_to_end(key)
                    return self._results[key][0]
                self._making.add(key)
            try:
                value = make()
                self._keep(key, value, cost)
                return value
            finally:
                with self._changed:
                    self._making.discard(key)
        finally:
            with self._changed:
                self._waiting -= not ahead
                self._changed.notify_all()

    def _keep(self, key: Hashable, value: Any, cost: float) -> None:
        with self._changed:
            self._results[key] = (value, cost)
            total = sum(each for _, each in self._results.values())
            while total > self.most and len(self._results) > 1:
                _, (_, freed) = self._results.popitem(last=False)
                total -= freed


class Prefetcher:
    """Runs tasks that may be needed next, one after the other, in a thread that ends with the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, deque[Callable[[], object]]] = {}
        self._thread: threading.Thread | None = None

    def want(self, owner: str, tasks: Iterable[Callable[[], object]]) -> None:
        """Replaces the tasks of this owner that have not begun. tasks: the likeliest first."""
        with self._lock:
            self._tasks[owner] = deque(tasks)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="Ahead", daemon=True)
                self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Returns when nothing is left to do, or after `timeout` seconds."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except TailscopeError:
                # Whoever needs the result gets the error then.
                continue
            except BaseException:
                with self._lock:
                    self._thread = None
                raise

    def _next(self) -> Callable[[], object] | None:
        """Returns a task of the owner who has waited longest; None, and the thread ends, after the last."""
        with self._lock:
            while self._tasks:
                owner, tasks = next(iter(self._tasks.items()))
                del self._tasks[owner]
                if tasks:
                    self._tasks[owner] = tasks
                    return tasks.popleft()
            self._thread = None
            return None


@dataclass(frozen=True)
class LevelExceedance:
    """How much lies above a risk level. chance: that the worst of n does. share: of all queries, with its
    interval; nan if it is not known.
    """

    chance: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class MemoizedFits:
    """Fits and what is drawn of them, kept under all that they depend on.

    A sample is named by a key, the hash of its content. Of a fit's choices the whole spec is in the key. Its
    table of thresholds is not: it follows from the sample, the confidence and the seed.

    ahead: nobody waits for the results.
    """

    kept: SingleFlightCache
    ahead: bool = False

    def table(self, key: str, sample: TailSample, spec: TailSpec) -> ThresholdTable | None:
        """Returns the diagnostics of all thresholds, None where there are too few different queries."""
        confidence, seed = spec.confidence, spec.seed
        found: ThresholdTable | None = self.kept.get(
            ("table", key, confidence, seed),
            lambda: threshold_table_if_enough(sample, confidence, seed),
            ahead=self.ahead,
        )
        return found

    def fitted(
        self, key: str, sample: TailSample, spec: TailSpec, table: ThresholdTable | None
    ) -> FittedTail:
        """Returns the fitted tail. Raises: SpecError, what to do."""
        # A share of each query in each draw, and the samples drawn.
        numbers = len(sample) * (spec.bootstraps + 5 * max(NOISY_COPIES, spec.bootstraps))
        found: FittedTail = self.kept.get(
            ("fitted", key, spec.model_dump_json()),
            lambda: fit_tail(sample, spec, table),
            NUMBER * numbers,
            ahead=self.ahead,
        )
        return found

    def supported(self, key: str, fitted: FittedTail) -> float:
        """Returns the largest horizon that the fit supports."""
        sample, confidence = fitted.sample, fitted.spec.confidence
        found: float = self._made(
            "supported",
            key,
            fitted,
            lambda: supported_horizon(sample, fitted.predictor, confidence),
        )
        return found

    def forecasts(self, key: str, fitted: FittedTail, n: float) -> tuple[Forecast, Forecast]:
        """Returns the forecast for n queries, and that with the noise left in."""
        found: tuple[Forecast, Forecast] = self._made(
            f"forecasts {n}", key, fitted, lambda: corrected_forecasts(fitted, [n])
        )
        return found

    def fan(self, key: str, fitted: FittedTail, n: float) -> pd.DataFrame:
        """Returns the fan over n, with a horizon of n in it."""
        first, supported = min(FAN_FIRST, n), self.supported(key, fitted)
        found: pd.DataFrame = self._made(
            f"fan {first}", key, fitted, lambda: fan(fitted, supported, first=first)
        )
        return found

    def curve(self, key: str, fitted: FittedTail, n: float) -> pd.DataFrame:
        """Returns the fitted tail's survival, up to the horizon that is supported if n is."""
        seen, supported = len(fitted.sample), self.supported(key, fitted)
        least, most = (times * seen for times in CURVE_REACH)
        reach = min(max(supported if n <= supported else 0.0, least), most)
        found: pd.DataFrame = self._made(
            f"curve {reach}", key, fitted, lambda: survival_curve(fitted, reach)
        )
        return found

    def levels(self, key: str, fitted: FittedTail, n: float) -> pd.DataFrame:
        """Returns chance and share of each risk level in doubt at this horizon."""
        found: pd.DataFrame = self._made(
            f"levels {n}", key, fitted, lambda: exceedance(fitted, n, levels_in_doubt(fitted, n))
        )
        return found

    def above(self, key: str, fitted: FittedTail, n: float, tau: float) -> LevelExceedance:
        """Returns how much lies above a risk level."""

        def make() -> LevelExceedance:
            share, low, high = shares_above(fitted, to_score(np.array([tau])))
            chance = float(chances_above(fitted, n, np.array([tau]))[0])
            return LevelExceedance(chance, float(share[0]), float(low[0]), float(high[0]))

        found: LevelExceedance = self._made(f"above {n} {tau}", key, fitted, make)
        return found

    def compute_all(
        self,
        key: str,
        sample: TailSample,
        spec: TailSpec,
        table: ThresholdTable | None,
        n: float,
        tau: float,
    ) -> None:
        """Computes all that a page shows of a fit. Raises: SpecError, as `fitted`."""
        fitted = self.fitted(key, sample, spec, table)
        supported = self.supported(key, fitted)
        self.forecasts(key, fitted, n)
        self.above(key, fitted, n, tau)
        if supported >= 1:
            self.fan(key, fitted, n)
        self.curve(key, fitted, n)
        if n <= supported:
            self.levels(key, fitted, n)

    def _made(self, name: str, key: str, fitted: FittedTail, make: Callable[[], Any]) -> Any:
        what = (name, key, fitted.spec.model_dump_json())
        return self.kept.get(what, make, ahead=self.ahead)


def specs_of_other_starts(
    sample: TailSample, spec: TailSpec, table: ThresholdTable | None
) -> Iterator[TailSpec]:
    """Yields specs with the other starts that are offered, those nearest to the one in use first."""
    offered = offered_starts(sample, spec.fit, table) if len(sample) <= AHEAD_UP_TO else None
    if offered is None:
        return
    here = offered.largest.index(offered.nearest(spec.largest))
    places = sorted(range(len(offered.largest)), key=lambda place: abs(place - here))
    for place in places[1:]:
        largest = offered.largest[place]
        chosen = None if largest == offered.automatic else largest
        yield spec.model_copy(update={"largest": chosen})
