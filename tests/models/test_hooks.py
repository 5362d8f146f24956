"""Steering is scoped: outside its `with`, and in other threads, the model is bit for bit the target."""

import threading

import pytest
import torch

from core.models.hooks import steered
from core.proposals.steer import AddDirection
from tests.models.tiny_models import tiny_model

IDS = torch.tensor([[3, 4, 5, 6]])


def logits(loaded) -> torch.Tensor:
    with torch.inference_mode():
        return loaded.model(IDS).logits


def edit(size: float = 1.0) -> AddDirection:
    return AddDirection(1, torch.linspace(-1, 1, 32), torch.full((1,), size))


def test_steering_changes_the_model_inside_only() -> None:
    loaded = tiny_model()
    before = logits(loaded)
    with steered(edit()):
        inside = logits(loaded)
    assert not torch.allclose(before, inside, atol=1e-2)
    assert torch.equal(before, logits(loaded))


def test_an_error_inside_leaves_no_trace() -> None:
    loaded = tiny_model()
    before = logits(loaded)
    with pytest.raises(RuntimeError), steered(edit()):
        raise RuntimeError
    assert torch.equal(before, logits(loaded))


def test_threads_do_not_see_each_other() -> None:
    loaded = tiny_model()
    plain = logits(loaded)
    alone = {}
    for size in (1.0, 2.0):
        with steered(edit(size)):
            alone[size] = logits(loaded)
    wrong: list[float] = []
    start = threading.Barrier(3)

    def work(size: float) -> None:
        start.wait()
        for _ in range(100):
            with steered(*([edit(size)] if size else [])):
                if not torch.equal(logits(loaded), alone.get(size, plain)):
                    wrong.append(size)

    threads = [threading.Thread(target=work, args=(size,)) for size in (0.0, 1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_only_the_named_rows_change() -> None:
    loaded = tiny_model()
    ids = IDS.repeat(2, 1)
    second = AddDirection(1, torch.linspace(-1, 1, 32), torch.ones(1), slice(1, 2))
    with torch.inference_mode(), steered(second):
        output = loaded.model(ids).logits
    torch.testing.assert_close(output[:1], logits(loaded))
    assert not torch.allclose(output[1:], logits(loaded), atol=1e-2)
