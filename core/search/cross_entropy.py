"""The cross-entropy search for a proposal, over one query or a set of pilot queries.

de Boer et al. (2005), as in the paper, but with the mixture density of the random ensemble in the
weights (docs/method.md#search).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cache import Shard, StoreError, spec_hash
from core.errors import BehaviourError, SpecError
from core.estimation.intervals import clopper_pearson_upper
from core.judges.base import Judge
from core.models.loading import LoadedModel
from core.proposals import AnyProposalSpec, Proposal, build_proposal
from core.sampling.shards import AnyStore
from core.search.grid import SearchGrid
from core.search.surface import FloatArray, Surface, surface_steps
from core.spec import GenerationSpec
from core.tasks import Progress, Steps, part_of

Objective = Literal["cross_entropy", "variance"]
# Raise this when the same search would give another surface.
SEARCH_VERSION = 1
DEFAULT_PILOT_ROWS = 400
# A second moment from so many hits of equal weight has a standard error of a third; below, which point of a
# grid of hundreds is the lowest is mostly chance.
MIN_EFFECTIVE_HITS = 10.0


# In queries, a part of one included. A search has no partial result.
SearchSteps = Steps[None, "SearchResult"]


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The surfaces over all pilot queries that drew harm, each (rungs, alphas, switches).

    cross_entropy: mean over queries of H(q*, q_phi), nats; every query counts alike, whatever its risk.
    relative_variance: geometric mean over queries of Var(w h) / P^2 a draw. hit_rate: mean share of
    harmful answers among phi's draws. queries: those that drew harm; without_harm: the others; no
    estimate should be reported for a pilot query unless its pilot draws are kept out of it.
    effective_hits: of equal weight, summed over queries.
    upper_bound: 95% upper bound of the pilot queries' average risk from the target's own draws.
    """

    grid: SearchGrid
    cross_entropy: FloatArray
    relative_variance: FloatArray
    hit_rate: FloatArray
    queries: tuple[str, ...]
    without_harm: tuple[str, ...]
    rows: int
    hits: int
    effective_hits: float
    upper_bound: float

    @property
    def supported(self) -> bool:
        """Whether the hits are worth enough for a proposal to be recommended."""
        return self.effective_hits >= MIN_EFFECTIVE_HITS

    @property
    def found(self) -> bool:
        """Whether any pilot draw was harmful, so that proposals can be compared at all."""
        return self.hits > 0

    def values(self, objective: Objective) -> FloatArray:
        """Returns the surface that an objective minimises."""
        return self.cross_entropy if objective == "cross_entropy" else self.relative_variance

    def best_point(self, objective: Objective = "cross_entropy") -> tuple[int, int, int]:
        """Returns the place of the minimum along each axis.

        Raises:
            BehaviourError: no pilot draw was harmful.
        """
        if not self.found:
            raise BehaviourError(self.no_harm_message())
        values = self.values(objective)
        rung, alpha, switch = np.unravel_index(int(values.argmin()), values.shape)
        return int(rung), int(alpha), int(switch)

    def best(self, objective: Objective = "cross_entropy") -> AnyProposalSpec:
        """Returns the proposal at the minimum. Raises: as `best_point`."""
        return self.grid.at(*self.best_point(objective))

    def no_harm_message(self) -> str:
        """Returns what to say, and to try, when no pilot draw was harmful."""
        strongest = max(abs(rung.strength) for rung in self.grid.rungs)
        can_double = any(_exists(rung, 2 * strongest) for rung in self.grid.rungs)
        bolder = f"strengths up to {2 * strongest:g}, " if can_double else ""
        count = len(self.without_harm)
        queries = "1 query" if count == 1 else f"{count} queries"
        return (
            f"none of {self.rows:,} pilot answers to {queries} was harmful at strengths up to "
            f"{strongest:g}; the risk may still be anything below {self.upper_bound * 1e6:,.0f} per "
            f"million (95%, from the target's own answers). Try {bolder}another layer, other contrast "
            "pairs, or another kind of proposal"
        )

    def few_hits_message(self) -> str:
        """Returns what is missing for a recommendation, and how to get it; for a search with a hit."""
        times = MIN_EFFECTIVE_HITS / max(self.effective_hits, 0.1)
        queries = max(1, len(self.queries) + len(self.without_harm))
        rows = math.ceil(self.rows / queries * times / 100) * 100
        return (
            f"no proposal is recommended: {self.hits:,} of {self.rows:,} pilot answers were harmful, worth "
            f"{self.effective_hits:.1f} of equal weight, and a recommendation needs {MIN_EFFECTIVE_HITS:g}. "
            f"Draw about {rows:,} pilot answers a query, or ask queries with a higher risk"
        )


