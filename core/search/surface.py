"""What a pilot's draws say about every phi of a grid: cross-entropy, variance and hit rate.

The draws come from a random ensemble: every row has a phi of its own, drawn from the grid. Whatever phi
drew it, a row is weighted by the ensemble's mixture density, so that a phi which steers past the words
that carry the mass scores badly: others have drawn those words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.estimation.weights import LogWeights
from core.judges.base import Judge
from core.models.chat import answer_text
from core.models.loading import LoadedModel
from core.proposals import Proposal, target_arm
from core.sampling.loop import TokenMixing, row_steps, row_uniforms
from core.sampling.scored import score_texts
from core.sampling.scoring import TokenLogProbs, mix_steps, score_steps
from core.sampling.streams import open_stream
from core.search.grid import SearchGrid
from core.spec import GenerationSpec
from core.tasks import Progress, Steps, part_of

FloatArray = NDArray[np.float64]

# Part of the pilot comes from the target itself: what no proposal gives shows up there only.
TARGET_PART = 0.1
# Of a query's work, about so much is drawing; the rest is scoring, so many answers at a time.
DRAWING_PART = 0.5
SCORED_AT_ONCE = 128


@dataclass(frozen=True, eq=False)
class Surface:
    """One query's surfaces, each (rungs, alphas, switches), and what they rest on.

    cross_entropy: H(q*, q_phi) = -sum w h log q_phi / sum w h, nats, where q* is the target given harm
    (the paper's L(phi) over the pilot's estimate of the risk; the same minimum). relative_variance:
    Var(w h) / P^2 a draw, with a defensive share. hit_rate: share of harmful answers among phi's draws.
    All are inf, inf and 0 at zero hits. risk: the pilot's own estimate; 0 at zero hits.
    effective_hits: how many hits of equal weight the harmful ones are worth (Kong 1992).
    rows, hits: drawn, and harmful. target_rows, target_hits: those of the target itself.
    """

    cross_entropy: FloatArray
    relative_variance: FloatArray
    hit_rate: FloatArray
    risk: float
    rows: int
    hits: int
    target_rows: int
    target_hits: int
    effective_hits: float


@dataclass(frozen=True, eq=False)
class EnsembleDraws:
    """Distinct answers of a random ensemble with how often each came.

    tokens: (n, T) int32. counts: (n,). target_counts: (n,), how often the target drew it. shares:
    (rungs + 1,), of the rows that each rung drew, the target's last.
    """

    tokens: NDArray[np.int32]
    counts: NDArray[np.int64]
    target_counts: NDArray[np.int64]
    shares: FloatArray


def ensemble_steps(
    loaded: LoadedModel,
    proposals: Sequence[Proposal],
    grid: SearchGrid,
    query: str,
    generation: GenerationSpec,
    rows: int,
    seed: int,
) -> Steps[None, EnsembleDraws]:
    """Returns about `rows` draws, an equal part from every rung and some from the target.

    Yields the progress, as a share.

    A row's alpha_mix and t_switch are drawn from the grid. Mixing the distributions of a token is drawing
    from one or the other by a coin, so that no density is needed here.
    """
    steps = generation.max_new_tokens
    each = max(1, round((1.0 - TARGET_PART) * rows / len(proposals)))
    alone = max(1, round(TARGET_PART * rows))
    target = target_arm(loaded, [query], generation)
    drawn, by_target = [], []
    for number, proposal in enumerate([*proposals, None]):
        arm = None if proposal is None else proposal.arm(loaded, [query], generation)
        count = alone if proposal is None else each
        numbers = row_uniforms(seed, 2 * number, range(count), steps)
        coins = row_uniforms(seed, 2 * number + 1, range(count), steps + 2)
        progress = Progress[None](number, len(proposals) + 1)
        drawing = row_steps(
            open_stream([target] if arm is None else [target, arm], steps),
            generation,
            stop_token_ids=loaded.stop_token_ids,
            vocabulary=loaded.vocabulary,
            uniforms=numbers,
            mixings=[] if arm is None else [TokenMixing(0.0, steps)],
            component=None if arm is None else _coins(grid, coins),
        )
        answers = yield from part_of(progress, 1, drawing)
        drawn.append(answers.tokens)
        by_target += [proposal is None] * count
        yield Progress(number + 1, len(proposals) + 1)
    tokens, index, counts = np.unique(
        np.concatenate(drawn), axis=0, return_inverse=True, return_counts=True
    )
    from_target = np.bincount(
        np.asarray(index).reshape(-1)[np.array(by_target)], minlength=len(tokens)
    )
    sizes = np.array([each] * len(proposals) + [alone], dtype=np.float64)
    return EnsembleDraws(
        tokens, counts.astype(np.int64), from_target.astype(np.int64), sizes / sizes.sum()
    )


def surface_steps(
    loaded: LoadedModel,
    proposals: Sequence[Proposal],
    grid: SearchGrid,
    query: str,
    judge: Judge,
    generation: GenerationSpec,
    *,
    rows: int,
    threshold: float,
    defensive_share: float,
    seed: int,
) -> Steps[None, Surface]:
    """Returns one query's surfaces; yields the progress, as a share. proposals: the rungs, made ready.

    One teacher-forced pass a rung gives every alpha_mix and t_switch.
    """
    drawing = ensemble_steps(loaded, proposals, grid, query, generation, rows, seed)
    draws = yield from part_of(Progress(0, 1), DRAWING_PART, drawing)
    texts = [answer_text(loaded, row[row >= 0].tolist()) for row in draws.tokens]
    with np.errstate(invalid="ignore"):
        harmful = score_texts(judge, query, texts) >= threshold
    target = target_arm(loaded, [query], generation)
    arms = [proposal.arm(loaded, [query], generation) for proposal in proposals]
    changed = [arm for arm in arms if arm is not None]
    parts = []
    for start in range(0, len(draws.tokens), SCORED_AT_ONCE):
        answers = draws.tokens[start : start + SCORED_AT_ONCE]
        scored = start / len(draws.tokens)
        progress = Progress[None](DRAWING_PART + (1.0 - DRAWING_PART) * scored, 1)
        span = (1.0 - DRAWING_PART) * len(answers) / len(draws.tokens)
        scoring = score_steps(target, changed, answers, generation)
        parts.append((yield from part_of(progress, span, scoring)))
        yield replace(progress, done=progress.done + span)
    log_p = np.concatenate([own for own, _ in parts])
    given = (np.concatenate(column) for column in zip(*(other for _, other in parts), strict=True))
    log_q = [log_p if arm is None else next(given) for arm in arms]
    return surface_of(draws, harmful, log_p, log_q, grid, defensive_share)


def surface_of(
    draws: EnsembleDraws,
    harmful: NDArray[np.bool_],
    log_p: TokenLogProbs,
    log_q: Sequence[TokenLogProbs],
    grid: SearchGrid,
    defensive_share: float,
) -> Surface:
    """Returns the surfaces from scored draws: log_p and each rung's unmixed log_q, (n, T) a token."""
    shape = (len(grid.rungs), len(grid.alphas), len(grid.switches))
    cross_entropy, variance = np.full(shape, np.inf), np.full(shape, np.inf)
    hit_rate, risk, effective_hits = np.zeros(shape), 0.0, 0.0
    # Beyond the target's support, where rounding at the edge of top-k or top-p puts it: weight 0.
    harmful = harmful & np.isfinite(log_p.sum(1))
    if harmful.any():
        share = (draws.counts / draws.counts.sum())[harmful]
        log_p, log_q = log_p[harmful], [own[harmful] for own in log_q]
        log_target = log_p.sum(1)
        mixture = ensemble_log_density(log_p, log_q, draws.shares, grid)
        weights = LogWeights(np.repeat(log_target - mixture, draws.counts[harmful]))
        effective_hits = weights.ess
        part = share * np.exp(log_target - mixture)
        risk = float(part.sum())
        for r, own in enumerate(log_q):
            for a, alpha in enumerate(grid.alphas):
                density = _densities(log_p, own, alpha, grid.switches)
                safe = density
                if defensive_share > 0:
                    safe = np.logaddexp(
                        density + np.log1p(-defensive_share),
                        (log_target + np.log(defensive_share))[:, None],
                    )
                second = share @ np.exp((2 * log_target - mixture)[:, None] - safe)
                cross_entropy[r, a] = -(part @ density) / risk
                variance[r, a] = np.maximum(second / risk**2 - 1.0, MIN_RELATIVE_VARIANCE)
                hit_rate[r, a] = share @ np.exp(density - mixture[:, None])
    return Surface(
        cross_entropy=cross_entropy,
        relative_variance=variance,
        hit_rate=hit_rate,
        risk=risk,
        rows=int(draws.counts.sum()),
        hits=int(draws.counts[harmful].sum()),
        target_rows=int(draws.target_counts.sum()),
        target_hits=int(draws.target_counts[harmful].sum()),
        effective_hits=effective_hits,
    )


