"""An audit's folder as the app and the command line share it: its spec, its queries, and how to go on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.audit.results import (
    RESULTS,
    check_resumes,
    manifest,
    read_manifest,
    read_results,
    write_manifest,
)
from core.audit.spec import AuditSpec, queries_hash
from core.behaviours.load import load_queries
from core.errors import SpecError, TailscopeError, first_sentence
from core.queries import read_query_file
from core.queries.query import Query
from core.runs.catalogue import QUERIES


@dataclass(frozen=True)
class AuditFolder:
    """An audit as its folder tells it. queries: None where only their hash is known."""

    path: Path
    manifest: dict[str, Any]
    spec: AuditSpec
    queries: tuple[Query, ...] | None

    @property
    def audit_id(self) -> str:
        return str(self.manifest["audit"])

    @property
    def total(self) -> int:
        """Rows of the finished table: queries times models."""
        return int(self.manifest["queries"]["count"]) * len(self.spec.models)

    @property
    def finished(self) -> bool:
        return self.manifest.get("status") == "finished"

    @property
    def queries_file(self) -> Path | None:
        """The file that the queries are read from; None for the behaviour's own."""
        if (self.path / QUERIES).exists():
            return self.path / QUERIES
        named = self.manifest.get("queries_file")
        return Path(named) if named else None

    def noted(self) -> dict[str, dict[str, Any]]:
        """Returns by model name what earlier runs have noted of it."""
        return check_resumes(self.manifest, self.spec, self.queries or (), self.path)


def begin_folder(path: Path, spec: AuditSpec, queries: Sequence[Query]) -> AuditFolder:
    """Makes the folder of an audit that is about to run, or returns the one that is there.

    Raises:
        TailscopeError: it cannot be written, or holds another audit.
    """
    earlier = read_manifest(path)
    if earlier is None:
        content = manifest(spec, queries, {}, status="stopped", rows=0, queries_file=QUERIES)
        write_manifest(path, content)
        _write_queries(path / QUERIES, queries)
    else:
        check_resumes(earlier, spec, queries, path)
    return open_folder(path)


def open_folder(path: Path) -> AuditFolder:
    """Returns the audit in a folder, whoever has made it.

    Raises:
        SpecError: there is none, or none that this version understands.
    """
    found = read_manifest(path)
    if found is None:
        raise SpecError(
            f"{str(path)!r} holds no audit; give the folder that `audit --out` has made"
        )
    try:
        spec = AuditSpec(**found["spec"])
        audit, queries = found["audit"], found["queries"]
        if not isinstance(audit, str) or not isinstance(queries["count"], int):
            raise SpecError(f"the manifest in {str(path)!r} is not one of this version")
    except ValidationError as error:
        raise SpecError(f"the audit in {str(path)!r}: {first_sentence(error)}") from None
    except (KeyError, TypeError):
        raise SpecError(f"the manifest in {str(path)!r} is not one of this version") from None
    return AuditFolder(path, found, spec, _queries(path, spec, str(queries.get("hash"))))


def _write_queries(path: Path, queries: Sequence[Query]) -> None:
    lines = [json.dumps(one.record(), ensure_ascii=False) for one in queries]
    try:
        path.write_text("\n".join(lines) + "\n", "utf-8")
    except OSError as error:
        raise TailscopeError(
            f"the queries could not be written to {str(path)!r}: {error.strerror}"
        ) from error


def _queries(path: Path, spec: AuditSpec, wanted: str) -> tuple[Query, ...] | None:
    """Returns the queries whose hash is the manifest's, from wherever they can be had."""
    for read in (_from_file, _from_behaviour, _from_results):
        try:
            found = read(path, spec)
        except TailscopeError:
            continue
        if found and queries_hash(found) == wanted:
            return found
    return None


def _from_file(path: Path, spec: AuditSpec) -> tuple[Query, ...]:
    return read_query_file(path / QUERIES).queries


def _from_behaviour(path: Path, spec: AuditSpec) -> tuple[Query, ...]:
    return load_queries(spec.behaviour)


def _from_results(path: Path, spec: AuditSpec) -> tuple[Query, ...]:
    if not (path / RESULTS).exists():
        return ()
    table = read_results(path)
    first = table[table["model"] == spec.models[0].name]
    names = ["query_id", "query", "group", "category", "system"]
    # Missing texts are no numbers: pandas reads them as nan.
    rows = first[names].astype(object).where(first[names].notna(), None)
    return tuple(
        Query(query_id, text, group or "", category or "", system)
        for query_id, text, group, category, system in rows.to_numpy().tolist()
    )
