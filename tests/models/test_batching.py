"""Batches that run out of memory: halved, nothing lost or repeated, the same rows bit for bit."""

import gc
import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch

import core.sampling.shards
from cache import MemoryStore
from core.errors import ModelError
from core.models import batching
from core.models.batching import in_batches, is_out_of_memory
from core.sampling.loop import row_steps
from core.sampling.shards import draw_rows, draw_shards
from tests.models.tiny_models import tiny_model
from tests.sampling.test_shards import LOADED, PROPOSALS, SPEC

CPU = (
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
)
OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB)"),
    RuntimeError(CPU),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


class FullStream:
    """A stream that runs out of memory when it is advanced for the `step`-th time, counted from 0."""

    def __init__(self, stream, step: int, error: BaseException) -> None:
        self._stream, self._left, self._error = stream, step, error

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def advance(self, tokens: torch.Tensor) -> None:
        if self._left == 0:
            raise self._error
        self._left -= 1
        self._stream.advance(tokens)


@pytest.fixture(autouse=True)
def nothing_learned():
    batching._fits.clear()
    yield
    batching._fits.clear()


def memory_for(monkeypatch: pytest.MonkeyPatch, most: int, step: int, error=OUT_OF_MEMORY[0]):
    """Makes batches of more than `most` rows fail at `step`; returns the sizes tried, as they come."""
    sizes: list[int] = []

    def limited(stream, generation, **options):
        sizes.append(len(options["uniforms"]))
        if sizes[-1] > most:
            stream = FullStream(stream, step, error)
        return row_steps(stream, generation, **options)

    monkeypatch.setattr(core.sampling.shards, "row_steps", limited)
    return sizes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("most", "step"), [(1, 1), (7, 0), (7, 4), (40, 1), (40, 6), (99, 0), (99, 4)]
)
def test_rows_are_the_same_whatever_fits(most: int, step: int, monkeypatch) -> None:
    whole = draw_rows(LOADED, SPEC, range(30, 130), PROPOSALS)
    sizes = memory_for(monkeypatch, most, step)
    parts = draw_rows(LOADED, SPEC, range(30, 130), PROPOSALS)
    assert sizes[0] == 100
    assert sum(size for size in sizes if size <= most) == 100
    assert all(later <= earlier for earlier, later in pairwise(sizes))
    for name in ("tokens", "lengths", "log_p", "log_q"):
        np.testing.assert_array_equal(getattr(whole.rows, name), getattr(parts.rows, name))
    np.testing.assert_array_equal(whole.component, parts.component)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_every_allocator_is_understood(error: BaseException, monkeypatch) -> None:
    assert is_out_of_memory(error)
    sizes = memory_for(monkeypatch, 16, 1, error)
    assert len(draw_rows(LOADED, SPEC, range(32), PROPOSALS)) == 32
    assert sizes == [32, 16, 16]


def test_the_allocator_of_this_machine_is_understood() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_other_errors_pass_through(monkeypatch) -> None:
    sizes = memory_for(monkeypatch, 16, 1, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        draw_rows(LOADED, SPEC, range(32), PROPOSALS)
    assert sizes == [32]
    assert not is_out_of_memory(ValueError("out of memory"))


def test_what_worked_is_kept_for_the_next_shard(monkeypatch) -> None:
    whole = list(draw_shards(LOADED, SPEC, 600, MemoryStore(), proposals=PROPOSALS))
    sizes = memory_for(monkeypatch, 130, 2)
    shards = list(draw_shards(LOADED, SPEC, 600, MemoryStore(), proposals=PROPOSALS))
    assert sizes == [250, 125, 125, 125, 125, 100]
    assert [(shard.start, len(shard)) for shard in shards] == [(0, 250), (250, 250), (500, 100)]
    for one, other in zip(whole, shards, strict=True):
        assert one.key == other.key
        np.testing.assert_array_equal(one.rows.log_q, other.rows.log_q)


@pytest.mark.slow
def test_what_fits_is_learned_by_what_a_row_takes_and_by_model() -> None:
    sizes: list[int] = []

    def run(batch: range) -> range:
        sizes.append(len(batch))
        if len(batch) > 40:
            raise MemoryError
        return batch

    assert in_batches(LOADED, range(64), 64, run, row_cost=10) == [range(32), range(32, 64)]
    for cost, expected in ((10, [32, 32]), (20, [16] * 4), (10_000, [1] * 64)):
        sizes.clear()
        in_batches(LOADED, range(64), 64, run, row_cost=cost)
        assert sizes == expected
    sizes.clear()
    in_batches(tiny_model(), range(64), 64, run, row_cost=10)
    assert sizes == [64, 32, 32]
    gc.collect()
    assert list(batching._fits) == [LOADED]


@pytest.mark.slow
def test_not_even_one_row_is_one_sentence(monkeypatch) -> None:
    memory_for(monkeypatch, 0, 0)
    with pytest.raises(ModelError) as raised:
        draw_rows(LOADED, SPEC, range(9), PROPOSALS)
    message = str(raised.value)
    assert "(9, 4, 2, 1)" in message
    assert "'tiny-llama'" in message
    assert "shorter answers, a smaller dtype such as bfloat16, or another device" in message
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_nothing_of_the_failed_batch_is_alive_at_the_retry() -> None:
    """Neither by the error's frames nor by a cycle among them."""
    left: list[weakref.ref[torch.Tensor]] = []

    def run(batch: range) -> int:
        assert not any(tensor() is not None for tensor in left)
        if len(batch) > 3:
            big = torch.zeros(len(batch))
            cycle: list[object] = [big]
            cycle.append(cycle)
            left.append(weakref.ref(big))
            try:
                raise torch.OutOfMemoryError("CUDA out of memory")
            except RuntimeError as error:
                raise RuntimeError("out of memory while reporting it") from error
        return len(batch)

    assert in_batches(LOADED, range(12), 12, run) == [3, 3, 3, 3]
    assert len(left) == 2
