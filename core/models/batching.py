"""Runs rows in batches that fit the memory; after an out-of-memory error the batch is halved."""

import gc
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import torch

from core.errors import ModelError
from core.models.batch_sizes import batch_sizes
from core.models.loading import LoadedModel
from core.tasks import Progress, Steps, result_of

# Messages of the allocators: CUDA and MPS, the CPU on Linux, the CPU on Windows, CUDA's matrix library.
OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cublas_status_alloc_failed",
)
Batch = TypeVar("Batch")

# Matrix kernels treat the last few rows of a batch in their own way. A multiple of 16 rows keeps every
# row's arithmetic, and so every bit of its result, independent of how many rows run beside it. (But not
# in a mixture of experts, where an expert's batch is as long as other rows make it: 1e-5 there.)
ROW_MULTIPLE = 16

# For each model that once ran out of memory: the most known to fit, in rows times `row_cost`.
_fits: WeakKeyDictionary[LoadedModel, int] = WeakKeyDictionary()


@dataclass(frozen=True)
class RanBatch(Generic[Batch]):
    """What a batch has given, and how long it was computed."""

    result: Batch
    seconds: float


def padded_rows(count: int) -> int:
    """Returns the number of rows to run so that `count` of them are wanted."""
    return -(-count // ROW_MULTIPLE) * ROW_MULTIPLE


def in_batches(
    loaded: LoadedModel,
    rows: range,
    batch_rows: int,
    run: Callable[[range], Batch],
    *,
    row_cost: int = 1,
) -> list[Batch]:
    """Returns the results of `run` on consecutive batches of `rows`, given by their numbers.

    As `batch_steps`, without progress; a batch is never made smaller for the sake of time.

    Raises:
        ModelError: a single row does not fit.
    """

    def steps(batch: range) -> Steps[None, Batch]:
        yield from ()
        return run(batch)

    ran = result_of(batch_steps(loaded, rows, batch_rows, steps, row_cost=row_cost, in_time=False))
    return [batch.result for batch in ran]


def batch_steps(
    loaded: LoadedModel,
    rows: range,
    batch_rows: int,
    run: Callable[[range], Steps[None, Batch]],
    *,
    row_cost: int = 1,
    in_time: bool = True,
) -> Steps[tuple[RanBatch[Batch], ...], list[RanBatch[Batch]]]:
    """Yields the progress in answers, with the batches that are finished; returns all of them.

    A batch that runs out of memory is halved and tried again; finished batches are kept. The next call for
    the same model starts with the size that worked. On a slow model, batches are so small that they end
    within seconds, if their size changes no result.

    Parameters
    ----------
    rows: given to `run` batch by batch, by their numbers; it yields its own progress.
    row_cost: the memory of a row, in any unit that stays the same, such as tokens in the cache.
    in_time: whether time counts, not memory alone.

    Raises
    ------
    ModelError: a single row does not fit.
    """
    sizes = batch_sizes(loaded, row_cost) if in_time else None
    tried: list[int] = []
    results: list[RanBatch[Batch]] = []
    done = 0
    while done < len(rows):
        size = min(batch_rows, len(rows) - done)
        if sizes is not None:
            size = min(size, sizes.size)
        if loaded in _fits:
            size = min(size, max(1, _fits[loaded] // row_cost))
        at = Progress(done, len(rows), "answers", partial=tuple(results))
        result = yield from _attempt(run, rows[done : done + size], at)
        results += result
        done += size * len(result)
        if not result:
            # Not in the exception handler, where the error keeps the tensors of its frames alive.
            _free_memory(loaded.device)
            tried.append(size)
            if size == 1:
                raise ModelError(_does_not_fit(loaded, tried))
            _fits[loaded] = size // 2 * row_cost
            continue
        if sizes is not None:
            sizes.took(size, result[0].seconds)
        if done < len(rows):
            yield Progress(done, len(rows), "answers", partial=tuple(results))
    return results


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error means that memory ran out, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(phrase in text for phrase in OUT_OF_MEMORY)


def _attempt(
    run: Callable[[range], Steps[None, Batch]],
    batch: range,
    before: Progress[tuple[RanBatch[Batch], ...]],
) -> Steps[tuple[RanBatch[Batch], ...], list[RanBatch[Batch]]]:
    """Returns the batch's result in a list, which is empty if memory ran out.

    before: the progress up to this batch. Seconds in which nobody asks for the next step do not count.
    """
    seconds = 0.0
    try:
        with closing(run(batch)) as steps:
            while True:
                began = time.perf_counter()
                try:
                    part = next(steps)
                except StopIteration as end:
                    return [RanBatch(end.value, seconds + time.perf_counter() - began)]
                seconds += time.perf_counter() - began
                yield replace(before, done=before.done + len(batch) * part.share)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return []


def _free_memory(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _does_not_fit(loaded: LoadedModel, tried: list[int]) -> str:
    sizes = ", ".join(str(size) for size in tried)
    return (
        f"{loaded.name!r} ran out of memory on {loaded.device} at every batch size tried ({sizes}); "
        "shorter answers, a smaller dtype such as bfloat16, or another device help"
    )
