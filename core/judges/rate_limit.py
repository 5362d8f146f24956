"""State shared by all requests to one server: when to send the next, and when to give the server up."""

import threading
import time

# After so many answers in a row without a reply, or so many late requests in a row, the server counts as
# down.
GIVE_UP_AFTER = 8


class Pacer:
    """Limits requests to a number a minute, evenly spaced; shared by threads."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute is not None else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def least_seconds(self, requests: int) -> float:
        """Returns the least time that so many requests take."""
        return max(0, requests - 1) * self._gap

    def wait(self, stop: threading.Event) -> None:
        """Blocks until the next request may be sent, or until stop is set."""
        if self._gap == 0.0:
            return
        # Other threads wait for the lock, so that no slot is reserved for a thread that is stopped meanwhile.
        with self._lock:
            if not stop.wait(max(0.0, self._next - time.monotonic())):
                self._next = time.monotonic() + self._gap


class Latency:
    """The mean time of replies; shared by threads."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._replies = 0
        self._lock = threading.Lock()

    def add(self, seconds: float) -> None:
        """Counts one reply."""
        with self._lock:
            self._seconds += seconds
            self._replies += 1

    def mean(self) -> float | None:
        """Returns the mean in seconds, None before the first reply."""
        with self._lock:
            return self._seconds / self._replies if self._replies else None


class FailureCounter:
    """Counts failures in a row over the threads of one call; sets `stop` when there are too many."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.reason = ""
        self._failed = 0
        self._late = 0
        self._lock = threading.Lock()

    def count_answer(self, *, failed: bool) -> None:
        """Counts an answer as failed, after all its attempts, or as done."""
        with self._lock:
            self._failed = self._failed + 1 if failed else 0
            if self._failed >= GIVE_UP_AFTER:
                self._give_up(f"the server failed for {GIVE_UP_AFTER} answers in a row")

    def count_attempt(self, *, late: bool) -> None:
        """Counts a request as late, or as answered in time."""
        with self._lock:
            self._late = self._late + 1 if late else 0
            if self._late >= GIVE_UP_AFTER:
                self._give_up(f"the server was late {GIVE_UP_AFTER} times in a row")

    def _give_up(self, reason: str) -> None:
        # The first reason stays: a late reply does not revive a server that was given up.
        self.reason = self.reason or reason
        self.stop.set()
