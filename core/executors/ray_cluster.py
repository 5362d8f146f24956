"""Does tasks on a Ray cluster: one actor a GPU or a share of the CPUs, each with a model of its own.

An actor whose process or machine has died is replaced, and what it had in hand is done by whichever actor
is free first: the numbers do not depend on how many there are. An actor gets its first task once it runs,
so one for which there is no machine any more holds up nothing. The store stays on the machine that runs
the audit.
"""

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import SpecError, TailscopeError
from core.executors.base import Done
from core.executors.worker import InstallPrepared, Outcome, Worker, WorkItem
from core.runs.request import Fingerprints

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:  # an extra that few need
    raise SpecError(
        "executor 'ray' needs Ray, which is not installed; pip install -r requirements-cluster.txt"
    ) from error

ROOT = Path(__file__).parents[2]
# Ray's functions are typed here and there only.
_cluster: Any = ray

# Seconds to reach a cluster; Ray itself tries for minutes, and then ends the process.
REACH = 10.0
# Seconds to wait for all actors at the start, and for any actor at all.
GATHER, PATIENCE = 60.0, 600.0
# So many deaths over the same task, or of each actor in a row without an outcome, are no accident.
MAX_DEATHS = 5
# Bytes of shared memory of an own cluster. A shard takes half a megabyte; Ray would take a third of all.
OBJECT_STORE = 200_000_000


class RayExecutor:
    """An executor of Ray actors.

    workers: None for one a GPU, or one a CPU where there is none. address: of a cluster that runs; None
    for the one that RAY_ADDRESS names, or one of this machine's own.
    """

    # Actors may run on other machines, and say nothing before their task ends.
    shares_disk = False
    shares: tuple[float, ...] = ()

    def __init__(
        self, workers: int | None = None, address: str | None = None, device: str = "cpu"
    ) -> None:
        """Raises TailscopeError if the cluster cannot be reached."""
        self._own = not ray.is_initialized()
        if self._own:
            _connect(address)
        resources: dict[str, float] = _cluster.cluster_resources()
        share = {"num_gpus": 1.0} if device.startswith("cuda") else {"num_cpus": 1.0}
        there = int(resources.get("GPU" if "num_gpus" in share else "CPU", 0))
        self.workers = min(workers or there, there)
        if self.workers < 1:
            self._leave()
            raise SpecError(f"the Ray cluster has nothing to run a worker on: {resources}")
        self._kind: Any = ray.remote(_Actor).options(
            max_restarts=0,
            max_task_retries=0,
            # Machines of a cluster have Tailscope in the same folder.
            runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
            **share,
        )
        self._starting: dict[Any, Any] = {}
        self._free: deque[Any] = deque()
        self._running: dict[Any, tuple[str, WorkItem, Any]] = {}
        self._waiting: deque[tuple[str, WorkItem]] = deque()
        self._adopted: Any = None
        self._deaths: Counter[str] = Counter()
        self._in_a_row = 0
        self._alone_since: float | None = None
        for _ in range(self.workers):
            self._begin()

    def submit(self, name: str, task: WorkItem) -> None:
        """Hands a task to a free actor, or puts it in line."""
        self._waiting.append((name, task))
        self._hand_out()

    def collect(self, timeout: float) -> Sequence[Done]:
        """Returns what has ended since the last call.

        Raises:
            TailscopeError: actors die again and again, or none can be started any more.
        """
        found = []
        for reference in self._ended(timeout):
            if reference in self._starting:
                self._welcome(reference)
            else:
                found += self._take_back(reference)
        self._hand_out()
        self._check_patience()
        return found

    def everywhere(self, task: WorkItem) -> Sequence[Outcome]:
        """Has every actor that runs do a task. What is adopted goes along with all later tasks."""
        if isinstance(task, InstallPrepared):
            self._adopted = ray.put(task)
        outcomes: list[Outcome] = []
        while not outcomes:
            self._gather()
            asked = [(self._done_by(actor, task), actor) for actor in self._free]
            for reference, actor in asked:
                done = _done("", reference)
                if done is None:
                    self._free.remove(actor)
                    self._replace(actor)
                elif done.outcome is None:
                    raise TailscopeError(done.error)
                else:
                    outcomes.append(done.outcome)
        return outcomes

    def close(self) -> None:
        """Ends the actors, and the cluster if it was this process's own."""
        running = [actor for _, _, actor in self._running.values()]
        for actor in (*running, *self._starting.values(), *self._free):
            _end(actor)
        self._leave()

    def _leave(self) -> None:
        if self._own:
            ray.shutdown()

    def _begin(self) -> None:
        actor = self._kind.remote()
        self._starting[actor.hello.remote()] = actor

    def _replace(self, actor: Any) -> None:
        """Begins another actor. Ray places it as soon as there is a machine for it."""
        _end(actor)
        self._in_a_row += 1
        if self._in_a_row > MAX_DEATHS * self.workers:
            raise TailscopeError(
                f"Ray workers died {self._in_a_row} times in a row without an answer; the model may need "
                "more memory than a machine has, or Tailscope is not installed there in the same folder"
            )
        self._begin()

    def _welcome(self, reference: Any) -> None:
        actor = self._starting.pop(reference)
        try:
            ray.get(reference)
        except RayError:
            self._replace(actor)
            return
        self._free.append(actor)

    def _gather(self) -> None:
        """Waits for all actors to run; after a while, for one alone."""
        began = time.monotonic()
        while self._starting and (not self._free or time.monotonic() - began < GATHER):
            for reference in self._ended(1.0):
                if reference in self._starting:
                    self._welcome(reference)
            self._check_patience()

    def _ended(self, timeout: float) -> list[Any]:
        known = [*self._running, *self._starting]
        if not known:
            return []
        ended, others = ray.wait(known, num_returns=1, timeout=timeout)
        if ended and others:
            ended += ray.wait(others, num_returns=len(others), timeout=0)[0]
        return list(ended)

    def _take_back(self, reference: Any) -> list[Done]:
        name, task, actor = self._running.pop(reference)
        done = _done(name, reference)
        if done is not None:
            self._in_a_row = 0
            del self._deaths[name]
            self._free.append(actor)
            return [done]
        self._deaths[name] += 1
        self._replace(actor)
        if self._deaths[name] >= MAX_DEATHS:
            return [
                Done(name, error=f"{self._deaths.pop(name)} workers died over this, one by one")
            ]
        self._waiting.appendleft((name, task))
        return []

    def _hand_out(self) -> None:
        while self._waiting and self._free:
            name, task = self._waiting.popleft()
            actor = self._free.popleft()
            self._running[self._done_by(actor, task)] = (name, task, actor)

    def _done_by(self, actor: Any, task: WorkItem) -> Any:
        # What is adopted goes with every task: an actor that came later has not heard of it.
        return actor.do.remote(task, self._adopted)

    def _check_patience(self) -> None:
        if self._free or self._running:
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        if now - self._alone_since > PATIENCE:
            raise TailscopeError(
                f"the Ray cluster has started no worker for {PATIENCE:.0f} seconds; it has lost its "
                "machines, or others use them; resume the audit once there are some"
            )


