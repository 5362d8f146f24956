"""An audit's rows, read again from its results table: what `core.audit.results.record` wrote."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import pandas as pd

from core.audit.replay import row_request
from core.audit.results import COUNTS, DIRECT, NESTED, NUMBERS, TEXTS
from core.audit.rows import Answer, AuditRow
from core.audit.spec import AuditSpec
from core.errors import SpecError
from core.estimation.component_checks import ComponentEstimate
from core.estimation.evidence import Reason
from core.estimation.record import Estimate
from core.estimation.second_opinion import SecondOpinion
from core.files.json_text import parse_json
from core.queries.query import Query
from core.runs.request import EstimateRequest

FIELDS = frozenset(field.name for field in fields(Estimate))
# Of a direct count the table keeps a few numbers; the rest is not known.
UNKNOWN: Mapping[str, Any] = {
    **dict.fromkeys(FIELDS & NUMBERS, math.nan),
    **dict.fromkeys(FIELDS & COUNTS, 0),
    **dict.fromkeys(FIELDS & TEXTS, ""),
    "reasons": (),
}


def rows_of(
    table: pd.DataFrame, spec: AuditSpec, manifest: Mapping[str, Any]
) -> tuple[AuditRow, ...]:
    """Returns the rows of a results table. Of a direct count only what the table holds is known.

    Raises:
        SpecError: a row is not one that this version understands.
    """
    return tuple(_row(one, spec, manifest) for one in table.to_dict("records"))


def _row(row: Mapping[Any, Any], spec: AuditSpec, manifest: Mapping[str, Any]) -> AuditRow:
    query = Query(
        str(row["query_id"]),
        str(row["query"]),
        _text(row["group"]),
        _text(row["category"]),
        _text(row["system"]) or None,
    )
    model = str(row["model"])
    greedy = None
    if not pd.isna(row["greedy_text"]):
        harmful = None if pd.isna(row["greedy_harmful"]) else bool(row["greedy_harmful"])
        greedy = Answer(str(row["greedy_text"]), harmful)
    try:
        return AuditRow(
            model=model,
            query=query,
            request=_request(spec, model, query, manifest),
            greedy=greedy,
            estimate=_estimate(row),
            monte_carlo=_direct(row),
            stopped=_text(row["stopped"]),
            error=_text(row["error"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SpecError(
            f"the row of query {query.query_id!r} and model {model!r} is not one of this version ({error})"
        ) from None


def _request(
    spec: AuditSpec, model: str, query: Query, manifest: Mapping[str, Any]
) -> EstimateRequest:
    if model in manifest.get("models", {}):
        return row_request(spec, model, query.text, manifest, query.system)
    # A model that could not be loaded has rows, each with its error, and the manifest notes nothing of it.
    known = next((one for one in spec.models if one.name == model), None)
    if known is None:
        raise SpecError(f"the audit has no model {model!r}")
    return spec.request(known, *query.asked)


def _estimate(row: Mapping[Any, Any]) -> Estimate | None:
    if pd.isna(row["samples"]):
        return None
    found: dict[str, Any] = {name: _number(row.get(name)) for name in FIELDS & NUMBERS}
    found |= {name: int(row[name]) for name in FIELDS & COUNTS}
    found |= {name: _text(row[name]) for name in FIELDS & TEXTS}
    nested = {name: _nested(row.get(name)) for name in NESTED}
    second = nested["second"]
    found["reasons"] = tuple(Reason(**one) for one in nested["reasons"] or ())
    found["second"] = None if second is None else SecondOpinion(**_numbers(second))
    found["components"] = tuple(
        ComponentEstimate(**_numbers(one)) for one in nested["components"] or ()
    )
    return Estimate(**found)


def _direct(row: Mapping[Any, Any]) -> Estimate | None:
    if pd.isna(row["mc_samples"]):
        return None
    known = {
        name: int(row[f"mc_{name}"]) if name in COUNTS else _number(row[f"mc_{name}"])
        for name in DIRECT
    }
    return Estimate(**{**UNKNOWN, **known, "method": "mc", "confidence": row["confidence"]})


def _nested(value: Any) -> Any:
    return parse_json(value) if isinstance(value, str) else None


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a nested result; JSON writes null for what is not finite."""
    return {name: math.nan if value is None else value for name, value in values.items()}


def _number(value: Any) -> float:
    return math.nan if value is None or pd.isna(value) else float(value)


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)
