"""What is made ahead is what the page asks for next, and all of it."""

from core.tails.memo import AHEAD_UP_TO, MemoizedFits, SingleFlightCache, specs_of_other_starts
from core.tails.spec import TailSpec
from core.tails.thresholds import offered_starts
from tests.tails.samples import gumbel_scores, sample_of

SPEC = TailSpec.build(bootstraps=60)


def test_after_it_was_made_ahead_nothing_is_computed() -> None:
    kept, sample = SingleFlightCache(1e9), sample_of(gumbel_scores(120), 0.2)
    fits = MemoizedFits(kept)
    table = fits.table("key", sample, SPEC)
    others = list(specs_of_other_starts(sample, SPEC, table))
    MemoizedFits(kept, ahead=True).compute_all("key", sample, others[0], table, 500.0, 0.01)
    before = set(kept._results)
    fitted = fits.fitted("key", sample, others[0], table)
    fits.supported("key", fitted)
    fits.forecasts("key", fitted, 500.0)
    fits.fan("key", fitted, 500.0)
    fits.curve("key", fitted, 500.0)
    fits.levels("key", fitted, 500.0)
    fits.above("key", fitted, 500.0, 0.01)
    assert set(kept._results) == before
    fits.forecasts("key", fitted, 501.0)
    assert set(kept._results) != before


def test_the_nearest_starts_come_first_and_the_automatic_one_has_no_number() -> None:
    sample = sample_of(gumbel_scores(120))
    table = MemoizedFits(SingleFlightCache(1e9)).table("key", sample, SPEC)
    offered = offered_starts(sample, "pot", table)
    assert offered is not None
    here = offered.largest[2]
    assert here != offered.automatic
    found = [
        one.largest
        for one in specs_of_other_starts(sample, SPEC.model_copy(update={"largest": here}), table)
    ]
    expected = [n if n != offered.automatic else None for n in offered.largest if n != here]
    assert sorted(found, key=str) == sorted(expected, key=str)
    near = [n if n != offered.automatic else None for n in (offered.largest[1], offered.largest[3])]
    assert set(found[:2]) == set(near)


def test_of_many_queries_and_of_fits_without_a_start_nothing_is_made_ahead() -> None:
    many = sample_of(gumbel_scores(AHEAD_UP_TO + 1))
    gumbel = TailSpec.build(fit="gumbel", bootstraps=60)
    assert list(specs_of_other_starts(many, gumbel, None)) == []
    assert list(specs_of_other_starts(sample_of(gumbel_scores(60)), gumbel, None)) != []
    lognormal = TailSpec.build(fit="lognormal", bootstraps=60)
    assert list(specs_of_other_starts(sample_of(gumbel_scores(60)), lognormal, None)) == []
