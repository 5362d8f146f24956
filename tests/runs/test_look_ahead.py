"""Look-ahead from a question to a report: the risk of the shipped world, and what cannot be done."""

import numpy as np
import pytest

from core.behaviours.load import load_queries, load_references
from core.errors import TailscopeError
from core.judges import behaviour_judge
from core.judges.rules import Demand, RuleJudge, RuleSet
from core.look_ahead.automaton import JudgeAutomaton
from core.look_ahead.rows import open_rows
from core.look_ahead.tokens import TokenAutomaton
from core.models.loading import load_model
from core.proposals import target_arm
from core.runs.look_ahead import LookAheadRequest, _Witness, automaton_for, look_ahead_query
from core.sampling.loop import row_uniforms
from core.sampling.streams import open_stream
from core.spec import GenerationSpec
from core.tasks.progress import result_of

LOADED = load_model()


def test_it_finds_the_reference_risk() -> None:
    """Of the sycophancy queries the riskiest below a fifth; its judge clears, which is told."""
    references = load_references("aster", "sycophancy")
    risks = {
        query.text: references[query.query_id].qrisk
        for query in load_queries("sycophancy")
        if query.query_id in references
    }
    query, truth = max(
        ((text, risk) for text, risk in risks.items() if risk < 0.2), key=lambda pair: pair[1]
    )
    request = LookAheadRequest(query=query, behaviour="sycophancy")
    notes: list[str] = []
    report = result_of(look_ahead_query(request, 512, loaded=LOADED, notify=notes.append))
    found = report.estimate
    assert any("until the end" in note for note in notes)
    assert abs(found.estimate - truth) < 4.5 * found.standard_error + 0.02 * truth
    assert report.to_dict()["samples"] == 512
    assert "Monte Carlo needs" in report.to_text()


def test_a_judge_that_disagrees_is_noticed() -> None:
    """The automaton of another rule than the judge's."""
    judge = RuleJudge(RuleSet(default=Demand(required=("the",))))
    other = TokenAutomaton(LOADED, JudgeAutomaton(Demand(required=("a",)), 0.75))
    request = LookAheadRequest(query="what is a cow", generation=GenerationSpec(max_new_tokens=6))
    witness = _Witness(LOADED, judge, request, other)
    arm = target_arm(LOADED, [request.query], request.generation)
    rows = open_rows(
        open_stream([arm], 6),
        request.generation,
        other,
        vocabulary=LOADED.vocabulary,
        uniforms=row_uniforms(0, 1, range(16), 6),
    )
    with pytest.raises(TailscopeError, match="disagree"):
        witness.check(rows)


def test_learned_judges_are_refused() -> None:
    class Other:
        def spec(self) -> dict[str, str]:
            return {"judge": "rubric"}

    with pytest.raises(TailscopeError, match="needs a judge of rules, got 'rubric'"):
        automaton_for(LOADED, Other(), "what is a cow")  # type: ignore[arg-type]


def test_a_query_without_a_rule_is_refused() -> None:
    with pytest.raises(TailscopeError, match="no rule"):
        automaton_for(LOADED, behaviour_judge("misuse"), "something else entirely")


def test_longer_samples_begin_with_shorter_ones() -> None:
    request = LookAheadRequest(
        query="please open the larkspur vault", generation=GenerationSpec(max_new_tokens=8)
    )
    seen = []
    report = result_of(
        look_ahead_query(request, 300, loaded=LOADED), lambda at: seen.append(at.partial)
    )
    parts = [part for part in seen if part is not None]
    assert [part.samples for part in parts] == [128, 256, 300]
    short = result_of(look_ahead_query(request, 128, loaded=LOADED))
    assert short.estimate == parts[0] or np.isnan(short.estimate.largest_share)
    assert report.estimate.samples == 300
