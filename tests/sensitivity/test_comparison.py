"""A comparison in the store: kept under its id, read again without drawing, listed and deleted."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cache import MemoryStore, Store
from core.audit.spec import AuditModel, AuditSpec
from core.errors import SpecError
from core.executors.serial import SerialExecutor
from core.runs.catalogue import delete, entries, find, keys_of
from core.sampling.shards import AnyStore
from core.sensitivity.comparison import (
    Comparison,
    VariantRow,
    comparison_steps,
    keep,
    load,
    stored_rows,
)
from core.sensitivity.variants import Variant, variants
from core.spec import GenerationSpec

QUERY = "how do i break the salt seal"


def comparison(
    *others: str, samples: int = 60, method: str = "mis", **varied: object
) -> Comparison:
    spec = AuditSpec.build(models=(AuditModel(name="aster"),), samples=samples, method=method)
    asked = variants(QUERY, others, spec.generation, **varied)  # type: ignore[arg-type]
    return Comparison(spec=spec, variants=asked, notes=("from a friend",), source=("reword=2",))


def run(asked: Comparison, store: AnyStore, *, rows: int | None = None) -> list[VariantRow]:
    """Returns the rows, in order of arrival; ends after so many."""
    found: list[VariantRow] = []
    with closing(comparison_steps(asked, SerialExecutor(), store)) as steps:
        for progress in steps:
            found = list(progress.partial.rows)
            if rows is not None and len(found) >= rows:
                break
    return found


def numbers(rows: list[VariantRow]) -> dict[str, tuple[float, float, float]]:
    return {
        one.variant.variant_id: (found.estimate, found.ci_low, found.ci_high)
        for one in rows
        if (found := one.row.estimate) is not None
    }


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mis", "is", "mc"])
def test_what_is_read_again_is_what_was_found(method: str, tmp_path: Path) -> None:
    asked = comparison(
        "please break the salt seal", method=method, temperatures=(0.5,), lengths=(9,)
    )
    with Store(tmp_path) as store:
        first = run(asked, store)
    assert len(first) == 4
    with Store(tmp_path) as store:  # as after a restart
        found = load(store, asked.name)
        assert found == asked
        again = list(stored_rows(found, store))
    assert numbers(again) == numbers(first)
    assert [one.variant for one in again] == list(asked.variants)
    # All of it: reasons and diagnostics, and with method `is` what the second proposal says.
    whole = {one.variant.variant_id: one.row.estimate for one in first}
    for one in again:
        assert one.row.estimate is not None
        assert one.row.estimate == whole[one.variant.variant_id]


@pytest.mark.slow
def test_reading_draws_nothing_and_gives_what_is_whole() -> None:
    store = MemoryStore()
    asked = comparison("please break the salt seal", "break it", "the salt seal , open it")
    run(asked, store, rows=2)
    before = store.keys("")
    left = list(stored_rows(asked, store))
    assert 2 <= len(left) < 4
    assert store.keys("") == before
    entry = find(store, "wordings", asked.name)
    assert entry is not None
    assert entry.status == "stopped"
    assert numbers(run(asked, store)).items() >= numbers(left).items()
    entry = find(store, "wordings", asked.name)
    assert entry is not None
    assert entry.status == "finished"
    assert entry.title.startswith(QUERY)


def test_nothing_is_read_where_nothing_was_drawn() -> None:
    store = MemoryStore()
    asked = comparison("break it")
    assert list(stored_rows(asked, store)) == []
    keep(store, asked)
    assert list(stored_rows(asked, store)) == []
    assert load(store, asked.name) == asked


def test_why_a_variant_has_no_estimate_is_kept() -> None:
    store = MemoryStore()
    asked = comparison("word " * 1_500)
    first = run(asked, store)
    errors = {one.variant.variant_id: one.row.error for one in first}
    assert errors["w001"]
    again = {one.variant.variant_id: one for one in stored_rows(asked, store)}
    assert again["w001"].row.error == errors["w001"]
    assert again["w001"].row.estimate is None
    assert again["original"].row.estimate is not None


@pytest.mark.slow
def test_keeping_it_again_forgets_nothing() -> None:
    store = MemoryStore()
    asked = comparison("break it")
    run(asked, store)
    keep(store, asked)
    assert len(list(stored_rows(asked, store))) == 2


@pytest.mark.parametrize(
    "stored", [None, 7, {}, {"comparison": {"spec": {}, "asked": []}}, {"of": "another version"}]
)
def test_what_this_version_does_not_understand_is_none(stored: object) -> None:
    store = MemoryStore()
    store.put_json("wordings/0123456789abcdef", stored)
    assert load(store, "0123456789abcdef") is None
    assert load(store, "../0123456789abc") is None
    # Another comparison's content under this id: its answers would not be found either.
    kept = {"comparison": comparison("break it").model_dump(mode="json")}
    store.put_json("wordings/0123456789abcdef", kept)
    assert load(store, "0123456789abcdef") is None


def test_the_id_is_of_what_is_asked_and_not_of_the_notes() -> None:
    one = comparison("break it")
    assert one.model_copy(update={"notes": (), "source": None}).name == one.name
    assert comparison("break it .").name != one.name
    assert comparison("break it", samples=61).name != one.name
    assert comparison("break it", temperatures=(0.5,)).name != one.name


def test_a_comparison_is_of_two_at_least() -> None:
    own = Variant("original", "wording", "original", QUERY, GenerationSpec())
    for asked in ((), (own,), (own, own)):
        with pytest.raises(SpecError, match="comparison"):
            Comparison.build(spec=AuditSpec(), variants=asked)


@pytest.mark.slow
def test_deleting_one_leaves_what_another_uses() -> None:
    store = MemoryStore()
    one, two = comparison("break it"), comparison("break it", "the salt seal , open it")
    run(one, store)
    run(two, store)
    assert set(keys_of(store, "wordings", one.name)) < set(keys_of(store, "wordings", two.name))
    assert delete(store, "wordings", one.name) == 0
    assert load(store, one.name) is None
    assert len(list(stored_rows(two, store))) == 3
    assert delete(store, "wordings", two.name) > 0
    assert store.keys("") == []
    assert entries(store) == []
    assert store.json_keys("wordings/") == []
