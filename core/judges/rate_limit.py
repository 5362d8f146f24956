"""What the requests to one server know of each other: when to wait, and when to give the server up."""

import threading
import time

# So many answers in a row without a reply, or so many requests in a row that were late, and the server is
# taken to be down.
GIVE_UP_AFTER = 8


class Pacer:
    """Lets requests go at most so often a minute, evenly spaced; shared by threads."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute is not None else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def least_seconds(self, requests: int) -> float:
        """Returns how long so many requests take at least."""
        return max(0, requests - 1) * self._gap

    def wait(self, stop: threading.Event) -> None:
        """Returns when the next request may go, or at once when stop is set."""
        if self._gap == 0.0:
            return
        # The others wait for the lock, so that no turn is kept for one that is stopped meanwhile.
        with self._lock:
            if not stop.wait(max(0.0, self._next - time.monotonic())):
                self._next = time.monotonic() + self._gap


class Latency:
    """How long replies took; shared by threads."""

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


class Watch:
    """Counts failures in a row, for the threads of one call; `stop` is set when it is enough."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.reason = ""
        self._failed = 0
        self._late = 0
        self._lock = threading.Lock()

    def answer(self, *, failed: bool) -> None:
        """Counts an answer as failed, after all its attempts, or as dealt with."""
        with self._lock:
            self._failed = self._failed + 1 if failed else 0
            if self._failed >= GIVE_UP_AFTER:
                self._give_up(f"the server failed for {GIVE_UP_AFTER} answers in a row")

    def attempt(self, *, late: bool) -> None:
        """Counts a request that had to be given up as late, or to which the server said anything."""
        with self._lock:
            self._late = self._late + 1 if late else 0
            if self._late >= GIVE_UP_AFTER:
                self._give_up(f"the server was late {GIVE_UP_AFTER} times in a row")

    def _give_up(self, reason: str) -> None:
        # Once given up on, a straggler's reply does not start it all again.
        self.reason = self.reason or reason
        self.stop.set()
