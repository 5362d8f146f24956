"""Block maxima: the generalised extreme value (GEV) distribution of the worst query of each block."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from core.errors import SpecError
from core.tails.pareto import SHAPE_RANGE
from core.tails.posterior import PRIOR_DEVIATION
from core.tails.remarks import TailError
from core.tails.sample import Array, Mask, TailSample

FEWEST_BLOCKS = 10
METHODS = ("posterior", "ml", "pwm")


@dataclass(frozen=True)
class BlockMaxima:
    """The worst of `block` queries is a generalised extreme value: F(psi)^block = GEV(psi).

    shape: xi; scipy's genextreme has -xi as c. threshold: the lowest of the maxima.
    """

    shape: float
    location: float
    scale: float
    block: float
    threshold: float
    exceedances: int
    name: str = "gev"

    @property
    def parameters(self) -> dict[str, float]:
        return {
            "shape": self.shape,
            "location": self.location,
            "scale": self.scale,
            "block": self.block,
        }

    def log_survival(self, score: Array | float) -> Array:
        level = np.asarray(score, dtype=float)
        standardized = (level - self.location) / self.scale
        with np.errstate(divide="ignore", over="ignore"):
            # GEV(psi) = exp(-t).
            if abs(self.shape) < 1e-9:
                log_t = -standardized
            else:
                log_t = -np.log(np.maximum(1 + self.shape * standardized, 0.0)) / self.shape
            return np.asarray(np.log(-np.expm1(-np.exp(log_t) / self.block)))

    def score_at(self, log_survival: Array | float) -> Array:
        survival = np.exp(np.asarray(log_survival, dtype=float))
        with np.errstate(divide="ignore", over="ignore"):
            # t is the expected number of blocks above the level.
            log_t = np.log(-self.block * np.log1p(-np.minimum(survival, 1 - 1e-15)))
            if abs(self.shape) < 1e-9:
                return np.asarray(self.location - self.scale * log_t)
            return np.asarray(
                self.location + self.scale * np.expm1(-self.shape * log_t) / self.shape
            )


@dataclass(frozen=True, eq=False)
class Blocks:
    """The worst of each block. maxima: (b,) scores; size: (b,) queries in each.

    known: where no query of a block has a hit, its maximum is the highest of their limits, and the true one
    lies anywhere below.
    """

    maxima: Array
    size: Array
    known: Mask

    @property
    def mean_size(self) -> float:
        """Queries in a block, on average."""
        return float(self.size.mean())


def blocks_of(sample: TailSample) -> Blocks:
    """Returns the groups as blocks, or where queries have none, blocks of root(m) drawn by lot.

    Not those next to each other in a file: it may be sorted. The lot is always the same, and does not
    depend on the order of the rows.

    Raises:
        SpecError: fewer than ten blocks with a hit, or maxima all equal.
    """
    names, place = np.unique(sample.group, return_inverse=True)
    if len(names) == len(sample):
        count = max(FEWEST_BLOCKS, round(math.sqrt(len(sample))))
        order = np.lexsort((sample.score, sample.censored))
        place = np.empty(len(sample), dtype=np.int64)
        place[order] = np.random.default_rng(0).permutation(len(sample)) % count
    size = np.bincount(place)
    highest = np.full(len(size), -np.inf)
    np.maximum.at(highest, place, np.where(sample.censored, -np.inf, sample.score))
    limit = np.full(len(size), -np.inf)
    np.maximum.at(limit, place, sample.score)
    known = np.isfinite(highest)
    return checked_blocks(Blocks(np.where(known, highest, limit), size.astype(float), known))


def checked_blocks(blocks: Blocks) -> Blocks:
    """Returns the blocks. Raises: SpecError, as `blocks_of`."""
    maxima = blocks.maxima[blocks.known]
    if len(maxima) < FEWEST_BLOCKS:
        raise TailError("too_few_blocks", fewest=FEWEST_BLOCKS, blocks=len(maxima))
    if np.ptp(maxima) <= 1e-12:
        raise SpecError(
            f"the worst of all {len(maxima)} blocks are equal, and a fit needs different ones"
        )
    return blocks


def fit_block_maxima(blocks: Blocks, method: str = "posterior") -> BlockMaxima:
    """Returns the generalised extreme value distribution of the blocks' maxima, for blocks of the mean size.

    Parameters
    ----------
    blocks : Blocks
        The worst score of each of b blocks, and how many queries it has: `blocks_of(sample)`.
    method : {"posterior", "ml", "pwm"}
        The posterior mode with the prior on the shape, maximum likelihood, or probability-weighted moments.
        The first two take blocks of unequal size as they are: the maximum of n_j is F^(n_j). Moments take
        them as equal, and leave out blocks without a hit.

    Returns
    -------
    BlockMaxima
        Shape, location and scale, in scores.

    Raises
    ------
    SpecError
        The method is unknown.

    References
    ----------
    Coles (2001), chapter 3. Hosking, Wallis & Wood (1985), Technometrics 27, 251-261.

    Examples
    --------
    >>> import numpy as np
    >>> maxima = np.random.default_rng(0).gumbel(-1.5, 0.3, size=500)
    >>> blocks = Blocks(maxima, size=np.full(500, 8.0), known=np.ones(500, dtype=bool))
    >>> fit = fit_block_maxima(blocks, "ml")
    >>> bool(abs(fit.shape) < 0.1 and abs(fit.scale - 0.3) < 0.05)
    True
    """
    if method not in METHODS:
        raise SpecError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if method == "pwm":
        parameters = gev_by_moments(blocks.maxima[blocks.known])
    else:
        parameters = gev_by_likelihood(blocks, PRIOR_DEVIATION if method == "posterior" else None)
    return gev_for_mean_size(blocks, *parameters)


def gev_for_mean_size(blocks: Blocks, shape: float, location: float, scale: float) -> BlockMaxima:
    """Returns the distribution with these parameters, for blocks of the mean size."""
    threshold = float(blocks.maxima[blocks.known].min())
    count = int(blocks.known.sum())
    return BlockMaxima(shape, location, scale, blocks.mean_size, threshold, count)


def log_likelihood(blocks: Blocks, shape: Array, location: Array, log_scale: Array) -> Array:
    """Returns the log-likelihood of parameters, any shape, nats; -inf where a maximum lies beyond an end."""
    xi = np.where(np.abs(shape) < 1e-9, 1e-9, shape)[..., None]
    standardized = (blocks.maxima - location[..., None]) * np.exp(-log_scale)[..., None]
    inside = 1 + xi * standardized
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        # F = exp(-t) of a block of mean size; that of n_j is F^r, r = n_j / mean.
        log_t = -np.log(np.maximum(inside, 0.0)) / xi
        below = -blocks.size / blocks.mean_size * np.exp(log_t)
        # The density of F^r is r t^(shape + 1) exp(-r t) / scale.
        density = (xi + 1) * log_t + below - log_scale[..., None]
        found = np.where(blocks.known, density, below).sum(-1)
    # No maximum lies above an upper end, or below a lower one; a bound above says nothing.
    beyond = (inside <= 0) & (blocks.known | (xi > 0))
    return np.asarray(np.where(beyond.any(-1) | np.isnan(found), -np.inf, found))


def gev_by_likelihood(
    blocks: Blocks, prior_deviation: float | None = None
) -> tuple[float, float, float]:
    """Returns shape, location and scale of largest likelihood; the shape kept in SHAPE_RANGE.

    prior_deviation: of a normal prior around shape 0 that the likelihood is multiplied with; None: without.
    """
    start = gev_by_moments(blocks.maxima[blocks.known])

    def loss(theta: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        shape, _, log_scale = theta.tolist()
        if not SHAPE_RANGE[0] <= shape <= SHAPE_RANGE[1] or abs(log_scale) > 50:
            return math.inf
        found = float(log_likelihood(blocks, *np.asarray(theta)[:, None])[0])
        prior = 0.0 if prior_deviation is None else shape**2 / (2 * prior_deviation**2)
        return prior - found

    first = np.array([min(max(start[0], -0.4), 0.9), start[1], math.log(start[2])])
    if not math.isfinite(loss(first)):
        first[0] = 0.0
    found = optimize.minimize(
        loss, first, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 2000}
    )
    return float(found.x[0]), float(found.x[1]), math.exp(float(found.x[2]))


def gev_by_moments(maxima: Array) -> tuple[float, float, float]:
    """Returns shape, location and scale by probability-weighted moments (Hosking et al. 1985, eq. 14)."""
    x = np.sort(maxima)
    n = len(x)
    rank = np.arange(n)
    b0 = float(x.mean())
    b1 = float((rank * x).sum() / (n * (n - 1)))
    b2 = float((rank * (rank - 1) * x).sum() / (n * (n - 1) * (n - 2)))
    c = (2 * b1 - b0) / (3 * b2 - b0) - math.log(2) / math.log(3)
    k = 7.8590 * c + 2.9554 * c * c
    if abs(k) < 1e-6:
        scale = (2 * b1 - b0) / math.log(2)
        return 0.0, b0 - np.euler_gamma * scale, scale
    gamma = math.gamma(1 + k)
    scale = (2 * b1 - b0) * k / (gamma * (1 - 2 ** (-k)))
    return -k, b0 + scale * (gamma - 1) / k, scale