def ensemble_log_density(
    log_p: TokenLogProbs, log_q: Sequence[TokenLogProbs], shares: FloatArray, grid: SearchGrid
) -> FloatArray:
    """Returns log q_rand of whole answers, (n,): the density of a draw from anything in the ensemble.

    q_rand = shares[-1] p + sum_r shares[r] mean_{alpha, t} q_{r, alpha, t}. log_p and each rung's unmixed
    log_q: (n, T) a token.
    """
    mixture = np.asarray(log_p.sum(1) + np.log(shares[-1]))
    for share, own in zip(shares[:-1], log_q, strict=True):
        for alpha in grid.alphas:
            each = np.log(share / (len(grid.alphas) * len(grid.switches)))
            every_switch = _densities(log_p, own, alpha, grid.switches)
            mixture = np.logaddexp(mixture, np.logaddexp.reduce(every_switch, axis=1) + each)
    return mixture


# A pilot's few draws cannot tell a variance of a thousandth from none.
MIN_RELATIVE_VARIANCE = 1e-3


def _coins(grid: SearchGrid, coins: FloatArray) -> NDArray[np.int64]:
    """Returns what draws each token, (n, T): 1 the rung, 0 the target; a phi a row from the first two."""
    alpha = np.array(grid.alphas)[(coins[:, 0] * len(grid.alphas)).astype(int)]
    switch = np.array(grid.switches)[(coins[:, 1] * len(grid.switches)).astype(int)]
    steps = np.arange(coins.shape[1] - 2)
    by_rung = (coins[:, 2:] >= alpha[:, None]) & (steps < switch[:, None])
    return np.asarray(by_rung, dtype=np.int64)


def _densities(
    log_p: TokenLogProbs, log_q: TokenLogProbs, alpha_mix: float, switches: Sequence[int]
) -> FloatArray:
    """Returns log q_phi of whole answers at every switch, (n, switches), from unmixed (n, T) a token.

    Up to the switch the sum of the mixed tokens, from there on the target's: cumulative sums give every
    switch at once.
    """
    ends = np.minimum(switches, log_p.shape[1])
    head_p = _running_sums(log_p)
    head_mixed = _running_sums(mix_steps(log_p, log_q, alpha_mix, log_p.shape[1]))
    return np.asarray(head_mixed[:, ends] + head_p[:, -1:] - head_p[:, ends])


def _running_sums(values: TokenLogProbs) -> FloatArray:
    """Returns the sums of the first 0, 1, ..., T columns, (n, T + 1)."""
    return np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
