"""Look-ahead is unbiased: its expectation is the risk by enumeration, whoever draws."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.judges.rules import Demand
from core.look_ahead.automaton import JudgeAutomaton
from core.look_ahead.tokens import HARMFUL, HARMLESS, OPEN, TokenAutomaton
from core.proposals.base import Arm
from core.sampling.loop import TokenMixing, row_uniforms
from core.sampling.open_rows import largest_value, open_rows
from core.sampling.rows import OpenRows
from core.sampling.streams import open_stream
from core.spec import GenerationSpec
from tests.look_ahead.toy import (
    DEMANDS,
    PIECES,
    PROMPT,
    STEPS,
    STOP,
    answers,
    harmful,
    probabilities,
    toy,
)
from tests.models.tiny_models import tiny_model

LOADED = toy()
PLAIN = GenerationSpec(max_new_tokens=STEPS)
SETTINGS = {
    "plain": PLAIN,
    "cut": GenerationSpec(max_new_tokens=STEPS, temperature=0.7, top_k=5, top_p=0.95),
    "penalty": GenerationSpec(max_new_tokens=STEPS, repetition_penalty=1.5),
}
# Each proposal's share of the draws, the target's first.
SHARES = (0.25, 0.75)


def risk(demand: Demand, generation: GenerationSpec) -> float:
    tokens = answers()
    return float(probabilities(LOADED, generation, tokens)[harmful(LOADED, demand, tokens)].sum())


def draw(
    demand: Demand, generation: GenerationSpec, count: int, *, mixed: bool = False, seed: int = 0
) -> OpenRows:
    arms, mixings, component = [Arm(LOADED, (PROMPT,))], [], None
    if mixed:
        other = replace(
            tiny_model(
                vocabulary=len(PIECES), stops=(STOP,), dtype=torch.float64, seed=9, scale=3.0
            ),
            tokenizer=LOADED.tokenizer,
        )
        arms.append(Arm(other, (PROMPT,)))
        mixings = [TokenMixing(0.1, 3)]
        component = (np.arange(count) % 4 > 0).astype(np.int64)
    return open_rows(
        open_stream(arms, STEPS),
        generation,
        TokenAutomaton(LOADED, JudgeAutomaton(demand, 0.75)),
        vocabulary=len(PIECES),
        uniforms=row_uniforms(seed, 0, range(count), STEPS),
        mixings=mixings,
        component=component,
    )


@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
@pytest.mark.parametrize("generation", SETTINGS.values(), ids=SETTINGS)
def test_the_expectation_is_the_risk(demand: Demand, generation: GenerationSpec) -> None:
    """By adding up over all answers, each settled where the automaton first says so."""
    tokens = answers()
    p = probabilities(LOADED, generation, tokens)
    automaton = TokenAutomaton(LOADED, JudgeAutomaton(demand, 0.75))
    total = 0.0
    for answer, probability in zip(tokens.tolist(), p, strict=True):
        state, settled = 0, OPEN
        for step, token in enumerate(answer):
            last = step + 1 == STEPS
            following = automaton.next(state)
            settled = int((following.at_last if last else following.settles)[token])
            if settled != OPEN:
                break
            state = int(following.state[token])
        assert settled in (HARMFUL, HARMLESS)
        total += probability * (settled == HARMFUL)
    assert total == pytest.approx(risk(demand, generation), abs=1e-10)


@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
@pytest.mark.parametrize("generation", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("mixed", [False, True])
def test_the_mean_of_draws_is_the_risk(
    demand: Demand, generation: GenerationSpec, mixed: bool
) -> None:
    values = draw(demand, generation, 4_000, mixed=mixed).values(SHARES if mixed else (1.0,))
    truth = risk(demand, generation)
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - truth) <= 4.5 * error + 1e-12
    if not mixed:
        assert values.max(initial=0.0) <= largest_value(STEPS) + 1e-12


def test_rows_record_what_the_answers_probabilities_say() -> None:
    """The mass after each beginning is that of all harmful answers that the next token settles."""
    demand = DEMANDS["word that may go on"]
    rows = draw(demand, PLAIN, 300)
    tokens = answers()
    p, bad = probabilities(LOADED, PLAIN, tokens), harmful(LOADED, demand, tokens)
    automaton = TokenAutomaton(LOADED, JudgeAutomaton(demand, 0.75))
    for row in range(0, 300, 7):
        length = int(rows.lengths[row])
        begun = rows.tokens[row, :length]
        inside = (tokens[:, :length] == begun).all(1)
        following = automaton.next(automaton.after(begun.tolist()))
        settles = following.at_last if length + 1 == STEPS else following.settles
        now = inside & (tokens[:, length] >= 0) & (settles[tokens[:, length]] == HARMFUL)
        assert bad[now].all()
        assert rows.mass[row, length] == pytest.approx(p[now].sum() / p[inside].sum(), abs=1e-10)
        assert rows.log_p[row].sum() == pytest.approx(np.log(p[inside].sum()), abs=1e-10)


def test_rows_do_not_depend_on_the_batch() -> None:
    demand = DEMANDS["cleared"]
    whole = draw(demand, PLAIN, 64).values()
    assert (draw(demand, PLAIN, 32).values() == whole[:32]).all()


def test_no_draw_is_settled_before_its_end() -> None:
    demand = DEMANDS["phrase"]
    automaton = TokenAutomaton(LOADED, JudgeAutomaton(demand, 0.75))
    rows = draw(demand, PLAIN, 200)
    assert (rows.lengths < STEPS).all()
    for begun, length in zip(rows.tokens, rows.lengths, strict=True):
        state = 0
        for token in begun[:length].tolist():
            assert automaton.next(state).settles[token] == OPEN
            state = int(automaton.next(state).state[token])


def test_words_that_only_the_next_token_settles_are_not_left_to_luck() -> None:
    """A word so rare that counting needs tens of thousands of answers."""
    loaded = tiny_model(
        vocabulary=len(PIECES), stops=(STOP,), dtype=torch.float64, seed=5, scale=14.0
    )
    loaded = replace(loaded, tokenizer=LOADED.tokenizer)
    demand = Demand(required=({"regex": r"^ba\b"},))
    tokens = answers()
    p = probabilities(loaded, PLAIN, tokens)
    truth = float(p[harmful(loaded, demand, tokens)].sum())
    assert 0 < truth < 0.02
    rows = open_rows(
        open_stream([Arm(loaded, (PROMPT,))], STEPS),
        PLAIN,
        TokenAutomaton(loaded, JudgeAutomaton(demand, 0.75)),
        vocabulary=len(PIECES),
        uniforms=row_uniforms(0, 0, range(4_000), STEPS),
    )
    values = rows.values()
    assert abs(values.mean() - truth) <= 4.5 * values.std() / np.sqrt(len(values))
    # Counting has a variance of p (1 - p).
    assert values.var() < 0.6 * truth * (1 - truth)
