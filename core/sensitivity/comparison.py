"""Comparisons of a query's variants: estimated under one short id, stored, and read again.

The store keeps the variants and what their rows depend on; estimates are computed from the stored answers.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import AliasChoices, ConfigDict, Field, ValidationError, field_validator

from cache import StoreError, spec_hash
from core.audit.driver import Audit
from core.audit.leases import Leases
from core.audit.progress import AuditStep
from core.audit.query import under
from core.audit.replay import stored_answers
from core.audit.results import noted
from core.audit.rows import AuditRow
from core.audit.spec import AuditSpec, queries_hash
from core.errors import TailscopeError
from core.executors.base import Executor
from core.executors.worker import Prepared
from core.runs.catalogue import Entry, now, remember, short_title
from core.runs.estimate import estimate_shards, second_samples
from core.runs.request import EstimateRequest
from core.runs.run import is_run_id
from core.sampling.shards import AnyStore
from core.sensitivity.variants import ORIGINAL, Variant
from core.spec import Spec
from core.tasks import Steps

# How often the catalogue is updated while answers are drawn.
WRITTEN_EVERY = 5.0  # seconds


class Comparison(Spec):
    """A query and its variants, under settings that all share.

    variants: the unchanged query first. Stored as `asked`, its name in earlier stores. notes: where the
    wordings come from. source: the command line's options for the same wordings; empty for its default, None
    if they need a file.
    """

    spec: AuditSpec
    model_config = ConfigDict(serialize_by_alias=True)

    variants: tuple[Variant, ...] = Field(
        validation_alias=AliasChoices("variants", "asked"), serialization_alias="asked"
    )
    notes: tuple[str, ...] = ()
    source: tuple[str, ...] | None = None

    @field_validator("variants")
    @classmethod
    def _variants(cls, value: tuple[Variant, ...]) -> tuple[Variant, ...]:
        if len(value) < 2 or value[0].variant_id != ORIGINAL:
            raise ValueError(f"a comparison is of the query and its variants, got {len(value)}")
        if len({variant.variant_id for variant in value}) < len(value):
            raise ValueError("each variant of a comparison must have an id of its own")
        return value

    @property
    def query(self) -> str:
        """The unchanged query."""
        return self.variants[0].text

    @property
    def name(self) -> str:
        """16 hex digits, the same for the same variants under the same settings."""
        content = {
            "sensitivity": self.spec.model_dump(mode="json"),
            "queries": queries_hash([variant.query for variant in self.variants]),
            "generations": [
                variant.generation.model_dump(mode="json") for variant in self.variants
            ],
        }
        return spec_hash(content)[:16]

    @property
    def answers(self) -> int:
        """The most answers to draw: a sample and the greedy answer for each variant."""
        return len(self.variants) * (self.spec.samples + 1)


@dataclass(frozen=True)
class VariantRow:
    """A variant and its row of results."""

    variant: Variant
    row: AuditRow


@dataclass(frozen=True)
class ComparisonSoFar:
    """What is known of a comparison.

    rows: a later one of the same variant replaces it. finished, total: variants; those read from the store to
    be shown until they are estimated again are not finished. drawn, stored: answers, drawn now and read from
    the store. told: what a reader must know about how the model is asked, a sentence each.
    """

    rows: tuple[VariantRow, ...] = ()
    finished: int = 0
    total: int = 0
    drawn: int = 0
    stored: int = 0
    told: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every variant has its row."""
        return 0 < self.total == self.finished

    @property
    def last_known(self) -> tuple[VariantRow, ...]:
        """The rows, of each variant the last."""
        return tuple({row.variant.variant_id: row for row in self.rows}.values())


class _Arm(Spec):
    """A sample's request for any query, and what its rows depend on besides."""

    request: EstimateRequest
    noted: dict[str, Any]

    @classmethod
    def of(cls, prepared: Prepared) -> Self:
        return cls(request=prepared.request, noted=noted(prepared))


class _Record(Spec):
    """The store's record of a comparison.

    arm: None until its model was loaded. second: with method `is`. errors: by variant, why it has no
    estimate.
    """

    comparison: Comparison
    arm: _Arm | None = None
    second: _Arm | None = None
    errors: dict[str, str] = Field(default_factory=dict)


def keep(store: AnyStore, comparison: Comparison) -> None:
    """Stores a comparison under its id; a store that cannot be written reports it in its events."""
    if _read(store, comparison.name) is None:
        _write(store, _Record(comparison=comparison))


def load(store: AnyStore, name: str) -> Comparison | None:
    """Returns the comparison under an id; None if there is none that this version can read."""
    record = _read(store, name)
    return None if record is None else record.comparison


