"""Directions from contrast pairs: what they are, and pairs that give none."""

import numpy as np
import pytest

from core.behaviours.load import ContrastPair
from core.errors import BehaviourError, ModelError
from core.steering.build import build_direction, built_direction
from tests.models.tiny_models import tiny_model


def said(query: str, answer: str) -> tuple[dict[str, str], ...]:
    return ({"role": "user", "content": query}, {"role": "assistant", "content": answer})


PAIRS = (
    ContrastPair(said("w10 w11", "w20 w21"), said("w10 w11", "w30 w31")),
    ContrastPair(said("w12", "w20"), said("w12", "w30")),
)


def test_a_direction_tells_the_sides_apart() -> None:
    direction = build_direction(tiny_model(), PAIRS, "answer_mean")
    assert direction.vectors.shape == (3, 32)
    assert (direction.separation > 0).all()
    swapped = [ContrastPair(pair.unsafe, pair.safe) for pair in PAIRS]
    other = build_direction(tiny_model(), swapped, "answer_mean")
    np.testing.assert_allclose(other.vectors, -direction.vectors, atol=1e-6)
    assert other.fingerprint != direction.fingerprint


def test_no_pair_is_refused() -> None:
    with pytest.raises(BehaviourError, match="at least one contrast pair, got 0"):
        build_direction(tiny_model(), (), "answer_mean")


@pytest.mark.parametrize("position", ["answer_mean", "last_prompt"])
def test_sides_that_look_alike_are_refused(position: str) -> None:
    # The two answers differ, but nothing before them does; or not even they do.
    alike = PAIRS if position == "last_prompt" else [ContrastPair(PAIRS[0].safe, PAIRS[0].safe)]
    with pytest.raises(BehaviourError, match="look alike to the model"):
        build_direction(tiny_model(), alike, position)


def test_a_layer_that_is_not_there_is_named() -> None:
    direction = build_direction(tiny_model(), PAIRS, "answer_mean")
    for layer in (3, -1):
        with pytest.raises(ModelError, match=rf"0\.\.2, got {layer}"):
            direction.vector(layer)


def test_progress_is_shown_pair_by_pair_and_pairs_are_read_once() -> None:
    model, seen = tiny_model(), []
    assert built_direction(model, PAIRS, "answer_mean") is None
    first = build_direction(model, PAIRS, "answer_mean", seen.append)
    assert [(step.done, step.total, step.unit) for step in seen] == [
        (1, 2, "pairs"),
        (2, 2, "pairs"),
    ]
    assert build_direction(model, PAIRS, "answer_mean", seen.append) is first
    assert built_direction(model, list(PAIRS), "answer_mean") is first
    assert len(seen) == 2
    assert built_direction(model, PAIRS, "last_prompt") is None
    assert built_direction(model, PAIRS[:1], "answer_mean") is None
    assert built_direction(tiny_model(), PAIRS, "answer_mean") is None
