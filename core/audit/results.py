"""An audit's folder: `results.parquet`, a row a query and model, and `manifest.json`, how it came to be."""

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from core.audit.rows import AuditRow
from core.audit.spec import AuditSpec, audit_id, differences, queries_hash
from core.errors import SpecError, TailscopeError
from core.estimation.record import Estimate
from core.executors.worker import Prepared
from core.files.json_text import parse_json
from core.queries.query import Query
from core.settings.atomic import replacing

RESULTS = "results.parquet"
MANIFEST = "manifest.json"
FORMAT = 1
PACKAGES = ("torch", "transformers", "numpy", "scipy", "pyarrow", "ray")
# How long things took differs from run to run; all other columns are the same for the same audit.
TIMES = ("seconds", "samples_per_second")
NUMBERS = {
    "estimate", "standard_error", "ci_low", "ci_high", "confidence", "cs_low", "cs_high",
    "upper_bound_free", "ess", "ess_event", "khat", "max_weight_share", "max_weight_share_all",
    "mean_weight", "kl_target_proposal", "overlap", "proposal_mean_weight", "hit_rate",
    "monte_carlo_equivalent", "disagreement", "certain_low", "certain_high", *TIMES,
}  # fmt: skip
COUNTS = {"samples", "hits", "unjudged", "forward_tokens"}
TEXTS = {"method", "interval_method", "khat_reason", "verdict"}
NESTED = {"reasons", "second", "components"}
# Columns that older tables lack, and what they would hold.
ADDED = {"category": "", "system": None, "certain_low": 0.0, "certain_high": 1.0}
DIRECT = ("samples", "hits", "unjudged", "estimate", "ci_low", "ci_high")

SCHEMA = pa.schema(
    [
        ("query_id", pa.string()),
        ("query", pa.string()),
        ("group", pa.string()),
        ("category", pa.string()),
        ("system", pa.string()),
        ("model", pa.string()),
        ("behaviour", pa.string()),
        ("greedy_text", pa.string()),
        ("greedy_harmful", pa.bool_()),
        *((name, pa.string()) for name in sorted(TEXTS)),
        *((name, pa.int64()) for name in sorted(COUNTS)),
        *((name, pa.float64()) for name in sorted(NUMBERS)),
        *((name, pa.string()) for name in sorted(NESTED)),
        *((f"mc_{name}", pa.int64() if name in COUNTS else pa.float64()) for name in DIRECT),
        ("proposal", pa.string()),
        ("companions", pa.string()),
        ("seed", pa.int64()),
        ("threshold", pa.float64()),
        ("stopped", pa.string()),
        ("error", pa.string()),
    ]
)


def record(row: AuditRow) -> dict[str, Any]:
    """Returns a row of the results table. Nested values are JSON; what is not known is None."""
    request, greedy = row.request, row.greedy
    found = {
        "query_id": row.query.query_id,
        "query": row.query.text,
        "group": row.query.group,
        "category": row.query.category,
        "system": row.query.system,
        "model": row.model,
        "behaviour": request.behaviour,
        "greedy_text": greedy.text if greedy else None,
        "greedy_harmful": greedy.harmful if greedy else None,
        "proposal": _json(request.proposal.model_dump(mode="json")) if request.proposal else None,
        "companions": _json([one.model_dump(mode="json") for one in request.companions]),
        "seed": request.seed,
        "threshold": request.threshold,
        "stopped": row.stopped,
        "error": row.error,
    }
    values = row.estimate.to_dict() if row.estimate else {}
    found |= {name: values.get(name) for name in NUMBERS | COUNTS | TEXTS}
    found |= {name: _json(values.get(name)) for name in NESTED}
    if row.estimate is None:
        found["verdict"] = "do not use"
        found["method"] = request.method
    return found | _direct(row.monte_carlo)


def _direct(monte_carlo: Estimate | None) -> dict[str, Any]:
    values = monte_carlo.to_dict() if monte_carlo else {}
    return {f"mc_{name}": values.get(name) for name in DIRECT}


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def in_table_order(
    rows: Sequence[AuditRow], spec: AuditSpec, queries: Sequence[Query]
) -> list[AuditRow]:
    """Returns the rows model by model, in the order of the queries."""
    models = {model.name: number for number, model in enumerate(spec.models)}
    places = {query.query_id: number for number, query in enumerate(queries)}
    return sorted(rows, key=lambda row: (models[row.model], places[row.query.query_id]))


def table(rows: Sequence[AuditRow]) -> pa.Table:
    """Returns the results table."""
    return pa.Table.from_pylist([record(row) for row in rows], schema=SCHEMA)


