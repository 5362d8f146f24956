"""The catalogue: what was ever run, kept beside the shards and never read from them.

An entry is a run's, an audit's or that of a comparison of wordings.

An entry also names the samples that its result was made of, so that deleting it frees the shards that no
other entry uses.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from cache import StoreError
from core.audit.results import MANIFEST, RESULTS
from core.audit.spec import AuditSpec, audit_id
from core.errors import TailscopeError
from core.queries.query import Query
from core.sampling.shards import AnyStore
from core.settings.operator import user_folder
from core.spec import Finite, Spec, Whole

Kind = Literal["run", "audit", "wordings"]
# What the store holds of an entry beside its samples.
OWN = {"run": "runs", "wordings": "wordings"}
# Apart from each other: a list of entries must not read a thousand keys with each.
ENTRIES, KEYS = "catalogue", "catalogue-keys"
TITLE_CHARACTERS = 90
QUERIES = "queries.jsonl"


class Entry(Spec):
    """What the catalogue says of a run, an audit, or a comparison of wordings.

    saved: ISO time of the last change. title: for a person; it may hold a query, and stays in the user's own
    store. spec: of the run or audit, as JSON; a comparison's is that of an audit. rows: answers that its
    result is made of. queries: how many. status: running, finished or stopped; a run has none. folder: of an
    audit, on this machine. seconds_per_answer: as measured, None if nothing was drawn.
    """

    kind: Kind
    id: str
    saved: str
    title: str
    spec: dict[str, Any]
    rows: Whole = 0
    queries: Whole = 1
    status: str = ""
    folder: str | None = None
    seconds_per_answer: Finite | None = None


def audits_folder() -> Path:
    """Returns where the app keeps the folders of its audits."""
    return user_folder() / "audits"


def remember(store: AnyStore, entry: Entry, keys: Iterable[str] = ()) -> None:
    """Keeps an entry in place of an earlier one; keys: of samples it used, added to those known.

    rows and seconds_per_answer never get lost: an audit that only read the store again has drawn nothing.
    """
    before = find(store, entry.kind, entry.id)
    if before is not None:
        pace = entry.seconds_per_answer or before.seconds_per_answer
        rows = max(entry.rows, before.rows)
        entry = entry.model_copy(update={"rows": rows, "seconds_per_answer": pace})
    try:
        known = set(keys_of(store, entry.kind, entry.id))
        if not known.issuperset(keys):
            store.put_json(_name(KEYS, entry.kind, entry.id), sorted(known | set(keys)))
        store.put_json(_name(ENTRIES, entry.kind, entry.id), entry.model_dump(mode="json"))
    except StoreError:
        return  # the store has noted why among its events


def audit_entry(
    spec: AuditSpec,
    queries: Sequence[Query],
    folder: Path,
    *,
    rows: int,
    status: str,
    seconds_per_answer: float | None = None,
) -> Entry:
    """Returns the entry of an audit."""
    names = ", ".join(Path(model.name).name for model in spec.models)
    return Entry(
        kind="audit",
        id=audit_id(spec, queries),
        saved=now(),
        title=f"{len(queries):,} {spec.behaviour} queries: {names}",
        spec=spec.model_dump(mode="json"),
        rows=rows,
        queries=len(queries),
        status=status,
        folder=str(folder.absolute()),
        seconds_per_answer=seconds_per_answer,
    )


def now() -> str:
    """Returns the time as entries have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def short_title(text: str) -> str:
    """Returns text on one line, cut to what a list shows."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARACTERS else line[: TITLE_CHARACTERS - 2] + " …"


def find(store: AnyStore, kind: Kind, id: str) -> Entry | None:
    """Returns an entry; None if there is none that this version understands."""
    try:
        return _entry(store.get_json(_name(ENTRIES, kind, id)))
    except StoreError:
        return None


def entries(store: AnyStore) -> list[Entry]:
    """Returns all entries, the newest first. No shard is read."""
    found = []
    for name in store.json_keys(f"{ENTRIES}/"):
        try:
            entry = _entry(store.get_json(name))
        except StoreError:
            continue
        if entry is not None:
            found.append(entry)
    return sorted(found, key=lambda entry: entry.saved, reverse=True)


def keys_of(store: AnyStore, kind: Kind, id: str) -> tuple[str, ...]:
    """Returns the keys of the samples that an entry has used."""
    return _keys(store, _name(KEYS, kind, id))


def _keys(store: AnyStore, name: str) -> tuple[str, ...]:
    try:
        found = store.get_json(name)
    except StoreError:
        return ()
    if not isinstance(found, list):
        return ()
    return tuple(key for key in found if isinstance(key, str) and key)


def delete(store: AnyStore, kind: Kind, id: str) -> int:
    """Deletes an entry and the shards and scores that no other entry uses; returns how many.

    An audit's folder goes too if it is one of the app's own; one elsewhere stays.

    Raises:
        TailscopeError: the store cannot be written.
    """
    try:
        count = _delete_entry(store, kind, id)
    except StoreError as error:
        raise TailscopeError(str(error)) from error
    if kind == "audit":
        _delete_folder(audits_folder() / id)
    return count


def _delete_entry(store: AnyStore, kind: Kind, id: str) -> int:
    mine = set(keys_of(store, kind, id))
    for name in store.json_keys(f"{KEYS}/"):
        if name != _name(KEYS, kind, id):
            mine.difference_update(_keys(store, name))
    # Scores lie under "scores/<judge>/<sample>/<rows>", draws under "<sample>/<rows>".
    names = store.keys("")
    doomed = [name for name in names if _sample_of(name) in mine]
    count = sum(store.drop(name) for name in doomed)
    for name in (_name(KEYS, kind, id), _name(ENTRIES, kind, id)):
        store.drop(name)
    if kind in OWN:
        store.drop(f"{OWN[kind]}/{id}")
    return count


def _delete_folder(folder: Path) -> None:
    # By name and not the whole tree: whatever else lies there is not the app's to delete.
    if folder.resolve().parent != audits_folder().resolve():
        return
    try:
        for name in (RESULTS, MANIFEST, QUERIES):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    except OSError:
        return


def _sample_of(name: str) -> str:
    parts = name.split("/")
    return parts[-2] if len(parts) >= 2 else ""


def _entry(content: Any) -> Entry | None:
    try:
        return None if content is None else Entry(**content)
    except (ValidationError, TypeError):
        return None


def _name(group: str, kind: Kind, id: str) -> str:
    return f"{group}/{kind}/{id}"
