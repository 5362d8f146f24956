"""What `tails` does with its options: read the estimates, fit the tail, forecast, say how far to trust it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.audit.results import read_results
from core.errors import SpecError
from core.tails.analysis import (
    NOISE_UP_TO,
    fit_tail,
)
from core.tails.maximum import forecasts
from core.tails.notices import warnings_of
from core.tails.reading import ReadSample, read_csv, sample_from_table
from core.tails.report import TAUS, TailsReport
from core.tails.spec import TailSpec

MAX_HORIZON = 10**12


@dataclass(frozen=True)
class TailsOptions:
    """The options of `tails`, as given: nothing is checked yet.

    audit: an audit's folder; input: a CSV of estimates; one of them. taus: risks to ask about. model: whose
    rows. leave_out_doubtful: without the queries marked 'do not use'.
    """

    horizons: Sequence[int]
    audit: Path | None = None
    input: Path | None = None
    model: str | None = None
    fit: str = "pot"
    largest: int | None = None
    threshold: float | None = None
    estimator: str = "posterior"
    taus: Sequence[float] = field(default_factory=tuple)
    leave_out_doubtful: bool = False
    confidence: float = 0.95
    bootstraps: int = 500
    seed: int = 0


def tails_headless(options: TailsOptions) -> TailsReport:
    """Returns forecasts from an audit's estimates or a file's.

    Raises:
        TailscopeError: bad input, or no tail can be fitted; one sentence that says what to do.
    """
    horizons = _checked_horizons(options.horizons)
    taus = _checked_taus(options.taus or TAUS)
    spec = TailSpec.build(
        fit=options.fit,
        largest=options.largest,
        threshold=options.threshold,
        estimator=options.estimator,
        confidence=options.confidence,
        bootstraps=options.bootstraps,
        seed=options.seed,
    )
    if options.largest is not None and options.threshold is not None:
        raise SpecError("give --largest or --threshold, not both: each says where the tail starts")
    read = _read(options)
    fitted = fit_tail(read.sample, spec, furthest=max(NOISE_UP_TO, *horizons))
    told, as_estimated = forecasts(fitted, [float(n) for n in horizons])
    warnings = (*read.notes, *warnings_of(fitted, told, as_estimated, read.queries))
    return TailsReport(fitted, told, as_estimated, taus, read, warnings)


def _read(options: TailsOptions) -> ReadSample:
    keep = not options.leave_out_doubtful
    if (options.audit is None) == (options.input is None):
        raise SpecError("give either --audit DIR or --input FILE.csv, one of the two")
    if options.input is not None:
        return read_csv(options.input, options.model, keep_doubtful=keep)
    assert options.audit is not None
    return sample_from_table(read_results(options.audit), options.model, keep_doubtful=keep)


def _checked_horizons(horizons: Sequence[int]) -> list[int]:
    if not horizons:
        raise SpecError("give --horizon, the number of queries to forecast for")
    for n in horizons:
        if not 1 <= n <= MAX_HORIZON:
            raise SpecError(f"horizon must be in 1..{MAX_HORIZON:,}, got {n:,}")
    return list(horizons)


def _checked_taus(taus: Sequence[float]) -> tuple[float, ...]:
    for tau in taus:
        if not 0 < tau < 1:
            raise SpecError(f"tau must be above 0 and below 1, got {tau:g}")
    return tuple(taus)
