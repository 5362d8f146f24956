"""Does tasks in several processes of this machine."""

import multiprocessing
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from core.errors import TailscopeError
from core.executors.base import LOOK_EVERY, Done
from core.executors.spawned import answer, begin
from core.executors.worker import Outcome, WorkItem
from core.models.threads import usable_cores
from core.tasks import check_cancelled

# A pool that breaks so often in a row, without a single outcome, breaks on the work itself.
MAX_BREAKS = 3
# So does one task that was in hand at so many breaks, whatever else came to an end in between.
MAX_DEATHS = 8


class ProcessExecutor:
    """An executor of worker processes."""

    shares_disk = True

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._breaks = 0
        self._deaths: Counter[str] = Counter()
        self._tasks: dict[str, WorkItem] = {}
        self._running: dict[Future[Outcome], str] = {}
        self._pool = self._new_pool()

    @property
    def shares(self) -> tuple[float, ...]:
        """How much each worker has done of its task."""
        return tuple(self._shares[:])

    def submit(self, name: str, task: WorkItem) -> None:
        """Hands a task to whichever worker is free first."""
        self._tasks[name] = task
        if not self._start(name):
            self._mend()

    def collect(self, timeout: float) -> Sequence[Done]:
        """Returns what has ended; a worker that died is replaced, and what it had in hand is done again.

        Raises:
            TailscopeError: they die again and again.
        """
        if not self._running:
            return ()
        ended, _ = wait(self._running, timeout, return_when=FIRST_COMPLETED)
        found: list[Done] = []
        broken = False
        for future in ended:
            name = self._running.pop(future)
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                broken = True
                continue
            self._breaks = 0
            self._forget(name)
            found.append(_done(name, future, error))
        if broken:
            found += self._given_up()
            self._mend()
        return found

    def everywhere(self, task: WorkItem) -> Sequence[Outcome]:
        """Has one worker do a task: on one machine, what they prepare is the same."""
        while True:
            try:
                with _no_interrupts():
                    future = self._pool.submit(answer, task)
                while not wait([future], LOOK_EVERY).done:
                    check_cancelled()
                return (future.result(),)
            except BrokenProcessPool:
                self._mend()

    def close(self) -> None:
        """Ends the workers, also in the middle of a task."""
        # The pool forgets them as it shuts down, and would let them finish.
        processes = list((self._pool._processes or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()

    def _start(self, name: str) -> bool:
        """Returns whether the pool took a task; a broken one does not."""
        try:
            with _no_interrupts():
                self._running[self._pool.submit(answer, self._tasks[name])] = name
        except BrokenProcessPool:
            return False
        return True

    def _mend(self) -> None:
        """Begins a new pool with all that is in hand."""
        started = False
        while not started:
            self._breaks += 1
            if self._breaks > MAX_BREAKS:
                raise TailscopeError(
                    f"worker processes died {self._breaks} times in a row without an answer; the model "
                    "may need more memory than there is: use fewer workers"
                )
            self.close()
            self._pool = self._new_pool()
            self._running.clear()
            started = all(self._start(name) for name in self._tasks)

    def _given_up(self) -> list[Done]:
        """Returns the tasks over which too many workers have died."""
        self._deaths.update(self._tasks.keys())
        names = [name for name, count in self._deaths.items() if count >= MAX_DEATHS]
        for name in names:
            self._forget(name)
        return [Done(name, error=f"{MAX_DEATHS} workers died over this") for name in names]

    def _forget(self, name: str) -> None:
        del self._tasks[name]
        self._deaths.pop(name, None)

    def _new_pool(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork of a process with threads may stand still for ever.
        context = multiprocessing.get_context("spawn")
        self._shares = context.Array("d", self.workers)
        threads = max(1, usable_cores() // self.workers)
        return ProcessPoolExecutor(
            self.workers,
            mp_context=context,
            initializer=begin,
            initargs=(self._shares, context.Value("i", 0), threads),
        )


def _done(name: str, future: Future[Outcome], error: BaseException | None) -> Done:
    if error is None:
        return Done(name, future.result())
    if isinstance(error, TailscopeError):
        return Done(name, error=str(error))
    return Done(name, error=f"a worker stopped on an unexpected error: {error!r}")


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Workers that are started meanwhile never see Ctrl-C: their parent does, and ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
