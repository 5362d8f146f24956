"""A comparison of variants: what is asked under one short id, estimated, kept, and read again.

The store keeps what was asked and what the rows depend on; the estimates are made of the stored answers.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator

from cache import StoreError, spec_hash
from core.audit.driver import Audit, Progress
from core.audit.leases import Leases
from core.audit.replay import stored_answers
from core.audit.results import noted
from core.audit.rows import AuditRow, under
from core.audit.spec import AuditSpec, queries_hash
from core.errors import TailscopeError
from core.executors.base import Executor
from core.executors.worker import Prepared
from core.runs.catalogue import Entry, now, remember, short_title
from core.runs.request import EstimateRequest, estimate_shards, second_samples
from core.runs.run import is_run_id
from core.sampling.shards import AnyStore
from core.sensitivity.variants import ORIGINAL, Variant
from core.spec import Spec

# The catalogue is brought up to date so often while answers are drawn.
WRITTEN_EVERY = 5.0  # seconds


class Comparison(Spec):
    """What is asked: the query as it stands, then its variants, under the settings that all share.

    notes: on where the wordings come from. source: the command line's options for the same wordings; empty
    for its default, None if they need a file.
    """

    spec: AuditSpec
    asked: tuple[Variant, ...]
    notes: tuple[str, ...] = ()
    source: tuple[str, ...] | None = None

    @field_validator("asked")
    @classmethod
    def _asked(cls, value: tuple[Variant, ...]) -> tuple[Variant, ...]:
        if len(value) < 2 or value[0].variant_id != ORIGINAL:
            raise ValueError(f"a comparison is of the query and its variants, got {len(value)}")
        if len({one.variant_id for one in value}) < len(value):
            raise ValueError("each variant of a comparison must have an id of its own")
        return value

    @property
    def query(self) -> str:
        """The query as it stands."""
        return self.asked[0].text

    @property
    def name(self) -> str:
        """16 hex digits: the same variants under the same settings have the same."""
        content = {
            "sensitivity": self.spec.model_dump(mode="json"),
            "queries": queries_hash([one.query for one in self.asked]),
            "generations": [one.generation.model_dump(mode="json") for one in self.asked],
        }
        return spec_hash(content)[:16]

    @property
    def answers(self) -> int:
        """Answers that are drawn at most: to each its sample and the likeliest."""
        return len(self.asked) * (self.spec.samples + 1)


@dataclass(frozen=True)
class VariantRow:
    """A variant and what was found."""

    variant: Variant
    row: AuditRow


class _Arm(Spec):
    """A sample's request, with any query, and what its rows depend on beside it."""

    request: EstimateRequest
    noted: dict[str, Any]

    @classmethod
    def of(cls, prepared: Prepared) -> Self:
        return cls(request=prepared.request, noted=noted(prepared))


class _Kept(Spec):
    """What the store holds of a comparison. arm: None before its model was loaded; second: with method `is`.

    errors: by variant, why it has no estimate.
    """

    comparison: Comparison
    arm: _Arm | None = None
    second: _Arm | None = None
    errors: dict[str, str] = Field(default_factory=dict)


def keep(store: AnyStore, comparison: Comparison) -> None:
    """Keeps what is asked under its id; a store that cannot be written notes so in its events."""
    if _read(store, comparison.name) is None:
        _write(store, _Kept(comparison=comparison))


def load(store: AnyStore, name: str) -> Comparison | None:
    """Returns the comparison under an id; None if there is none that this version understands."""
    found = _read(store, name)
    return None if found is None else found.comparison


def estimated(
    comparison: Comparison, executor: Executor, store: AnyStore
) -> Generator[tuple[Progress, tuple[VariantRow, ...]], None, None]:
    """Yields progress with the rows that are new, each once. What is in the store is not drawn again.

    The catalogue hears of it, whatever ends the work. Raises: as `Audit.run`.
    """
    asked = comparison.asked
    known = {one.variant_id: one for one in asked}
    with Leases(store) as leases:
        generations = {one.variant_id: one.generation for one in asked}
        queries = [one.query for one in asked]
        audit = Audit(comparison.spec, queries, executor, store, leases, generations)
        book = _Book(comparison, audit, store)
        try:
            for event in audit.run():
                book.write(event)
                yield event, tuple(VariantRow(known[r.query.query_id], r) for r in event.rows)
        finally:
            book.close()


