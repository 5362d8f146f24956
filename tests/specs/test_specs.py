"""Laws that every spec keeps: it survives JSON, and refuses what is no number where one is expected."""

import importlib
import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import first_sentence
from core.runs.request import EstimateRequest
from core.spec import GenerationSpec, ProposalSpec, Spec
from tests.specs.strategies import SPECS

ROOT = Path(__file__).parents[2]
# Only held by others, or only in part: nothing is built of them alone.
BASES = {"DirectedSpec", "EstimationSpec", "LocalJudgeSpec", "ProposalSpec"}
every_spec = pytest.mark.parametrize("kind", SPECS, ids=lambda kind: kind.__name__)


def subclasses(kind: type) -> Iterator[type]:
    for found in kind.__subclasses__():
        yield found
        yield from subclasses(found)


def test_every_spec_of_core_is_tried_here() -> None:
    for path in sorted((ROOT / "core").rglob("*.py")):
        if re.search(r"^class \w+\(\w*Spec\)", path.read_text("utf-8"), re.MULTILINE):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    mine = {one for one in subclasses(Spec) if one.__module__.startswith("core.")}
    public = {one for one in mine if not one.__name__.startswith("_")}
    assert {one.__name__ for one in public} - BASES == {one.__name__ for one in SPECS}


@every_spec
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_spec_survives_json(kind: type[Spec], data: st.DataObject) -> None:
    spec = data.draw(SPECS[kind])
    text = json.dumps(spec.model_dump(mode="json"), allow_nan=False)
    again = kind(**json.loads(text))
    assert again == spec
    assert json.dumps(again.model_dump(mode="json")) == text


@cache
def valid(kind: type[Spec]) -> Spec:
    """Returns a valid spec of a kind: the first that is drawn, which is about the simplest."""
    found: Spec = find(SPECS[kind], lambda spec: True, settings=settings(phases=[Phase.generate]))
    return found


def numbers(annotation: object) -> set[type]:
    """Returns which of int and float an annotation holds; a spec within it is tried on its own."""
    if annotation in (int, float):
        return {int if annotation is int else float}
    return {found for part in get_args(annotation) for found in numbers(part)}


NUMERIC = [
    (kind, name)
    for kind in SPECS
    for name, field in kind.model_fields.items()
    if numbers(field.annotation)
]


@pytest.mark.parametrize(("kind", "name"), NUMERIC, ids=lambda one: getattr(one, "__name__", one))
@pytest.mark.parametrize("bad", [True, False, math.nan, math.inf, -math.inf])
def test_a_number_is_neither_a_bool_nor_infinite(kind: type[Spec], name: str, bad: Any) -> None:
    spec = valid(kind)
    held = (bad,) if str(kind.model_fields[name].annotation).startswith("tuple") else bad
    with pytest.raises(ValidationError) as caught:
        kind(**{**dict(spec), name: held})
    sentence = first_sentence(caught.value)
    assert str(bad) in sentence
    assert name.split("_", maxsplit=1)[0] in sentence or kind.__name__ in (
        "Risk",
        "Traffic",
        "SearchGrid",
    )


def test_json_true_is_no_number() -> None:
    for text in ('{"temperature": true}', '{"top_k": true}', '{"max_new_tokens": false}'):
        with pytest.raises(ValidationError, match=r"valid (number|integer)"):
            GenerationSpec.model_validate_json(text)


def test_a_whole_number_may_be_spelled_as_a_float() -> None:
    assert GenerationSpec(max_new_tokens=7.0).max_new_tokens == 7
    with pytest.raises(ValidationError):
        GenerationSpec(max_new_tokens=7.5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": -1}, "seed must be a whole number from 0 to 2^63-1, got -1"),
        ({"seed": 2**63}, "seed must be a whole number from 0 to 2^63-1, got 9223372036854775808"),
        ({"seed": True}, "seed: input should be a valid integer, got True"),
        ({"threshold": 0.0}, "threshold must be above 0 and at most 1, got 0"),
        ({"threshold": math.nan}, "threshold must be above 0 and at most 1, got nan"),
        ({"defensive_share": 1.01}, "defensive_share must be in 0..1, got 1.01"),
        ({"query": " "}, "query must hold at least one visible character, got ' '"),
    ],
)
def test_a_refusal_names_the_value(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        EstimateRequest.build(**{"query": "q", **fields})


def test_a_kind_narrows_its_strength_and_keeps_its_place() -> None:
    for kind in ProposalSpec.__subclasses__():
        assert list(kind.model_fields)[:4] == ["kind", "strength", "alpha_mix", "t_switch"]
