"""The bootstrap: samples that could have been seen instead, and the tails fitted to them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.errors import SpecError
from core.tails.remarks import TailError
from core.tails.sample import TailSample, to_risk
from core.tails.simex import relative_errors
from core.tails.tail import Tail

BOOTSTRAPS = 500

Fitter = Callable[[TailSample], Tail]


@dataclass(frozen=True, eq=False)
class TailDraws:
    """Tails that could be instead of the fitted one, from the bootstrap or from a posterior.

    samples: those the tails were fitted to. posterior: they are draws from a posterior, not refits.
    by_group: whole groups were drawn, not single queries. failed: how many samples had no fit.
    """

    fits: tuple[Tail, ...]
    samples: tuple[TailSample, ...]
    by_group: bool
    failed: int = 0
    posterior: bool = False


def bootstrap(
    sample: TailSample, fit: Tail, refit: Fitter, *, times: int = BOOTSTRAPS, seed: int = 0
) -> TailDraws:
    """Returns refits: to whole groups drawn anew where queries come in groups, else to parametric samples.

    The wordings of one query are alike, so only whole groups may be exchanged. Single queries are drawn
    anew below the threshold, and above it from the tail itself. The estimates' noise is in either, as it is
    in the estimates; it is not added again.

    refit: the function that fitted `fit`, its choices (the number of largest) included.

    Raises:
        SpecError: hardly any sample could be fitted.
    """
    generator = np.random.default_rng(seed)
    by_group = is_grouped(sample)
    fits: list[Tail] = []
    samples: list[TailSample] = []
    for _ in range(times):
        drawn = resample(sample, fit, generator)
        try:
            refitted = refit(drawn)
        except (SpecError, FloatingPointError):
            continue
        fits.append(refitted)
        samples.append(drawn)
    if len(fits) < max(times // 2, 1):
        failed = times - len(fits)
        raise TailError("too_few_refits", failed=failed, samples=times, exceedances=fit.exceedances)
    return TailDraws(tuple(fits), tuple(samples), by_group, times - len(fits))


def resample(sample: TailSample, fit: Tail, generator: np.random.Generator) -> TailSample:
    """Returns a sample that could have been seen instead: `resample_groups` or `resample_parametric`."""
    if is_grouped(sample):
        return resample_groups(sample, generator)
    return resample_parametric(sample, fit, generator)


def is_grouped(sample: TailSample) -> bool:
    """Returns whether some queries are rewordings of others."""
    return len(np.unique(sample.group)) < len(sample)


def resample_groups(sample: TailSample, generator: np.random.Generator) -> TailSample:
    """Returns whole groups drawn with replacement; one drawn twice counts as two."""
    names, place = np.unique(sample.group, return_inverse=True)
    order = np.argsort(place, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(place))[:-1])
    chosen = generator.integers(len(names), size=len(names))
    rows = np.concatenate([members[number] for number in chosen])
    again = np.repeat(np.arange(len(chosen)), [len(members[number]) for number in chosen])
    drawn = sample.take(rows)
    return TailSample(
        drawn.risk, drawn.error, drawn.bound, np.char.mod("group-%d", again), drawn.doubtful
    )


def resample_parametric(
    sample: TailSample, fit: Tail, generator: np.random.Generator
) -> TailSample:
    """Returns queries drawn with replacement, those above the threshold drawn from the tail instead."""
    chosen = sample.take(generator.integers(len(sample), size=len(sample)))
    risk, error = chosen.risk.copy(), chosen.error.copy()
    above = ~chosen.censored & (chosen.score >= fit.threshold)
    limit = float(fit.log_survival(fit.threshold))
    scores = fit.score_at(limit + np.log(generator.uniform(size=int(above.sum()))))
    risk[above] = np.clip(to_risk(scores), 1e-300, 1 - 1e-12)
    error[above] = risk[above] * relative_errors(sample, scores)
    # Each stands for another query: none is a rewording of any other.
    group = np.char.mod("row-%d", np.arange(len(sample)))
    return TailSample(risk, error, chosen.bound, group, chosen.doubtful)
