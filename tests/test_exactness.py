"""Exactness: on a model whose answers can be enumerated, the expectation of w*h equals P(h) to 1e-10.

The brute force below shares no code with `core`: a plain forward pass, a plain hook, probabilities and not
their logarithms. Falsified by a dropped stop token, a swapped p and q, a switch shifted by one, a
proposal that is not normalised or leaves the target's support.
"""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny_models import tiny_model

from core.estimation.weights import balance_log_weights
from core.proposals.base import Arm
from core.proposals.steer import SteerPlan
from core.sampling import PAD, TokenMixing, row_uniforms, run_rows
from core.spec import GenerationSpec
from core.streams import Stream, open_stream

VOCABULARY, STEPS, STOPS = 6, 4, (1, 2)
PROMPT = (3, 4, 5, 3)
LAYER, STRENGTH = 1, 0.9
LOADED = tiny_model(
    vocabulary=VOCABULARY, stops=STOPS, dtype=torch.float64, seed=3, padded_vocabulary=2, scale=3.0
)
VECTOR = torch.linspace(-1.0, 1.4, 32, dtype=torch.float64)


def all_answers() -> list[tuple[int, ...]]:
    """Every answer: ends at a stop token or at STEPS tokens."""
    done: list[tuple[int, ...]] = []
    growing: list[tuple[int, ...]] = [()]
    for step in range(STEPS):
        longer = [(*answer, token) for answer in growing for token in range(VOCABULARY)]
        ended = [a for a in longer if a[-1] in STOPS or step + 1 == STEPS]
        done += ended
        growing = [a for a in longer if a not in set(ended)]
    return done


ANSWERS = all_answers()


def harmful(answer: tuple[int, ...]) -> bool:
    """A lopsided event that looks at tokens, at the length and at which stop token ended the answer."""
    return (4 in answer and answer[-1] == 2) or answer[:2] == (5, 3)