class _Book:
    """Keeps the store's record of a comparison and its entry in the catalogue up to date."""

    def __init__(self, comparison: Comparison, audit: Audit, store: AnyStore) -> None:
        self._comparison, self._audit, self._store = comparison, audit, store
        self._errors: dict[str, str] = {}
        self._finished = self._rows = 0
        self._written = 0.0
        keep(store, comparison)

    def write(self, event: Progress) -> None:
        self._finished, self._rows = event.finished, event.drawn + event.stored
        self._errors |= {row.query.query_id: row.error for row in event.rows if row.error}
        if self._audit.sampling_keys and time.monotonic() - self._written > WRITTEN_EVERY:
            self._save("running")

    def close(self) -> None:
        whole = self._finished == len(self._comparison.asked)
        self._save("finished" if whole else "stopped")

    def _save(self, status: str) -> None:
        self._written = time.monotonic()
        prepared = self._audit.prepared.get(self._comparison.spec.models[0].name)
        if prepared is not None:
            second = None if prepared.second is None else _Arm.of(prepared.second)
            found = _Kept(
                comparison=self._comparison,
                arm=_Arm.of(prepared),
                second=second,
                errors=self._errors,
            )
            _write(self._store, found)
        entry = _entry(self._comparison, self._rows, status)
        remember(self._store, entry, self._audit.sampling_keys)


def stored_rows(comparison: Comparison, store: AnyStore) -> Iterator[VariantRow]:
    """Yields the variants whose answers are all in the store. Nothing is drawn and no judge is asked."""
    kept = _read(store, comparison.name)
    if kept is None:
        return
    model = comparison.spec.models[0].name
    for one in comparison.asked:
        if one.variant_id in kept.errors:
            request = comparison.spec.request(comparison.spec.models[0], comparison.query)
            row = AuditRow(model, one.query, request, error=kept.errors[one.variant_id])
            yield VariantRow(one, row)
        elif kept.arm is not None:
            try:
                row = _stored_row(comparison.spec.samples, one, kept.arm, kept.second, store)
            except (TailscopeError, StoreError):
                continue  # gone from the store, or never drawn
            yield VariantRow(one, row)


def _stored_row(
    samples: int, one: Variant, arm: _Arm, second: _Arm | None, store: AnyStore
) -> AuditRow:
    def read(of: _Arm, count: int) -> tuple[EstimateRequest, Any]:
        request = under(of.request.model_copy(update={"query": one.text}), one.generation)
        about: Mapping[str, Any] = {"models": {request.model: of.noted}}
        return request, stored_answers(request, about, store, planned=count, drawn=count)

    request, shards = read(arm, samples)
    witness = () if second is None else read(second, second_samples(samples))[1]
    estimate = estimate_shards(shards, request, witness)
    return AuditRow(request.model, one.query, request, estimate=estimate)


def _entry(comparison: Comparison, rows: int, status: str) -> Entry:
    others = len(comparison.asked) - 1
    ways = "way" if others == 1 else "ways"
    return Entry(
        kind="wordings",
        id=comparison.name,
        saved=now(),
        title=f"{short_title(comparison.query)}: {others:,} other {ways} to ask it",
        spec=comparison.spec.model_dump(mode="json"),
        rows=rows,
        queries=len(comparison.asked),
        status=status,
    )


def _place(name: str) -> str:
    return f"wordings/{name}"


def _write(store: AnyStore, kept: _Kept) -> None:
    try:
        store.put_json(_place(kept.comparison.name), kept.model_dump(mode="json"))
    except StoreError:
        return  # the store has noted why among its events


def _read(store: AnyStore, name: str) -> _Kept | None:
    if not is_run_id(name):
        return None
    try:
        stored = store.get_json(_place(name))
        found = None if stored is None else _Kept(**stored)
    except (StoreError, ValidationError, TypeError):
        return None
    # Under another version's idea of an id its answers are not to be found.
    return found if found is not None and found.comparison.name == name else None