def comparison_steps(
    comparison: Comparison, executor: Executor, store: AnyStore
) -> Steps[ComparisonSoFar, ComparisonSoFar]:
    """Yields the progress of estimating each variant. What is in the store is not drawn again.

    The catalogue is brought up to date, whatever ends the work. Raises: as `Audit.run`.
    """
    variants = {variant.variant_id: variant for variant in comparison.variants}
    now = ComparisonSoFar(total=len(variants))
    with Leases(store) as leases:
        generations = {name: variant.generation for name, variant in variants.items()}
        queries = [variant.query for variant in comparison.variants]
        audit = Audit(comparison.spec, queries, executor, store, leases, generations)
        book = _Bookkeeper(comparison, audit, store)
        try:
            rows: tuple[VariantRow, ...] = ()
            for progress in audit.run():
                step = progress.partial
                book.write(step)
                rows += tuple(VariantRow(variants[row.query.query_id], row) for row in step.rows)
                told = tuple(one for every in audit.prepared.values() for one in every.told)
                now = ComparisonSoFar(
                    rows, step.finished, step.total, step.drawn, step.stored, told
                )
                yield progress.with_partial(now)
        finally:
            book.close()
    return now


class _Bookkeeper:
    """Keeps the store's record of a comparison and its entry in the catalogue up to date."""

    def __init__(self, comparison: Comparison, audit: Audit, store: AnyStore) -> None:
        self._comparison, self._audit, self._store = comparison, audit, store
        self._errors: dict[str, str] = {}
        self._finished = self._rows = 0
        self._written = 0.0
        keep(store, comparison)

    def write(self, step: AuditStep) -> None:
        self._finished, self._rows = step.finished, step.drawn + step.stored
        self._errors |= {row.query.query_id: row.error for row in step.rows if row.error}
        if self._audit.sampling_keys and time.monotonic() - self._written > WRITTEN_EVERY:
            self._save("running")

    def close(self) -> None:
        whole = self._finished == len(self._comparison.variants)
        self._save("finished" if whole else "stopped")

    def _save(self, status: str) -> None:
        self._written = time.monotonic()
        prepared = self._audit.prepared.get(self._comparison.spec.models[0].name)
        if prepared is not None:
            second = None if prepared.second is None else _Arm.of(prepared.second)
            record = _Record(
                comparison=self._comparison,
                arm=_Arm.of(prepared),
                second=second,
                errors=self._errors,
            )
            _write(self._store, record)
        entry = _entry(self._comparison, self._rows, status)
        remember(self._store, entry, self._audit.sampling_keys)


def stored_rows(comparison: Comparison, store: AnyStore) -> Iterator[VariantRow]:
    """Yields the variants whose answers are all in the store. Nothing is drawn and no judge is called."""
    record = _read(store, comparison.name)
    if record is None:
        return
    model = comparison.spec.models[0].name
    for variant in comparison.variants:
        if variant.variant_id in record.errors:
            request = comparison.spec.request(comparison.spec.models[0], comparison.query)
            row = AuditRow(model, variant.query, request, error=record.errors[variant.variant_id])
            yield VariantRow(variant, row)
        elif record.arm is not None:
            try:
                row = _stored_row(
                    comparison.spec.samples, variant, record.arm, record.second, store
                )
            except (TailscopeError, StoreError):
                continue  # gone from the store, or never drawn
            yield VariantRow(variant, row)


def _stored_row(
    samples: int, variant: Variant, arm: _Arm, second: _Arm | None, store: AnyStore
) -> AuditRow:
    def read(of: _Arm, count: int) -> tuple[EstimateRequest, Any]:
        request = under(of.request.model_copy(update={"query": variant.text}), variant.generation)
        about: Mapping[str, Any] = {"models": {request.model: of.noted}}
        return request, stored_answers(request, about, store, planned=count, drawn=count)

    request, shards = read(arm, samples)
    witness = () if second is None else read(second, second_samples(samples))[1]
    estimate = estimate_shards(shards, request, witness)
    return AuditRow(request.model, variant.query, request, estimate=estimate)


def _entry(comparison: Comparison, rows: int, status: str) -> Entry:
    others = len(comparison.variants) - 1
    ways = "way" if others == 1 else "ways"
    return Entry(
        kind="wordings",
        id=comparison.name,
        saved=now(),
        title=f"{short_title(comparison.query)}: {others:,} other {ways} to ask it",
        spec=comparison.spec.model_dump(mode="json"),
        rows=rows,
        queries=len(comparison.variants),
        status=status,
    )


def _place(name: str) -> str:
    return f"wordings/{name}"


def _write(store: AnyStore, record: _Record) -> None:
    try:
        store.put_json(_place(record.comparison.name), record.model_dump(mode="json"))
    except StoreError:
        return  # the store has noted why among its events


def _read(store: AnyStore, name: str) -> _Record | None:
    if not is_run_id(name):
        return None
    try:
        stored = store.get_json(_place(name))
        record = None if stored is None else _Record(**stored)
    except (StoreError, ValidationError, TypeError):
        return None
    # If another version computed the id differently, the answers cannot be found.
    return record if record is not None and record.comparison.name == name else None