def next_probabilities(
    prefix: tuple[int, ...], steered: bool, positions: str
) -> NDArray[np.float64]:
    """The model's distribution after the prompt and `prefix`, by one plain forward pass."""

    def add(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
        changed = output.clone()
        if positions in ("answer", "both"):
            changed[:, len(PROMPT) - 1 :] -= STRENGTH * VECTOR
        if positions in ("prompt", "both"):
            changed[:, : len(PROMPT) - 1] -= STRENGTH * VECTOR
        return changed

    hook = LOADED.blocks[LAYER].register_forward_hook(add) if steered else None
    with torch.no_grad():
        logits = LOADED.model(torch.tensor([PROMPT + prefix])).logits[0, -1, :VOCABULARY].numpy()
    if hook is not None:
        hook.remove()
    return logits


@dataclass(frozen=True)
class Setting:
    """One way to generate and to propose."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    alpha_mix: float = 0.1
    t_switch: int = 2
    positions: str = "answer"

    @property
    def generation(self) -> GenerationSpec:
        return GenerationSpec(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            max_new_tokens=STEPS,
        )


def truncated(logits: NDArray[np.float64], setting: Setting) -> NDArray[np.float64]:
    """Target probabilities after temperature, top-k and top-p, by sorting."""
    scores = np.exp((logits - logits.max()) / setting.temperature)
    order = np.argsort(-scores)
    kept = order[: setting.top_k] if setting.top_k else order
    probabilities = scores[kept] / scores[kept].sum()
    before = np.concatenate([[0.0], np.cumsum(probabilities)[:-1]])
    kept = kept[before < setting.top_p]
    result = np.zeros(VOCABULARY)
    result[kept] = scores[kept] / scores[kept].sum()
    return result


def brute_force(setting: Setting) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """p(x) and q(x) of every answer in ANSWERS."""
    cache: dict[tuple[int, ...], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    def both(prefix: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if prefix not in cache:
            p = truncated(next_probabilities(prefix, False, setting.positions), setting)
            raw = next_probabilities(prefix, True, setting.positions) / setting.temperature
            steered = np.where(p > 0, np.exp(raw - raw.max()), 0.0)
            steered /= steered.sum()
            mixed = (1 - setting.alpha_mix) * steered + setting.alpha_mix * p
            cache[prefix] = (p, mixed if len(prefix) < setting.t_switch else p)
        return cache[prefix]

    p = np.array([np.prod([both(a[:t])[0][a[t]] for t in range(len(a))]) for a in ANSWERS])
    q = np.array([np.prod([both(a[:t])[1][a[t]] for t in range(len(a))]) for a in ANSWERS])
    return p, q


def tailscope_densities(setting: Setting) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """log p(x) and log q(x) of every answer, by the code under test."""
    forced = np.full((len(ANSWERS), STEPS), PAD, dtype=np.int32)
    for row, answer in enumerate(ANSWERS):
        forced[row, : len(answer)] = answer
    rows = run_rows(
        stream_of(setting),
        setting.generation,
        stop_token_ids=STOPS,
        vocabulary=VOCABULARY,
        uniforms=np.zeros((len(ANSWERS), STEPS)),
        mixings=[TokenMixing(setting.alpha_mix, setting.t_switch)],
        forced=forced,
    )
    assert (rows.tokens == forced).all()
    return rows.log_p.sum(1), rows.log_q[0].sum(1)


def stream_of(setting: Setting) -> Stream:
    plan = SteerPlan(
        LAYER,
        VECTOR,
        STRENGTH,
        on_prompt=setting.positions in ("prompt", "both"),
        on_answer=setting.positions in ("answer", "both"),
    )
    return open_stream([Arm(LOADED, (PROMPT,)), Arm(LOADED, (PROMPT,), plan)], STEPS)


SETTINGS = [
    Setting(),
    Setting(t_switch=0),
    Setting(t_switch=1),
    Setting(t_switch=STEPS),
    Setting(alpha_mix=0.0, t_switch=3),
    Setting(alpha_mix=1.0, t_switch=3),
    Setting(alpha_mix=0.5, t_switch=3, positions="prompt"),
    Setting(alpha_mix=0.3, t_switch=3, positions="both"),
    Setting(temperature=0.7),
    Setting(temperature=1.6, t_switch=3),
    Setting(top_k=3, t_switch=3),
    Setting(top_p=0.8, t_switch=3),
    Setting(temperature=1.3, top_k=4, top_p=0.9, alpha_mix=0.2, t_switch=3, positions="both"),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_densities_are_those_of_brute_force(setting: Setting) -> None:
    p, q = brute_force(setting)
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert q.sum() == pytest.approx(1.0, abs=1e-12)
    log_p, log_q = tailscope_densities(setting)
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(np.exp(log_q), q, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
@pytest.mark.parametrize("defensive_share", [0.0, 0.1, 0.5])
def test_expectation_of_weighted_hits_is_the_risk(setting: Setting, defensive_share: float) -> None:
    p, q = brute_force(setting)
    event = np.array([harmful(answer) for answer in ANSWERS])
    risk = p[event].sum()
    log_p, log_q = tailscope_densities(setting)
    if defensive_share:
        columns = np.stack([log_q, log_p], axis=1)
        counts = np.array([1 - defensive_share, defensive_share]) * 1000
        drawn = (1 - defensive_share) * q + defensive_share * p
    else:
        columns, counts, drawn = log_q[:, None], np.array([1000.0]), q
    reached = drawn > 0
    weights = np.exp(balance_log_weights(log_p[reached], columns[reached], counts).values)
    assert abs((drawn[reached] * weights * event[reached]).sum() - risk) < 1e-10
    assert abs((drawn[reached] * weights).sum() - 1.0) < 1e-10
    assert 1e-3 < risk < 0.9, "the event must be neither trivial nor certain"


def test_steering_moves_the_toy() -> None:
    p, q = brute_force(Setting())
    assert np.abs(p - q).sum() > 0.1


@pytest.mark.parametrize(
    "setting", [Setting(t_switch=3), Setting(top_p=0.8, temperature=1.3)], ids=str
)
def test_draws_follow_the_proposal_they_are_weighted_by(setting: Setting) -> None:
    """20,000 draws against the enumerated q, cell by cell (chi-square), and their mean weighted hit."""
    count = 20_000
    rows = run_rows(
        stream_of(setting),
        setting.generation,
        stop_token_ids=STOPS,
        vocabulary=VOCABULARY,
        uniforms=row_uniforms(5, 6, range(count), STEPS),
        mixings=[TokenMixing(setting.alpha_mix, setting.t_switch)],
    )
    p, q = brute_force(setting)
    index = {answer: i for i, answer in enumerate(ANSWERS)}
    drawn = [index[tuple(t[:n].tolist())] for t, n in zip(rows.tokens, rows.lengths, strict=True)]
    observed = np.bincount(drawn, minlength=len(ANSWERS))
    expected = q * count
    common = expected > 5
    pooled_observed = np.append(observed[common], observed[~common].sum())
    pooled_expected = np.append(expected[common], expected[~common].sum())
    inside = pooled_expected > 1
    statistic = ((pooled_observed - pooled_expected)[inside] ** 2 / pooled_expected[inside]).sum()
    freedom = inside.sum() - 1
    assert statistic < freedom + 4 * np.sqrt(2 * freedom)

    event = np.array([harmful(answer) for answer in ANSWERS])
    weighted = np.exp(rows.log_p.sum(1) - rows.log_q[0].sum(1)) * event[drawn]
    error = weighted.std() / np.sqrt(count)
    assert abs(weighted.mean() - p[event].sum()) < 4 * error


def test_rows_of_the_target_share_follow_the_target() -> None:
    setting, count = Setting(t_switch=3), 8_000
    rows = run_rows(
        stream_of(setting),
        setting.generation,
        stop_token_ids=STOPS,
        vocabulary=VOCABULARY,
        uniforms=row_uniforms(7, 8, range(count), STEPS),
        mixings=[TokenMixing(setting.alpha_mix, setting.t_switch)],
        component=np.arange(count) % 2,
    )
    p, q = brute_force(setting)
    # The answers that tell the two apart best: their probabilities differ by the total variation.
    chosen = p > q
    assert p[chosen].sum() - q[chosen].sum() > 0.06
    event = {answer for answer, inside in zip(ANSWERS, chosen, strict=True) if inside}
    hits = np.array(
        [tuple(t[:n].tolist()) in event for t, n in zip(rows.tokens, rows.lengths, strict=True)]
    )
    for share, truth in ((hits[::2], p[chosen].sum()), (hits[1::2], q[chosen].sum())):
        assert abs(share.mean() - truth) < 4 * np.sqrt(truth * (1 - truth) / len(share))
