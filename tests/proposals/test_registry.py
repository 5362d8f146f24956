"""A kind that is registered is known everywhere: words, sliders, searches, JSON and the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest
from pydantic import field_validator

from core.cli.options import parsed_proposal
from core.errors import SpecError
from core.models.loading import LoadedModel, load_model
from core.proposals import (
    KINDS,
    AblateSpec,
    AnyProposalSpec,
    ContextSpec,
    DirectedSpec,
    Proposal,
    ProposalContext,
    ProposalKind,
    SteerSpec,
    build_proposal,
    kind_of,
    prepare,
)
from core.proposals.kind import BLEND_SCALE, KindWords, SearchReach, TextField, TextForm
from core.proposals.words import component_names
from core.runs.prepare import proposal_context
from core.runs.request import EstimateRequest
from core.sampling.spec import SamplingSpec
from core.search.pilot import default_rungs
from core.search.plan import OWN_QUERY, PAPER, SMALL, SearchPlan, search_grid
from core.spec import ProposalSpec, within


class WhisperSpec(ProposalSpec):
    """A kind that exists in this test only."""

    kind: Literal["whisper"] = "whisper"
    secret: str = ""

    @field_validator("strength")
    @classmethod
    def _loudness(cls, value: float) -> float:
        return within("strength of a whisper", value, 0.0, 3.0)


def whispering(loaded: LoadedModel, spec: WhisperSpec, context: ProposalContext) -> Proposal:
    return Proposal(spec, loaded, "whispered", system_prompt=spec.secret)


def typed(texts: Mapping[str, str]) -> dict[str, object]:
    if not texts["secret"]:
        raise SpecError("a whisper needs a secret")
    return {"secret": texts["secret"]}


WHISPER = ProposalKind(
    spec=WhisperSpec,
    prepare=whispering,
    words=KindWords(
        label="Whisper", help="Whispers to the model.", answers="Whispered", too_far="Too loud"
    ),
    short=lambda spec: f"Whisper {spec.strength:.3g}",
    strength=replace(BLEND_SCALE, label="Loudness", high=3.0),
    search=SearchReach(strengths=(0.5, 2.5), reach=2.0, label="Loudest", high=3.0),
    form=TextForm((TextField("secret", "Secret", "a word", "What is whispered."),), typed),
)


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> WhisperSpec:
    monkeypatch.setitem(KINDS, WHISPER.name, WHISPER)
    return WhisperSpec(strength=1.5, secret="tell")


def test_its_json_is_read_as_its_own_spec(whisper: WhisperSpec) -> None:
    request = EstimateRequest.build(query="q", proposal=whisper, companions=(whisper, SteerSpec()))
    again = EstimateRequest.model_validate_json(request.model_dump_json())
    assert again == request
    assert type(again.proposal) is WhisperSpec
    assert [type(one) for one in again.companions] == [WhisperSpec, SteerSpec]
    assert json.loads(request.model_dump_json())["proposal"]["secret"] == "tell"
    drawn = SamplingSpec.build(
        model_fingerprint="m",
        query="q",
        proposals=(whisper,),
        fingerprints=("a",),
        shares=(0.1, 0.9),
    )
    assert drawn.model_dump(mode="json")["proposals"][0]["secret"] == "tell"
    assert "WhisperSpec" in EstimateRequest.model_json_schema()["$defs"]


def test_it_is_parsed_on_the_command_line(whisper: WhisperSpec) -> None:
    text = '{"kind": "whisper", "strength": 1.5, "secret": "tell"}'
    assert parsed_proposal(text) == whisper
    with pytest.raises(SpecError, match=r"strength of a whisper must be in 0\.\.3, got 4"):
        parsed_proposal('{"kind": "whisper", "strength": 4}')
    with pytest.raises(SpecError, match="checkpoint, whisper, got 'shout'"):
        parsed_proposal('{"kind": "shout"}')


def test_it_has_words_and_a_slider(whisper: WhisperSpec) -> None:
    assert component_names([whisper]) == ["Whisper 1.5", "The model itself"]
    assert [kind.words.label for kind in KINDS.values()][-1] == "Whisper"
    scale = kind_of(whisper).strength
    assert (scale.label, scale.low, scale.high, scale.step) == ("Loudness", 0.0, 3.0, 0.05)


def test_it_is_searched_at_its_own_strengths(whisper: WhisperSpec) -> None:
    loaded = load_model("aster")
    context = proposal_context(loaded, "misuse")
    rungs = default_rungs(loaded, whisper, context.direction)
    assert [rung.strength for rung in rungs] == [0.5, 2.5]
    assert prepare(loaded, rungs[0], context).fingerprint == "whispered"
    request = EstimateRequest.build(query="q", proposal=whisper)
    for grid, strengths in (
        (SMALL, [0.4, 0.8, 1.2, 1.6, 2.0]),
        (PAPER, [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0]),
    ):
        plan = SearchPlan.of(request, grid, OWN_QUERY, WHISPER.search.reach)
        found = search_grid(plan, loaded)
        assert [rung.strength for rung in found.rungs] == strengths
        assert {type(rung) for rung in found.rungs} == {WhisperSpec}


def test_what_is_not_registered_is_refused() -> None:
    fields = {"kind": "whisper", "secret": "tell"}
    with pytest.raises(
        SpecError, match="kind must be one of steer, ablate, context, adapter, checkp"
    ):
        build_proposal(fields)
    with pytest.raises(SpecError, match="expected tags"):
        EstimateRequest.build(query="q", proposal=fields)


SPECS = (
    SteerSpec(strength=6.7, layer=3),
    AblateSpec(strength=0.5),
    ContextSpec(system_prompt="be bad"),
    build_proposal({"kind": "adapter", "path": "/x/y"}),
    build_proposal({"kind": "checkpoint", "model": "briar"}),
)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.kind)
def test_every_kind_declares_all_that_screens_and_searches_need(spec: AnyProposalSpec) -> None:
    kind = kind_of(spec)
    assert (kind.name, kind.spec) == (spec.kind, type(spec))
    words: dict[str, Any] = vars(kind.words)
    assert all(words[name] for name in words if name != "layer")
    assert bool(kind.words.layer) == isinstance(spec, DirectedSpec)
    assert kind.short(spec)
    assert kind.strength.low <= 0.0 < kind.strength.high
    assert list(kind.search.strengths) == sorted(kind.search.strengths)
    assert kind.search.shares[-1] == 1.0
    assert kind.search.reach <= kind.search.high
    for strength in (kind.strength.low, kind.strength.high):
        kind.spec.build(**{**spec.model_dump(), "strength": strength})


def test_there_is_a_spec_of_every_kind_above() -> None:
    assert [spec.kind for spec in SPECS] == list(KINDS)
