"""Results made once for all who ask for them, and ahead of being asked for."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from core.errors import TailscopeError


class SingleFlightCache:
    """Results by key. Who asks for one that is being made waits for it; the longest unused ones go.

    most: what all results may cost together, in the unit of `get`'s cost. The last one stays, whatever it
    costs.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self._changed = threading.Condition()
        self._found: OrderedDict[Hashable, tuple[Any, float]] = OrderedDict()
        self._making: set[Hashable] = set()
        self._waited_for = 0

    def __contains__(self, key: Hashable) -> bool:
        with self._changed:
            return key in self._found

    def get(
        self, key: Hashable, make: Callable[[], Any], cost: float = 0.0, *, ahead: bool = False
    ) -> Any:
        """Returns what is kept under a key, or makes it.

        ahead: nobody waits for it; it is begun only when nobody waits for anything.

        Raises: as `make`, of which nothing is kept then.
        """
        with self._changed:
            self._waited_for += not ahead
        try:
            with self._changed:
                self._changed.wait_for(
                    lambda: key not in self._making and not (ahead and self._waited_for)
                )
                if key in self._found:
                    self._found.move_to_end(key)
                    return self._found[key][0]
                self._making.add(key)
            try:
                value = make()
                self._keep(key, value, cost)
                return value
            finally:
                with self._changed:
                    self._making.discard(key)
        finally:
            with self._changed:
                self._waited_for -= not ahead
                self._changed.notify_all()

    def _keep(self, key: Hashable, value: Any, cost: float) -> None:
        with self._changed:
            self._found[key] = (value, cost)
            total = sum(each for _, each in self._found.values())
            while total > self.most and len(self._found) > 1:
                _, (_, freed) = self._found.popitem(last=False)
                total -= freed


class Prefetcher:
    """Does what may be asked for next, one task after the other, in a thread that ends with the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, deque[Callable[[], object]]] = {}
        self._thread: threading.Thread | None = None

    def want(self, owner: str, tasks: Iterable[Callable[[], object]]) -> None:
        """Puts tasks in the place of those of this owner that have not begun, the likeliest first."""
        with self._lock:
            self._tasks[owner] = deque(tasks)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="Ahead", daemon=True)
                self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Returns when nothing is left to do, or after `timeout` seconds."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except TailscopeError:
                # Whoever asks for it is told then.
                continue
            except BaseException:
                with self._lock:
                    self._thread = None
                raise

    def _next(self) -> Callable[[], object] | None:
        """Returns a task of the owner who has waited longest; None, and the thread ends, after the last."""
        with self._lock:
            while self._tasks:
                owner, tasks = next(iter(self._tasks.items()))
                del self._tasks[owner]
                if tasks:
                    self._tasks[owner] = tasks
                    return tasks.popleft()
            self._thread = None
            return None
