"""Draws refuse what cannot have been drawn, and say which row."""

import dataclasses

import numpy as np
import pytest

from core.estimation import Draws, concatenate
from tests.estimation.toys import good


def small(**changes):
    values = {
        "log_p": [-1.0, -2.0, -3.0],
        "log_q": [[-1.0, -1.5], [-2.0, -0.5], [-3.0, -np.inf]],
        "component": [0, 1, 0],
        "component_names": ("target", "steered"),
        "target_component": 0,
        "harmful": [False, True, False],
        "judged": [True, True, False],
    }
    return Draws(**(values | changes))


def test_counts_and_target_rows():
    draws = small()
    assert draws.counts.tolist() == [2, 1]
    assert draws.from_target.tolist() == [True, False, True]
    assert small(target_component=None).from_target.tolist() == [False] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_p": [-1.0, np.nan, -3.0]}, "log_p must be a number below inf, got nan in row 1"),
        (
            {"log_q": [[-1.0, -1.5], [-2.0, np.nan], [-3.0, -1.0]]},
            "log_q of 'steered' must be a number below inf, got nan in row 1",
        ),
        (
            {"log_q": [[-1.0, -1.5], [-2.0, -np.inf], [-3.0, -1.0]]},
            "log_q of the component that drew the row must be finite, got -inf in row 1",
        ),
        (
            {"log_q": [[-1.0, -1.5], [-2.0, -0.5], [-3.1, -1.0]]},
            "the target's log_q must equal log_p, got -3.1 in row 2",
        ),
        ({"component": [0, 2, 0]}, r"component must be in 0\.\.1, got 2 in row 1"),
        ({"judged": [True, False, False]}, "a harmful answer must have been judged, .* in row 1"),
        ({"stage": [0, 2, 1]}, "stage must not be below that of the row before, got 1 in row 2"),
        ({"stage": [0, 0]}, r"stage must have shape \(3,\), got \(2,\)"),
        ({"harmful": [True]}, r"harmful must have shape \(3,\), got \(1,\)"),
        ({"target_component": 2}, r"target_component must be in 0\.\.1 or None, got 2"),
    ],
)
def test_refusals_name_the_value(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_columns_cannot_be_written_and_are_copies():
    log_p = np.array([-1.0, -2.0, -3.0])
    draws = small(log_p=log_p)
    log_p[0] = 5
    assert draws.log_p[0] == -1
    with pytest.raises(ValueError, match="read-only"):
        draws.log_p[0] = 0


def test_concatenate_stacks_rows_and_adds_costs():
    draws = good().draws(np.random.default_rng(0), 30)
    first = dataclasses.replace(draws.take(slice(0, 10)), seconds=1.5, forward_tokens=7)
    rest = dataclasses.replace(draws.take(slice(10, 30)), seconds=2.0, forward_tokens=5)
    whole = concatenate([first, rest])
    assert np.array_equal(whole.log_q, draws.log_q)
    assert (whole.seconds, whole.forward_tokens) == (3.5, 12)


def test_concatenate_refuses_other_components():
    with pytest.raises(ValueError, match="must share their components"):
        concatenate([small(), small(component_names=("target", "other"))])
    with pytest.raises(ValueError, match="at least one, got 0"):
        concatenate([])


def test_stages_default_to_one_and_are_carried():
    assert small().stage.tolist() == [0, 0, 0]
    staged = small(stage=[0, 0, 3])
    assert staged.take(slice(1, 3)).stage.tolist() == [0, 3]
    assert staged.take(np.array([True, False, True])).stage.tolist() == [0, 3]
    later = dataclasses.replace(staged, stage=np.full(3, 5))
    assert concatenate([staged, later]).stage.tolist() == [0, 0, 3, 5, 5, 5]
    with pytest.raises(ValueError, match="stage must not be below"):
        concatenate([later, staged])
    with pytest.raises(ValueError, match="stage must not be below"):
        staged.take(np.array([2, 0]))


def test_allocations_are_carried():
    first = small(stage_allocations=[np.array([2, 1])])
    assert small().stage_allocations == ()
    assert first.stage_allocations == ((2, 1),)
    assert first.take(slice(1, 2)).stage_allocations == ((2, 1),)
    later = small(stage=[1, 1, 1], stage_allocations=((2, 1), (1, 4)))
    assert concatenate([first, later]).stage_allocations == ((2, 1), (1, 4))
    assert concatenate([small(), later]).stage_allocations == ()
    other = small(stage=[1, 1, 1], stage_allocations=((1, 1), (1, 4)))
    with pytest.raises(ValueError, match="draws must share their stage_allocations"):
        concatenate([first, other])


@pytest.mark.parametrize(
    ("allocations", "message"),
    [
        (((1,),), "rows of 2 components, got"),
        (((0, 0),), "rows of 2 components, got"),
        (((-1, 2),), "rows of 2 components, got"),
        (((1, 1), (1, 1)), "one for each of 3 stages, got 2"),
    ],
)
def test_allocations_that_lack_something_are_refused(allocations, message):
    with pytest.raises(ValueError, match=message):
        small(stage=[0, 0, 2], stage_allocations=allocations)