def write_results(folder: Path, rows: Sequence[AuditRow]) -> None:
    """Writes the results in place of earlier ones, whole or not at all.

    Raises:
        TailscopeError: the folder cannot be written.
    """
    try:
        with replacing(folder / RESULTS) as temporary:
            pq.write_table(table(rows), temporary)
    except OSError as error:
        raise TailscopeError(
            f"results could not be written to {str(folder)!r}: {error.strerror or error}"
        ) from error


def read_results(folder: Path) -> pd.DataFrame:
    """Returns the results table of an audit's folder.

    Raises:
        SpecError: there is none that can be read.
    """
    try:
        # In one piece: opened twice, it might be one file's end and the pages of the next.
        content = pa.BufferReader((folder / RESULTS).read_bytes())
        found: pd.DataFrame = pq.read_table(content).to_pandas()
    except FileNotFoundError:
        raise SpecError(
            f"{str(folder)!r} holds no {RESULTS}; give the folder of an audit"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise SpecError(f"{str(folder / RESULTS)!r} cannot be read ({error})") from error
    # Of audits from before there were such columns.
    whole = found.assign(**{name: usual for name, usual in ADDED.items() if name not in found})
    known = [name for name in SCHEMA.names if name in whole]
    return whole[[*known, *(name for name in whole if name not in known)]]


def manifest(
    spec: AuditSpec,
    queries: Sequence[Query],
    prepared: Mapping[str, Prepared],
    earlier: Mapping[str, Any] | None = None,
    *,
    status: str,
    rows: int,
    **more: Any,
) -> dict[str, Any]:
    """Returns how an audit came to be, as JSON. status: running, finished or stopped.

    earlier: what earlier runs have noted of the models; this one may not have come to all of them.
    """
    return {
        "format": FORMAT,
        "audit": audit_id(spec, queries),
        "status": status,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "spec": spec.model_dump(mode="json"),
        "queries": {"count": len(queries), "hash": queries_hash(queries)},
        "models": {
            **(earlier or {}),
            **{name: {**noted(one), "told": list(one.told)} for name, one in prepared.items()},
        },
        "rows": rows,
        "versions": versions(),
        **more,
    }


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Writes a manifest in place of an earlier one, whole or not at all. Raises: as `write_results`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise TailscopeError(
            f"audit folder {str(folder)!r} could not be written: {error.strerror or error}"
        ) from error


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Returns an audit folder's manifest, None if there is none.

    Raises:
        SpecError: it cannot be read.
    """
    path = folder / MANIFEST
    try:
        content = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SpecError(f"{str(path)!r} cannot be read ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("spec"), dict):
        raise SpecError(f"{str(path)!r} is no manifest of an audit")
    return content


def check_resumes(
    earlier: dict[str, Any], spec: AuditSpec, queries: Sequence[Query], folder: Path
) -> dict[str, dict[str, Any]]:
    """Returns by model name what the earlier run has noted of it.

    Raises:
        SpecError: it asked something else; the message says what differs.
    """
    found = differences(earlier["spec"], spec.model_dump(mode="json"))
    before = earlier.get("queries", {})
    if before.get("hash") != queries_hash(queries):
        found.append(
            f"queries: were {before.get('count')} with another content or order, are {len(queries)}"
        )
    if found:
        raise SpecError(
            f"{str(folder)!r} holds another audit, and cannot be resumed as this one ({'; '.join(found)}); "
            "give another folder"
        )
    models: dict[str, dict[str, Any]] = earlier.get("models", {})
    return models


def noted(prepared: Prepared) -> dict[str, Any]:
    """Returns what decides a model's numbers beyond the spec, as JSON: weights, proposals and judge."""
    found: dict[str, Any] = {
        "fingerprint": prepared.known.model,
        "proposals": [each.model_dump(mode="json") for each in prepared.request.proposals],
        "proposal_fingerprints": prepared.known.proposals,
        "judge": prepared.judge_spec,
    }
    as_read: dict[str, Any] = json.loads(json.dumps(found))
    return as_read


def check_same(name: str, now: Mapping[str, Any], earlier: Mapping[str, Any]) -> None:
    """Raises SpecError if a model, its proposals or judge are not what an earlier run has noted."""
    for what, value in now.items():
        if what in earlier and earlier[what] != value:
            raise SpecError(
                f"model {name!r} is not asked as this audit began: its {what.replace('_', ' ')} was "
                f"{_brief(earlier[what])}, and is {_brief(value)}; give another folder"
            )


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
