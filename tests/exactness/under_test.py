"""The toy's densities by the code under test."""

from collections.abc import Sequence

import numpy as np

from core.proposals.base import Arm
from core.sampling.loop import PAD, TokenMixing, row_uniforms, run_rows
from core.sampling.rows import Rows
from core.sampling.streams import open_stream
from core.spec import GenerationSpec
from tests.exactness.toy import (
    ANSWERS,
    LOADED,
    PROMPT,
    STEPS,
    STOPS,
    VOCABULARY,
    FloatArray,
    Setting,
)


def generation(setting: Setting) -> GenerationSpec:
    return GenerationSpec(
        temperature=setting.temperature,
        top_k=setting.top_k,
        top_p=setting.top_p,
        min_p=setting.min_p,
        repetition_penalty=setting.repetition_penalty,
        no_repeat_ngram_size=setting.no_repeat_ngram_size,
        suppress_tokens=setting.suppress_tokens,
        max_new_tokens=STEPS,
    )


def run(arms: Sequence[Arm], settings: Sequence[Setting], count: int, **options: object) -> Rows:
    """Runs rows through a stream of the target and these arms, each mixed as its setting says."""
    return run_rows(
        open_stream([Arm(LOADED, (PROMPT,)), *arms], STEPS),
        generation(settings[0]),
        stop_token_ids=STOPS,
        vocabulary=VOCABULARY,
        mixings=[TokenMixing(setting.alpha_mix, setting.t_switch) for setting in settings],
        **{"uniforms": np.zeros((count, STEPS)), **options},
    )


def forced_answers() -> np.ndarray:
    """ANSWERS as an array of tokens, (n, STEPS)."""
    forced = np.full((len(ANSWERS), STEPS), PAD, dtype=np.int32)
    for row, answer in enumerate(ANSWERS):
        forced[row, : len(answer)] = answer
    return forced


def densities(arms: Sequence[Arm], settings: Sequence[Setting]) -> tuple[FloatArray, FloatArray]:
    """log p(x), (n,), and each proposal's log q(x), (J, n), of every answer."""
    forced = forced_answers()
    rows = run(arms, settings, len(ANSWERS), forced=forced)
    assert (rows.tokens == forced).all()
    return rows.log_p.sum(1), rows.log_q.sum(2)


def draw(
    arms: Sequence[Arm], settings: Sequence[Setting], count: int, seed: int, **options: object
) -> tuple[Rows, np.ndarray]:
    """Draws answers; also returns which of ANSWERS each one is, (count,)."""
    uniforms = row_uniforms(seed, 6, range(count), STEPS)
    rows = run(arms, settings, count, uniforms=uniforms, **options)
    index = {answer: i for i, answer in enumerate(ANSWERS)}
    drawn = [index[tuple(t[:n].tolist())] for t, n in zip(rows.tokens, rows.lengths, strict=True)]
    return rows, np.array(drawn)


def chi_square_excess(drawn: np.ndarray, q: FloatArray) -> float:
    """How far draws are from the density q, in standard deviations of the chi-square statistic."""
    observed, expected = np.bincount(drawn, minlength=len(q)), q * len(drawn)
    common = expected > 5
    observed = np.append(observed[common], observed[~common].sum())
    expected = np.append(expected[common], expected[~common].sum())
    inside = expected > 1
    statistic = ((observed - expected)[inside] ** 2 / expected[inside]).sum()
    freedom = inside.sum() - 1
    return float((statistic - freedom) / np.sqrt(2 * freedom))
