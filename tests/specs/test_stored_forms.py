"""Specs that were stored, and their ids, are read as they are written: taken down on 22 November."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.audit.spec import AuditSpec, audit_id
from core.queries.query import Query
from core.runs.run import RunSpec
from core.sampling.shards import sampling_key
from core.sampling.spec import SamplingSpec
from core.sensitivity.comparison import Comparison
from core.spec import Spec
from core.tails.spec import TailSpec

STORED: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("stored_forms.json").read_text("utf-8")
)
KINDS: dict[str, type[Spec]] = {
    "run": RunSpec,
    "audit": AuditSpec,
    "comparison": Comparison,
    "sampling": SamplingSpec,
    "tail": TailSpec,
}
QUERIES = (Query("q1", "how ?", "g"), Query("q2", "-why é?", ""))


def known_as(spec: Spec) -> str | None:
    """Returns the id under which a spec is kept; None if it has none."""
    if isinstance(spec, RunSpec):
        return spec.run_id
    if isinstance(spec, AuditSpec):
        return audit_id(spec, QUERIES)
    if isinstance(spec, Comparison):
        return spec.name
    return sampling_key(spec) if isinstance(spec, SamplingSpec) else None


@pytest.mark.parametrize(
    ("kind", "stored"), [(kind, one) for kind, every in STORED.items() for one in every]
)
def test_a_stored_spec_keeps_its_form_and_its_id(kind: str, stored: dict[str, Any]) -> None:
    spec = KINDS[kind](**json.loads(stored["json"]))
    # Ids are hashes of sorted keys: the order of fields is free.
    now, then = spec.model_dump(mode="json"), json.loads(stored["json"])
    assert json.dumps(now, sort_keys=True) == json.dumps(then, sort_keys=True)
    assert known_as(spec) == stored.get("id")
