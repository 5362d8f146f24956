"""How many rows each component should draw next, from what the draws so far have shown."""

import numpy as np

from core.estimation.draws import Draws, FloatArray
from core.estimation.weights import LogWeights, draw_log_mixture

# At this many effective hits the answer lies half way between even shares and the optimum. At 10,
# proposals whose few hits hold half of the mass were starved before any had come up: intervals
# covered 95% where they cover 98% at 30, for the same accuracy in easier cases.
EVEN_PRIOR_HITS = 30.0
MAX_UPDATES = 500
# Shares are used to a hundredth; the objective is flat around its minimum.
TOLERANCE = 1e-6


def optimal_shares(draws: Draws, floors: FloatArray) -> FloatArray:
    """Returns the shares to draw each component with next: (J,), sum 1, each at least its floor.

    The balance heuristic's second moment under shares a is the integral of (h p)^2 / sum_j a_j q_j,
    convex in a (He & Owen 2014, section 4). Draws from the mixture q_drawn estimate it by the sum of
    c_i / sum_j a_j r_ij over hits, with c = (p/q_drawn)^2 and r_j = q_j/q_drawn.

    The minimum is one of what was seen, and few hits see little: a component whose hits have not come
    up yet would be starved. So the answer is a blend of the minimum, with weight k/(k + 30), and of
    shares as even as the floors allow; k is the effective number of the terms c_i. Without a hit it
    is the even shares. What would falsify it: shares with a clearly smaller second moment.

    Parameters
    ----------
    draws : Draws
        What was drawn so far; rows without a judgement are no hits.
    floors : (J,) float64, shares of the rows
        The least that each component draws; not negative, sum at most 1.

    Returns
    -------
    (J,) float64, shares of the rows
        In the order of the draws' components.

    Raises
    ------
    ValueError
        Floors of another shape, negative or above 1 in sum.

    References
    ----------
    He & Owen (2014), "Optimal mixture weights in multiple importance sampling", section 4.

    Examples
    --------
    Two answers, the second harmful: the target makes it in one of ten answers, the proposal in five. After
    12 hits in 40 rows, the proposal should draw more than half of the next ones.

    >>> import numpy as np
    >>> component = np.arange(40) % 2
    >>> second = np.isin(np.arange(40), [0, 2, *range(1, 21, 2)])
    >>> log_q = np.log(np.where(second[:, None], [0.1, 0.5], [0.9, 0.5]))
    >>> draws = Draws(
    ...     log_p=log_q[:, 0],
    ...     log_q=log_q,
    ...     component=component,
    ...     component_names=("target", "steer"),
    ...     target_component=0,
    ...     harmful=second,
    ...     judged=np.ones(40),
    ... )
    >>> optimal_shares(draws, np.array([0.1, 0.1])).round(3).tolist()
    [0.386, 0.614]
    """
    floors = _check_floors(floors, len(draws.component_names))
    even = _fill(np.ones(len(floors)), floors)
    hits = draws.harmful & (draws.log_p > -np.inf)
    if not hits.any():
        return even
    # Of all rows: those that could not be judged were drawn too, and hits' weights must say so.
    mixture = draw_log_mixture(draws)
    terms = LogWeights(2 * (draws.log_p - mixture)[hits])
    log_ratios = (draws.log_q - mixture[:, None])[hits]
    best = _minimise(np.exp(terms.values - terms.log_largest), np.exp(log_ratios), even, floors)
    trust = terms.ess / (terms.ess + EVEN_PRIOR_HITS)
    return np.asarray(trust * best + (1 - trust) * even)


def _minimise(
    terms: FloatArray, ratios: FloatArray, start: FloatArray, floors: FloatArray
) -> FloatArray:
    """Returns the shares a >= floors that minimise sum_i terms_i / (ratios_i . a).

    terms: (m,) positive; ratios: (m, J). No update raises the objective: with pi_j = a_j r_j/(r . a),
    convexity of 1/x gives 1/(r . b) <= sum_j pi_j^2/(b_j r_j), with equality at b = a. Summed over i
    this bound is sum_j a_j^2 G_j/b_j with G_j = sum_i c_i r_ij/(r_i . a)^2, and `_fill` finds the b
    that minimises it.
    """
    shares = start
    for _ in range(MAX_UPDATES):
        mixture = ratios @ shares
        gradient = (terms / mixture**2) @ ratios
        updated = _fill(shares * np.sqrt(gradient), floors)
        if np.abs(updated - shares).max() < TOLERANCE:
            return updated
        shares = updated
    return shares


def _fill(scores: FloatArray, floors: FloatArray) -> FloatArray:
    """Returns max(floor_j, score_j * c) with the one c that makes the sum 1."""
    held = np.zeros(len(scores), dtype=np.bool_)
    while not held.all():
        free = 1 - floors[held].sum()
        total = scores[~held].sum()
        if total <= 0:
            break
        filled = np.where(held, floors, scores * free / total)
        low = ~held & (filled < floors)
        if not low.any():
            return np.asarray(filled)
        held |= low
    # All are at their floors, or those that are not have no score: what is left is spread evenly.
    return np.asarray(floors + (1 - floors.sum()) / len(floors))


def _check_floors(floors: FloatArray, components: int) -> FloatArray:
    floors = np.asarray(floors, dtype=np.float64)
    if floors.shape != (components,):
        raise ValueError(f"floors must have shape {(components,)}, got {floors.shape}")
    if not (floors >= 0).all() or floors.sum() > 1 + 1e-9:
        raise ValueError(f"floors must be 0 or more and at most 1 in sum, got {floors.tolist()}")
    return floors
