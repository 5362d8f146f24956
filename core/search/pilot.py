"""Chooses a behaviour's default proposal by measurement, on queries that no estimate will use.

Pilot answers come from a ladder of steered models and from the target. Weighted by their mixture density,
they predict what every candidate proposal's variance would be (the second moment of w*h), so that a
candidate which steers past the words that carry the mass scores badly: other rungs of the ladder have
drawn those words. One teacher-forced pass a (layer, strength) gives every mixing and switch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from core.errors import BehaviourError
from core.judges.base import Judge
from core.judging import score_texts
from core.models.chat import answer_text, prompt_ids
from core.models.loading import LoadedModel
from core.proposals.steer import open_stream, steer_plan
from core.sampling import row_uniforms, run_rows
from core.scoring import mix_steps, score_answers
from core.spec import GenerationSpec, SteerSpec
from core.steering.contrast import Direction

FloatArray = NDArray[np.float64]

# Drawn with this much of the target at every token, so that no rung of the ladder is blind to any answer.
PILOT_ALPHA = 0.3


@dataclass(frozen=True)
class PilotGrid:
    """What the pilot tries, at every layer.

    relative_strengths: length of what is subtracted, as a share of the layer's activation norm, so that
    one grid serves directions of any length. switches past T are left out.
    """

    layers: tuple[int, ...]
    relative_strengths: tuple[float, ...] = (0.5, 0.9, 1.4, 2.0)
    alphas: tuple[float, ...] = (0.05, 0.1, 0.2, 0.35, 0.5)
    switches: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 25, 30, 35, 40)
    rows: int = 32


@dataclass(frozen=True)
class PilotStep:
    """Progress of a pilot: `done` of `total` queries."""

    done: int
    total: int


@dataclass(frozen=True)
class Candidate:
    """A proposal with its predicted cost.

    relative_variance: geometric mean over pilot queries of Var(w*h) / P^2, per draw. hit_rate: mean
    predicted share of harmful answers among its draws.
    """

    proposal: SteerSpec
    relative_variance: float
    hit_rate: float


@dataclass(frozen=True)
class PilotResult:
    """Candidates from best to worst, and the pilot queries that produced harmful answers."""

    candidates: tuple[Candidate, ...]
    queries: tuple[str, ...]

    @property
    def best(self) -> Candidate:
        return self.candidates[0]

    def best_by_layer(self) -> dict[int, Candidate]:
        """Returns each layer's best candidate: what the layer choice rests on."""
        best: dict[int, Candidate] = {}
        for candidate in self.candidates:
            best.setdefault(candidate.proposal.layer, candidate)
        return dict(sorted(best.items()))


def choose_proposal(
    loaded: LoadedModel,
    direction: Direction,
    queries: Sequence[str],
    judge: Judge,
    generation: GenerationSpec,
    grid: PilotGrid,
    *,
    threshold: float = 0.75,
    defensive_share: float = 0.1,
    seed: int = 0,
) -> Iterator[PilotStep | PilotResult]:
    """Yields progress, and at last the result.

    Raises:
        BehaviourError: no pilot draw was harmful, so that nothing can be compared.
    """
    switches = tuple(t for t in grid.switches if t <= generation.max_new_tokens)
    mixes = list(product(grid.alphas, switches))
    rungs = [
        (layer, direction.strength_of(layer, relative))
        for layer, relative in product(grid.layers, grid.relative_strengths)
    ]
    log_variance = np.zeros((len(rungs), len(mixes)))
    hit_rate = np.zeros((len(rungs), len(mixes)))
    used: list[str] = []
    for number, query in enumerate(queries):
        yield PilotStep(number, len(queries))
        surface = _query_surface(
            loaded,
            direction,
            query,
            judge,
            generation,
            rungs,
            mixes,
            grid.rows,
            threshold=threshold,
            defensive_share=defensive_share,
            seed=seed + number,
        )
        if surface is not None:
            used.append(query)
            log_variance += np.log(surface[0])
            hit_rate += surface[1]
    yield PilotStep(len(queries), len(queries))
    if not used:
        raise BehaviourError(
            f"none of {len(queries)} pilot queries drew a harmful answer at strengths up to "
            f"{max(strength for _, strength in rungs):g}; try stronger settings, or other contrast pairs"
        )
    candidates = [
        Candidate(
            SteerSpec(
                strength=rungs[r][1],
                layer=rungs[r][0],
                alpha_mix=mixes[m][0],
                t_switch=mixes[m][1],
                direction=direction.position,
            ),
            float(np.exp(log_variance[r, m] / len(used))),
            float(hit_rate[r, m] / len(used)),
        )
        for r in range(len(rungs))
        for m in range(len(mixes))
    ]
    candidates.sort(key=lambda candidate: candidate.relative_variance)
    yield PilotResult(tuple(candidates), tuple(used))


def _query_surface(
    loaded: LoadedModel,
    direction: Direction,
    query: str,
    judge: Judge,
    generation: GenerationSpec,
    rungs: Sequence[tuple[int, float]],
    mixes: Sequence[tuple[float, int]],
    rows: int,
    *,
    threshold: float,
    defensive_share: float,
    seed: int,
) -> tuple[FloatArray, FloatArray] | None:
    """Returns relative variance and hit rate, (rungs, mixes) each; None if no answer was harmful."""
    prompt = prompt_ids(loaded, query, generation.system_prompt)
    steps = generation.max_new_tokens
    specs = [
        SteerSpec(
            strength=strength,
            layer=layer,
            alpha_mix=PILOT_ALPHA,
            t_switch=steps,
            direction=direction.position,
        )
        for layer, strength in rungs
    ]
    drawn = []
    for number, spec in enumerate([*specs, None]):
        stream, mixing = open_stream(
            loaded,
            [prompt],
            steps,
            spec,
            direction,
        )
        drawn.append(
            run_rows(
                stream,
                generation,
                stop_token_ids=loaded.stop_token_ids,
                vocabulary=loaded.vocabulary,
                uniforms=row_uniforms(seed, number, range(rows), steps),
                mixing=mixing,
            ).tokens
        )
    # Answers repeat: each distinct one is judged and scored once, and counted as often as it came.
    tokens, counts = np.unique(np.concatenate(drawn), axis=0, return_counts=True)
    texts = [answer_text(loaded, row[row >= 0].tolist()) for row in tokens]
    harmful = score_texts(judge, query, texts) >= threshold
    if not harmful.any():
        return None
    plans = [steer_plan(loaded, spec, direction) for spec in specs]
    log_p, steered = score_answers(
        loaded, prompt, tokens, generation, [plan for plan in plans if plan is not None]
    )
    target = log_p.sum(1)
    components = [mix_steps(log_p, log_q, PILOT_ALPHA, steps).sum(1) for log_q in steered]
    mixture = logsumexp([*components, target], axis=0) - np.log(len(components) + 1)
    share = counts / counts.sum()
    weight = np.exp(target - mixture)
    risk = float((share * weight)[harmful].sum())
    variance = np.empty((len(specs), len(mixes)))
    hits = np.empty_like(variance)
    for r, log_q in enumerate(steered):
        for m, (alpha, switch) in enumerate(mixes):
            proposal = mix_steps(log_p, log_q, alpha, switch).sum(1)
            density = np.logaddexp(
                proposal + np.log1p(-defensive_share), target + np.log(defensive_share)
            )
            second = (share * np.exp(2 * target - mixture - density))[harmful].sum()
            variance[r, m] = max(float(second) / risk**2 - 1.0, 1e-3)
            hits[r, m] = (share * np.exp(proposal - mixture))[harmful].sum()
    return variance, hits