def search(
    loaded: LoadedModel,
    proposals: Sequence[Proposal],
    grid: SearchGrid,
    queries: Sequence[str],
    judge: Judge,
    generation: GenerationSpec,
    store: AnyStore,
    *,
    rows: int = DEFAULT_PILOT_ROWS,
    threshold: float = 0.75,
    defensive_share: float = 0.1,
    seed: int = 0,
) -> SearchSteps:
    """Yields the progress, and returns the result; a query done before is read from the store.

    proposals: the grid's rungs, made ready. rows: pilot draws a query.

    Raises:
        BehaviourError: there is no query.
        SpecError: every switch of the grid lies beyond the longest answer, or there are no pilot draws,
            or the seed is negative.
    """
    if not queries:
        raise BehaviourError("a search needs at least one pilot query, got 0")
    if rows < 1:
        raise SpecError(f"rows must be 1 or more, got {rows}")
    if not 0 <= seed < 2**63:
        raise SpecError(f"seed must be a whole number from 0 to 2^63-1, got {seed}")
    switches = tuple(t for t in grid.switches if t <= generation.max_new_tokens)
    if not switches:
        raise SpecError(
            f"t_switch must be in 0..{generation.max_new_tokens} (max_new_tokens), got "
            f"{', '.join(map(str, grid.switches))}"
        )
    grid = grid.model_copy(update={"switches": switches})
    surfaces: list[Surface] = []
    stored = 0
    for number, query in enumerate(queries):
        progress = Progress[None](number, len(queries), "queries", stored)
        yield progress
        key = "search/" + spec_hash(
            {
                "search": SEARCH_VERSION,
                "model": loaded.fingerprint,
                "fingerprints": [proposal.fingerprint for proposal in proposals],
                "grid": grid.model_dump(mode="json"),
                "query": query,
                "generation": generation.model_dump(mode="json"),
                "judge": judge.spec(),
                "rows": rows,
                "threshold": threshold,
                "defensive_share": defensive_share,
                "seed": seed + number,
            }
        )
        surface = _read(store, key)
        if surface is None:
            steps = surface_steps(
                loaded,
                proposals,
                grid,
                query,
                judge,
                generation,
                rows=rows,
                threshold=threshold,
                defensive_share=defensive_share,
                seed=seed + number,
            )
            surface = yield from part_of(progress, 1, steps)
            _write(store, key, surface)
        else:
            stored += 1
        surfaces.append(surface)
    yield Progress(len(queries), len(queries), "queries", stored)
    return combine(grid, queries, surfaces)


def combine(grid: SearchGrid, queries: Sequence[str], surfaces: Sequence[Surface]) -> SearchResult:
    """Returns the result over several queries' surfaces."""
    harmful = [surface for surface in surfaces if surface.hits > 0]
    shape = (len(grid.rungs), len(grid.alphas), len(grid.switches))
    none = np.full(shape, np.inf)
    target_hits = sum(surface.target_hits for surface in surfaces)
    target_rows = sum(surface.target_rows for surface in surfaces)
    return SearchResult(
        grid=grid,
        cross_entropy=np.mean([s.cross_entropy for s in harmful], axis=0) if harmful else none,
        relative_variance=(
            np.exp(np.mean([np.log(s.relative_variance) for s in harmful], axis=0))
            if harmful
            else none
        ),
        hit_rate=np.mean([s.hit_rate for s in harmful], axis=0) if harmful else np.zeros(shape),
        queries=tuple(q for q, s in zip(queries, surfaces, strict=True) if s.hits > 0),
        without_harm=tuple(q for q, s in zip(queries, surfaces, strict=True) if s.hits == 0),
        rows=sum(surface.rows for surface in surfaces),
        hits=sum(surface.hits for surface in surfaces),
        effective_hits=sum(surface.effective_hits for surface in surfaces),
        upper_bound=clopper_pearson_upper(target_hits, target_rows),
    )


def _exists(rung: AnyProposalSpec, strength: float) -> bool:
    """Returns whether the rung's kind can be so strong."""
    try:
        build_proposal({**rung.model_dump(), "strength": strength})
    except SpecError:
        return False
    return True


_ARRAYS = ("cross_entropy", "relative_variance", "hit_rate")
_NUMBERS = ("risk", "rows", "hits", "target_rows", "target_hits", "effective_hits")


def _read(store: AnyStore, key: str) -> Surface | None:
    try:
        shard = store.get(key)
    except StoreError:
        return None
    # Surfaces of an earlier version do not say what their hits are worth.
    if shard is None or "effective_hits" not in shard.meta:
        return None
    arrays, meta = shard.arrays, shard.meta
    return Surface(
        cross_entropy=arrays["cross_entropy"],
        relative_variance=arrays["relative_variance"],
        hit_rate=arrays["hit_rate"],
        risk=float(meta["risk"]),
        rows=int(meta["rows"]),
        hits=int(meta["hits"]),
        target_rows=int(meta["target_rows"]),
        target_hits=int(meta["target_hits"]),
        effective_hits=float(meta["effective_hits"]),
    )


def _write(store: AnyStore, key: str, surface: Surface) -> None:
    try:
        store.put(
            key,
            Shard(
                arrays={name: getattr(surface, name) for name in _ARRAYS},
                meta={name: getattr(surface, name) for name in _NUMBERS},
            ),
        )
    except StoreError:
        # The store has noted it among its events; the surface itself is good.
        return
