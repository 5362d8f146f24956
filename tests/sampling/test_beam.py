"""The beam: what it keeps is exact, what leaves it is drawn without bias, by enumeration."""

import numpy as np
import pytest

from core.judges.rules import Demand
from core.look_ahead.automaton import JudgeAutomaton
from core.look_ahead.tokens import OPEN, TokenAutomaton
from core.proposals.base import Arm
from core.sampling.beam import NOWHERE, Beam, beam_of
from core.sampling.loop import row_uniforms
from core.sampling.open_rows import largest_value, open_rows
from core.sampling.rows import OpenRows
from core.sampling.streams import open_stream
from core.spec import GenerationSpec
from tests.look_ahead.toy import (
    DEMANDS,
    PIECES,
    PROMPT,
    STEPS,
    answers,
    harmful,
    probabilities,
    toy,
)

LOADED = toy()
PLAIN = GenerationSpec(max_new_tokens=STEPS)
CUT = GenerationSpec(max_new_tokens=STEPS, temperature=0.7, top_k=5, top_p=0.95)
PENALTY = GenerationSpec(max_new_tokens=STEPS, repetition_penalty=1.5)
TOKENS = answers()


def automaton_of(demand: Demand) -> TokenAutomaton:
    return TokenAutomaton(LOADED, JudgeAutomaton(demand, 0.75))


def beam_with(demand: Demand, generation: GenerationSpec, places: int) -> Beam:
    stream = open_stream([Arm(LOADED, (PROMPT,))], STEPS)
    return beam_of(stream, generation, automaton_of(demand), vocabulary=len(PIECES), places=places)


def risk(demand: Demand, generation: GenerationSpec) -> float:
    p = probabilities(LOADED, generation, TOKENS)
    return float(p[harmful(LOADED, demand, TOKENS)].sum())


def drawn(demand: Demand, generation: GenerationSpec, beam: Beam, count: int) -> OpenRows:
    return open_rows(
        open_stream([Arm(LOADED, (PROMPT,))], STEPS),
        generation,
        automaton_of(demand),
        vocabulary=len(PIECES),
        uniforms=row_uniforms(0, 0, range(count), STEPS),
        beam=beam,
    )


@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
@pytest.mark.parametrize("generation", [PLAIN, CUT, PENALTY], ids=["plain", "cut", "penalty"])
def test_a_beam_that_keeps_all_is_the_risk(demand: Demand, generation: GenerationSpec) -> None:
    beam = beam_with(demand, generation, len(PIECES) ** STEPS)
    assert beam.exact == pytest.approx(risk(demand, generation), abs=1e-10)
    assert beam.leaving == pytest.approx(0.0, abs=1e-10)


@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
@pytest.mark.parametrize("places", [1, 4, 10])
def test_both_parts_are_what_enumeration_says(demand: Demand, places: int) -> None:
    beam, p = beam_with(demand, PLAIN, places), probabilities(LOADED, PLAIN, TOKENS)
    bad, automaton = harmful(LOADED, demand, TOKENS), automaton_of(demand)
    exact = leaving = 0.0
    for answer, probability, harm in zip(TOKENS.tolist(), p, bad, strict=True):
        state = place = 0
        for step, token in enumerate(answer):
            following = automaton.next(state)
            settles = (following.at_last if step + 1 == STEPS else following.settles)[token]
            if settles != OPEN:
                exact += probability * harm
                break
            place = beam.step(step, place, token)
            if place == NOWHERE:
                leaving += probability
                break
            state = int(following.state[token])
    assert beam.exact == pytest.approx(exact, abs=1e-10)
    assert beam.leaving == pytest.approx(leaving, abs=1e-6)
    truth = risk(demand, PLAIN)
    assert beam.exact - 1e-10 <= truth <= beam.exact + beam.leaving + 1e-6


@pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)
@pytest.mark.parametrize("generation", [PLAIN, CUT, PENALTY], ids=["plain", "cut", "penalty"])
def test_the_mean_of_rows_is_the_risk(demand: Demand, generation: GenerationSpec) -> None:
    beam = beam_with(demand, generation, 4)
    rows = drawn(demand, generation, beam, 4_000)
    values, truth = rows.values(), risk(demand, generation)
    error = values.std() / len(values) ** 0.5
    assert abs(values.mean() - truth) <= 4.5 * error + 1e-6
    assert values.min() >= beam.exact - 1e-12
    assert values.max() <= beam.exact + beam.leaving * largest_value(STEPS) + 1e-6


def test_every_row_leaves() -> None:
    demand = DEMANDS["phrase"]
    beam = beam_with(demand, PLAIN, 4)
    rows = drawn(demand, PLAIN, beam, 300)
    for begun, length in zip(rows.tokens.tolist(), rows.lengths.tolist(), strict=True):
        place = 0
        for step in range(length):
            place = beam.step(step, place, begun[step])
        assert place == NOWHERE


def test_rows_that_leave_are_worth_more_alike() -> None:
    """With the likeliest beginnings known, less is left to chance."""
    demand = DEMANDS["phrase"]
    none = open_rows(
        open_stream([Arm(LOADED, (PROMPT,))], STEPS),
        PLAIN,
        automaton_of(demand),
        vocabulary=len(PIECES),
        uniforms=row_uniforms(0, 0, range(2_000), STEPS),
    )
    beam = beam_with(demand, PLAIN, 16)
    assert drawn(demand, PLAIN, beam, 2_000).values().var() < 0.7 * none.values().var()


def test_a_beam_without_a_way_out_needs_no_rows() -> None:
    demand = DEMANDS["phrase"]
    beam = beam_with(demand, PLAIN, len(PIECES) ** STEPS)
    values = drawn(demand, PLAIN, beam, 8).values()
    assert values == pytest.approx(np.full(8, risk(demand, PLAIN)), abs=1e-9)
