"""What a page shows of a sample's fits: each made once for all who look, and ahead of being looked at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.errors import SpecError
from core.tails.analysis import FittedTail, fit_tail
from core.tails.exceedance import chances_above, shares_above
from core.tails.forecast import Forecast, furthest
from core.tails.maximum import forecasts
from core.tails.memo import SingleFlightCache
from core.tails.picture import exceedance, fan, levels_in_doubt, survival_curve
from core.tails.sample import TailSample, to_score
from core.tails.simex import NOISY_COPIES
from core.tails.spec import TailSpec
from core.tails.starts import starts
from core.tails.thresholds import FEWEST_TESTED, ThresholdTable, threshold_table

# A fan begins where the worst is still one of those seen.
FAN_FIRST = 10.0
# A survival curve goes so many times beyond the queries seen, at least and at most.
CURVE_REACH = (2.0, 20.0)
# Other starts of the tail are fitted ahead up to so many queries; beyond, a fit takes seconds.
AHEAD_UP_TO = 1_000
NUMBER = 8


@dataclass(frozen=True)
class Above:
    """How much lies above a risk level. chance: that the worst of n does. share: of all queries, with its
    interval; nan if it is not known.
    """

    chance: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Fits:
    """Fits and what is drawn of them, kept under a sample's key and a fit's choices.

    ahead: nobody waits for them.
    """

    kept: SingleFlightCache
    ahead: bool = False

    def table(self, key: str, sample: TailSample, confidence: float) -> ThresholdTable | None:
        """Returns the diagnostics of all thresholds, None where there are too few different queries."""

        def make() -> ThresholdTable | None:
            if len(np.unique(sample.group[~sample.censored])) <= FEWEST_TESTED:
                return None
            try:
                return threshold_table(sample, confidence)
            except SpecError:
                return None

        found: ThresholdTable | None = self.kept.get(
            ("table", key, confidence), make, ahead=self.ahead
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
        """Returns how many questions ahead the fit says something."""
        sample, confidence = fitted.sample, fitted.spec.confidence
        found: float = self._made(
            "supported", key, fitted, lambda: furthest(sample, fitted.predictor, confidence)
        )
        return found

    def told(self, key: str, fitted: FittedTail, n: float) -> tuple[Forecast, Forecast]:
        """Returns the forecast for n queries, and that with the noise left in."""
        found: tuple[Forecast, Forecast] = self._made(
            f"told {n}", key, fitted, lambda: forecasts(fitted, [n])
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
        """Returns the fitted tail's survival; as far as it may be asked, where n may be."""
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

    def above(self, key: str, fitted: FittedTail, n: float, tau: float) -> Above:
        """Returns how much lies above a risk level."""

        def make() -> Above:
            share, low, high = shares_above(fitted, to_score(np.array([tau])))
            chance = float(chances_above(fitted, n, np.array([tau]))[0])
            return Above(chance, float(share[0]), float(low[0]), float(high[0]))

        found: Above = self._made(f"above {n} {tau}", key, fitted, make)
        return found

    def everything(
        self,
        key: str,
        sample: TailSample,
        spec: TailSpec,
        table: ThresholdTable | None,
        n: float,
        tau: float,
    ) -> None:
        """Makes all that a page shows of a fit. Raises: SpecError, as `fitted`."""
        fitted = self.fitted(key, sample, spec, table)
        supported = self.supported(key, fitted)
        self.told(key, fitted, n)
        self.above(key, fitted, n, tau)
        if supported >= 1:
            self.fan(key, fitted, n)
        self.curve(key, fitted, n)
        if n <= supported:
            self.levels(key, fitted, n)

    def _made(self, name: str, key: str, fitted: FittedTail, make: Callable[[], Any]) -> Any:
        what = (name, key, fitted.spec.model_dump_json())
        return self.kept.get(what, make, ahead=self.ahead)


def other_starts(
    sample: TailSample, spec: TailSpec, table: ThresholdTable | None
) -> Iterator[TailSpec]:
    """Yields the fits with the other starts that are offered, those nearest to the one in use first."""
    offered = starts(sample, spec.fit, table) if len(sample) <= AHEAD_UP_TO else None
    if offered is None:
        return
    here = offered.largest.index(offered.nearest(spec.largest))
    places = sorted(range(len(offered.largest)), key=lambda place: abs(place - here))
    for place in places[1:]:
        largest = offered.largest[place]
        chosen = None if largest == offered.automatic else largest
        yield spec.model_copy(update={"largest": chosen})
