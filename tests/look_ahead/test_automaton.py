"""The automaton of a judge says what the judge says, on the text so far and on all that may follow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.judges.rules import Demand, RuleJudge, RuleSet
from core.look_ahead.automaton import JudgeAutomaton
from core.look_ahead.language import NoAutomatonError

DEMANDS = [
    Demand(required=("ab",)),
    Demand(required=("a b",), forbidden=("c",)),
    Demand(required=("ab", "ba")),
    Demand(required=(("ab", "b"), "a", "ba c")),
    Demand(required=("a", "b", "c", "ab"), forbidden=("abc",)),
    Demand(refusals=("can't", "i won’t")),
    Demand(refusals=("standard",)),
    Demand(required=({"regex": r"a+b?c"},)),
    Demand(required=({"regex": r"\bab?\b|c{2,3}$"},)),
    Demand(required=({"regex": r"^(a|b)[^b-d]+(?!c)"},), forbidden=({"regex": r"(?<=b)\s?a\B"},)),
    Demand(required=("a", {"regex": r"b.{0,2}a\d"})),
    Demand(required=({"regex": r"ä|[^\w\s]é?"},)),
    Demand(required=({"regex": r"^\W*(ab(?! a b)|(c|ca)(?!b)|b(?!ac))\b"},)),
    Demand(required=({"regex": r"a(?!bc)"},)),
]
LETTERS = "abc ABÄä\n\t.'’1éßi"


def automaton_and_judge(demand: Demand, threshold: float = 0.75):  # type: ignore[no-untyped-def]
    rules = RuleSet(default=demand, threshold=threshold)
    return JudgeAutomaton(demand, threshold), RuleJudge(rules)


def by_judge(judge: RuleJudge, text: str) -> bool:
    (judgement,) = judge.judge("q", [text.strip()])
    assert judgement.score is not None
    return judgement.score >= judge.threshold


@pytest.mark.parametrize("demand", DEMANDS)
@pytest.mark.parametrize("threshold", [0.5, 0.75])
@settings(max_examples=60, deadline=None)
@given(
    text=st.text(LETTERS, max_size=14) | st.sampled_from(["I can`t", "sorry, I", "ab ba", "abc"])
)
def test_it_says_what_the_judge_says(demand: Demand, threshold: float, text: str) -> None:
    automaton, judge = automaton_and_judge(demand, threshold)
    reading = automaton.start
    for end in range(len(text) + 1):
        assert automaton.harmful_at_end(reading) == by_judge(judge, text[:end]), text[:end]
        if isinstance(reading, str):
            # What is settled is so whatever follows.
            assert by_judge(judge, text) == (reading == "harmful"), (text[:end], text)
        if end < len(text):
            reading = automaton.read(reading, text[end])


def test_words_are_settled_by_what_follows_them() -> None:
    automaton, _ = automaton_and_judge(Demand(required=("ass",)))
    reading = automaton.start
    for letter in "an ass":
        reading = automaton.read(reading, letter)
    assert automaton.harmful_at_end(reading)
    assert automaton.read(reading, "!") == "harmful"
    assert automaton.read(reading, "i") != "harmful"


def test_a_pattern_that_needs_no_more_is_settled_at_once() -> None:
    automaton, _ = automaton_and_judge(Demand(required=({"regex": "bad"},)))
    reading = automaton.start
    for letter in "ba":
        reading = automaton.read(reading, letter)
    assert automaton.read(reading, "d") == "harmful"


def test_what_may_be_cleared_is_not_settled() -> None:
    automaton, _ = automaton_and_judge(Demand(required=("bad",), forbidden=("not",)))
    reading = automaton.start
    for letter in "bad. ":
        reading = automaton.read(reading, letter)
    assert automaton.harmful_at_end(reading)
    assert not isinstance(reading, str)
    for letter in "not i":
        reading = automaton.read(reading, letter)
    assert reading == "harmless"


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(a)\1", "refers"),
        (r"(?<=ab)c", "further"),
        (r"(?i:a)b", "flags"),
        (r"a(?!bc)b", "further"),
    ],
)
def test_what_cannot_be_followed_is_named(pattern: str, why: str) -> None:
    with pytest.raises(NoAutomatonError, match=f"cannot be followed token by token: .*{why}"):
        JudgeAutomaton(Demand(required=({"regex": pattern},)), 0.75)


def test_a_pattern_before_another_phrase_is_refused() -> None:
    with pytest.raises(NoAutomatonError, match="only the last one"):
        JudgeAutomaton(Demand(required=({"regex": "a+"}, "b")), 0.75)


def test_random_long_texts() -> None:
    generator = np.random.default_rng(0)
    for demand in DEMANDS:
        automaton, judge = automaton_and_judge(demand)
        for _ in range(20):
            text = "".join(generator.choice(list("abc .1"), 60))
            reading = automaton.start
            for letter in text:
                reading = automaton.read(reading, letter)
            assert automaton.harmful_at_end(reading) == by_judge(judge, text)
