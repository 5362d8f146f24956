"""A run: one question asked by importance sampling and by Monte Carlo, under one short id.

The id is a hash of all that the result depends on: the same run is never made twice, and a link
that holds it does not carry the query.
"""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import ValidationError

from cache import MemoryStore, Store, StoreError, default_folder, open_store, spec_hash
from core.errors import SpecError
from core.judges.base import Judge
from core.models.loading import LoadedModel
from core.runs.catalogue import Entry, now, remember, short_title
from core.runs.estimate import JudgedInHand, sample_in_hand, second_request, second_samples
from core.runs.request import EstimateRequest
from core.runs.task import RunTask, run_task
from core.sampling.scored import JudgedShard
from core.sampling.shards import AnyStore
from core.settings.user import user_settings
from core.spec import OptionalSamples, Samples, Spec

Drawing = JudgedShard | JudgedInHand
ArmName = Literal["weighted", "mc"]
# Importance sampling by the request's own method, and Monte Carlo beside it.
ARMS: tuple[ArmName, ...] = ("weighted", "mc")
# With method `is`: the arm of the second proposal, which only the verdict hears.
SECOND = "second"
RUN_ID = re.compile(r"[0-9a-f]{16}")


class RunSpec(Spec):
    """A request, and how many answers each arm draws; 0 leaves Monte Carlo out."""

    request: EstimateRequest
    importance_samples: Samples = 1_000
    monte_carlo_samples: OptionalSamples = 10_000

    @property
    def run_id(self) -> str:
        """16 hex digits."""
        return spec_hash({"run": self.model_dump(mode="json")})[:16]

    def arm_request(self, arm: ArmName) -> EstimateRequest:
        """Returns the request of one arm."""
        if arm == "weighted":
            return self.request
        return self.request.model_copy(update={"method": "mc"})

    def seen_at(self, threshold: float) -> "RunSpec":
        """Returns the run as read under another threshold: of the same draws and scores, under another id."""
        request = self.request.model_copy(update={"threshold": threshold})
        return self.model_copy(update={"request": request})

    def arm_samples(self, arm: ArmName) -> int:
        """Returns how many answers an arm draws."""
        return self.importance_samples if arm == "weighted" else self.monte_carlo_samples


def open_default_store() -> Store | MemoryStore:
    """Returns the user's own store, with the limit that the user has set."""
    try:
        limit = user_settings().store_limit
    except SpecError:  # told where the limit is set
        limit = None
    return open_store(default_folder(), size_limit=limit)


def is_run_id(text: object) -> bool:
    """Returns whether a text, from a link say, has the form of a run id."""
    return isinstance(text, str) and RUN_ID.fullmatch(text) is not None


def save_run(store: AnyStore, spec: RunSpec) -> None:
    """Keeps a run's spec under its id; a store that cannot be written notes so in its events."""
    try:
        store.put_json(f"runs/{spec.run_id}", spec.model_dump(mode="json"))
    except StoreError:
        return


def load_run(store: AnyStore, run_id: str) -> RunSpec | None:
    """Returns the run under an id; None if there is none that this version understands."""
    if not is_run_id(run_id):
        return None
    try:
        stored = store.get_json(f"runs/{run_id}")
        return None if stored is None else RunSpec(**stored)
    except (StoreError, ValidationError, TypeError):
        return None


def make_task(loaded: LoadedModel, judge: Judge, store: AnyStore, spec: RunSpec) -> RunTask:
    """Returns the run's task, not yet started.

    Raises:
        TailscopeError: the run does not fit the model.
    """

    def arm(request: EstimateRequest, samples: int) -> tuple[int, Iterator[Drawing]]:
        return samples, noted(sample_in_hand(loaded, request, judge, samples, store))

    keys: set[str] = set()
    rows = 0
    wanted = sum(spec.arm_samples(name) for name in ARMS)
    if spec.request.method == "is":
        wanted += second_samples(spec.importance_samples)

    def noted(shards: Iterator[Drawing]) -> Iterator[Drawing]:
        """Yields the shards, and keeps the run's entry in the catalogue up to date."""
        nonlocal rows
        for shard in shards:
            if not isinstance(shard, JudgedShard):
                yield shard
                continue
            key = shard.drawn.key.partition("/")[0]
            rows += len(shard.drawn)
            # The last shard too, which may well come from the store: its rows would never be told.
            if key not in keys or not shard.drawn.stored or rows >= wanted:
                keys.add(key)
                remember(store, _entry(spec, rows), keys)
            yield shard

    arms: dict[str, tuple[int, Iterator[Drawing]]] = {}
    if spec.request.method == "is":
        # First, so that no headline is shown that the second proposal has not been heard on.
        witness = second_request(loaded, spec.request, store)
        arms[SECOND] = arm(witness, second_samples(spec.importance_samples))
    for name in ARMS:
        if spec.arm_samples(name) > 0:
            arms[name] = arm(spec.arm_request(name), spec.arm_samples(name))
    return run_task(arms, notices=store.drain_events)


def _entry(spec: RunSpec, rows: int) -> Entry:
    return Entry(
        kind="run",
        id=spec.run_id,
        saved=now(),
        title=short_title(spec.request.query),
        spec=spec.model_dump(mode="json"),
        rows=rows,
    )
