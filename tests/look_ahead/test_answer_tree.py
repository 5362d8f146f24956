"""The search of the answer tree against the risk by enumeration."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from core.judges.rules import Demand
from core.look_ahead.answer_tree import AnswerTree, Node
from core.look_ahead.automaton import JudgeAutomaton
from core.look_ahead.tokens import TokenAutomaton
from core.proposals.base import Arm
from core.runs.bound import grow
from core.sampling.prompt_pass import PromptPass
from core.spec import GenerationSpec
from core.tasks import Cancellation, CancelledError, cancelled_by
from tests.look_ahead.toy import DEMANDS, PROMPT, STEPS
from tests.sampling.test_open_rows import LOADED, SETTINGS, risk

ASKED = PromptPass(Arm(LOADED, (PROMPT,)))


def tree_of(name: str, **more: int) -> AnswerTree:
    return AnswerTree(TokenAutomaton(LOADED, JudgeAutomaton(DEMANDS[name], 0.75)), STEPS, **more)


def search(
    tree: AnswerTree, generation: GenerationSpec, looks: int = 10_000, at_once: int = 64
) -> None:
    while looks > 0 and (nodes := tree.take(min(at_once, looks))):
        looks -= len(nodes)
        grow(tree, ASKED, generation, nodes)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", DEMANDS)
def test_the_ends_meet_at_the_risk(name: str, setting: str) -> None:
    tree, truth = tree_of(name), risk(DEMANDS[name], SETTINGS[setting])
    last = 0.0, 1.0
    while tree.waiting:
        search(tree, SETTINGS[setting], looks=100)
        assert last[0] <= tree.low <= truth + 1e-12
        assert truth - 1e-12 <= tree.high <= last[1]
        last = tree.low, tree.high
    assert tree.low == pytest.approx(truth, abs=1e-10)
    assert tree.high == pytest.approx(truth, abs=1e-10)


def test_a_stored_search_goes_on_as_if_it_had_never_stopped() -> None:
    whole, first, second = (tree_of("two in order") for _ in range(3))
    search(whole, SETTINGS["plain"], looks=70)
    search(first, SETTINGS["plain"], looks=35)
    second.restore(first.arrays())
    assert (second.low, second.high, second.waiting) == (first.low, first.high, first.waiting)
    search(second, SETTINGS["plain"])
    truth = risk(DEMANDS["two in order"], SETTINGS["plain"])
    assert second.low == pytest.approx(truth, abs=1e-10)
    assert second.high == pytest.approx(truth, abs=1e-10)
    assert whole.low <= truth <= whole.high


def test_what_is_given_up_stays_open_and_bounds_stay_bounds() -> None:
    tree, truth = tree_of("phrase", kept=5), risk(DEMANDS["phrase"], SETTINGS["plain"])
    search(tree, SETTINGS["plain"])
    assert tree.waiting == 0
    assert tree.low < truth < tree.high
    assert tree.high - tree.low > 1e-6


def test_the_likeliest_is_looked_into_and_so_is_what_promises_harm() -> None:
    tree = tree_of("phrase")
    (root,) = tree.take(1)
    assert root == Node((), 1.0, 0)
    shares = np.array([0.01, 0.0, 0.0, 0.5, 0.0, 0.0, 0.09, 0.4])
    with np.errstate(divide="ignore"):
        tree.look_into(root, np.log(shares))
    assert tree.waiting > 0
    likeliest = max(tree.take(2), key=lambda node: node.mass)
    assert likeliest.tokens == (3,)


def test_what_was_taken_and_not_looked_into_waits_again() -> None:
    tree = tree_of("phrase")
    search(tree, SETTINGS["plain"], looks=10)
    waiting = tree.waiting
    with cancelled(), pytest.raises(CancelledError):
        grow(tree, ASKED, SETTINGS["plain"], tree.take(5))
    assert tree.waiting == waiting
    search(tree, SETTINGS["plain"])
    assert tree.high - tree.low < 1e-10


@contextmanager
def cancelled() -> Iterator[None]:
    """Within it, work is cancelled as soon as it looks."""
    cancellation = Cancellation()
    cancellation.request()
    with cancelled_by(cancellation):
        yield


ANCHORED = {
    "at the start": Demand(required=({"regex": r"^b+a"},)),
    "at the start or a word": Demand(required=({"regex": r"^\W*(ab|b\b)|\bba"},)),
    "two, the last at the start": Demand(required=("a", {"regex": "^b"})),
}


@pytest.mark.parametrize("name", ANCHORED)
def test_what_had_to_stand_at_the_beginning_is_settled_by_it(name: str) -> None:
    automaton = TokenAutomaton(LOADED, JudgeAutomaton(ANCHORED[name], 0.75))
    tree, truth = AnswerTree(automaton, STEPS), risk(ANCHORED[name], SETTINGS["plain"])
    while tree.waiting:
        search(tree, SETTINGS["plain"], looks=10, at_once=5)
        assert tree.low <= truth + 1e-12
        assert tree.high >= truth - 1e-12
    assert tree.high == pytest.approx(truth, abs=1e-10)
    assert tree.low == pytest.approx(truth, abs=1e-10)
    if name == "at the start":
        # Without it every open beginning, hundreds of them.
        assert tree.looked_into < 50