class _Actor:
    """A worker in a process of Ray's."""

    def __init__(self) -> None:
        self._worker = Worker()
        self._adopted: Fingerprints | None = None

    def hello(self) -> None:
        """Says that it runs."""

    def do(self, task: WorkItem, adopt: InstallPrepared | None) -> Outcome:
        if adopt is not None and adopt.prepared.known != self._adopted:
            self._worker.do(adopt)
            self._adopted = adopt.prepared.known
        return self._worker.do(task)


def _connect(address: str | None) -> None:
    named = address or os.environ.get("RAY_ADDRESS") or ""
    # Ray notes there that its own cluster asks for a token, which is as it should be.
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        _check_answers(named)
        ray.init(
            address=address,
            log_to_driver=False,
            include_dashboard=False,
            configure_logging=False,
            object_store_memory=OBJECT_STORE if named in ("", "local") else None,
        )
    except (OSError, RayError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TailscopeError(
            f"no Ray cluster answers at {named or 'this machine'!r}; start one with `ray start --head`, "
            f"or leave the address out ({reason})"
        ) from error


def _check_answers(address: str) -> None:
    """Raises OSError if nobody listens at host:port."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal() and int(port) < 2**16:
        socket.create_connection((host, int(port)), REACH).close()


def _done(name: str, reference: Any) -> Done | None:
    """Returns a task's end, or None if its worker was lost over it."""
    try:
        return Done(name, ray.get(reference))
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, TailscopeError):
            return Done(name, error=str(cause))
        return Done(name, error=f"a worker stopped on an unexpected error: {cause!r}")
    except RayError:
        return None


def _end(actor: Any) -> None:
    with suppress(RayError):
        ray.kill(actor)
