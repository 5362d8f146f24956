"""Directions as files: nothing is lost on the way, and what cannot be used is one sentence."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import save

from cache import spec_hash
from core.errors import BehaviourError, SpecError
from core.proposals import (
    AblateSpec,
    ProposalContext,
    SteerSpec,
    build_proposal,
    measured_direction,
    prepare,
)
from core.sampling.spec import SamplingSpec
from core.steering.direction import Direction, DirectionMeta, direction_note, fitted
from core.steering.files import direction_bytes, load_direction, parse_direction, save_direction
from tests.models.tiny_models import tiny_model

META = DirectionMeta(behaviour="salt", model="aster", model_fingerprint="f" * 32)
ENDINGS = [".safetensors", ".gguf"]


def direction(blocks: int = 3, hidden: int = 32, seed: int = 0) -> Direction:
    draw = np.random.default_rng(seed)
    return Direction(
        position="last_prompt",
        vectors=draw.normal(size=(blocks, hidden)).astype(np.float32),
        activation_norm=draw.uniform(1, 9, blocks),
        separation=draw.normal(size=blocks),
    )


def means(built: Direction | None = None) -> ProposalContext:
    def source(position: str) -> Direction:
        assert built is not None, "the behaviour's direction was asked for"
        return built

    return ProposalContext(direction=source, load=lambda name: tiny_model())


def control_vector(
    path: Path, vectors: dict[str, Any], architecture: str = "controlvector"
) -> Path:
    """Writes a control vector as repeng does."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", len(vectors))
    for name, vector in vectors.items():
        writer.add_tensor(name, np.asarray(vector))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_direction_comes_back_as_it_was(ending: str, tmp_path: Path) -> None:
    before = direction()
    path = tmp_path / f"salt{ending}"
    save_direction(path, before, META)
    after, meta = load_direction(path)
    np.testing.assert_array_equal(after.vectors, before.vectors)
    assert after.vectors.dtype == np.float32
    np.testing.assert_array_equal(after.activation_norm, before.activation_norm)
    np.testing.assert_array_equal(after.separation, before.separation)
    assert (after.position, after.fingerprint) == (before.position, before.fingerprint)
    assert meta == META
    assert list(tmp_path.iterdir()) == [path]


def test_a_control_vector_adds_what_steering_subtracts() -> None:
    before = direction()
    content = direction_bytes(before, META, ".gguf")
    tensors = read_gguf(content)
    # Block 0 has no name in GGUF: llama.cpp adds direction.N after block N and refuses 0.
    assert sorted(tensors) == ["direction.1", "direction.2"]
    np.testing.assert_array_equal(tensors["direction.2"], -before.vectors[2])


def read_gguf(content: bytes) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.gguf"
        path.write_bytes(content)
        return {one.name: np.array(one.data) for one in gguf.GGUFReader(path).tensors}


def test_a_foreign_control_vector(tmp_path: Path) -> None:
    ones = np.ones(32, np.float32)
    path = control_vector(tmp_path / "x.gguf", {"direction.1": 2 * ones})
    found, meta = load_direction(path)
    assert found.vectors.shape == (2, 32)
    assert not found.vectors[0].any()
    np.testing.assert_array_equal(found.vectors[1], -2 * ones)
    assert (meta.model, meta.missing) == ("llama", (0,))
    model = tiny_model()
    whole = fitted(found, meta, model)
    assert whole.vectors.shape == (3, 32)
    assert not whole.vectors[2].any()
    assert "does not tell which model" in str(direction_note(meta, model))
    prepare(model, SteerSpec(direction_file=str(path), layer=1), means())
    for spec in (SteerSpec, AblateSpec):
        with pytest.raises(SpecError, match="no direction after block 2, only after 1"):
            prepare(model, spec(direction_file=str(path), layer=2), means())


@pytest.mark.parametrize(
    ("vectors", "architecture", "words"),
    [
        ({"direction.1": np.ones(4, np.float32)}, "llama", "must be 'controlvector', got 'llama'"),
        ({"direction.one": np.ones(4, np.float32)}, "controlvector", "got 'direction.one'"),
        ({"direction.1": np.ones(4, np.int8)}, "controlvector", "must be float32, got int8"),
        (
            {"direction.1": np.ones(4, np.float32), "direction.2": np.ones(5, np.float32)},
            "controlvector",
            "of one length",
        ),
        ({"direction.1": np.ones((2, 4), np.float32)}, "controlvector", "of one length"),
        ({"direction.1": np.zeros(4, np.float32)}, "controlvector", "all vectors are zero"),
        ({"direction.1": np.full(4, np.nan, np.float32)}, "controlvector", "of block 1 does not"),
        ({"direction.9999": np.ones(9999, np.float32)}, "controlvector", "too large a direction"),
        ({}, "controlvector", "holds no direction"),
    ],
)
def test_a_control_vector_that_is_none(
    vectors: dict[str, Any], architecture: str, words: str, tmp_path: Path
) -> None:
    path = control_vector(tmp_path / "x.gguf", vectors, architecture)
    with pytest.raises(BehaviourError, match=words) as error:
        load_direction(path)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_one_sentence() -> None:
    for ending in ENDINGS:
        whole = direction_bytes(direction(), META, ending)
        for content in (
            b"",
            b"GGUF",
            b"nonsense" * 9,
            *(whole[:k] for k in range(1, len(whole), 61)),
        ):
            with pytest.raises(BehaviourError, match=f"direction 'x{ending}': ") as error:
                parse_direction(content, f"x{ending}")
            assert "\n" not in str(error.value)


def changed(**changes: Any) -> bytes:
    """Returns a safetensors file of the tiny model's shape with some tensors or metadata changed."""
    whole = direction()
    tensors: dict[str, Any] = {
        name: changes.pop(name, getattr(whole, name))
        for name in ("vectors", "activation_norm", "separation")
    }
    told = {"format": "tailscope-direction", "format_version": "1", "position": "answer_mean"}
    return bytes(
        save({name: v for name, v in tensors.items() if v is not None}, metadata=told | changes)
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "other"}, "no direction that Tailscope has written"),
        ({"format_version": "2"}, "format version must be 1, got '2'"),
        ({"position": "middle"}, "position must be one of .*, got 'middle'"),
        ({"vectors": None}, "lacks vectors"),
        ({"vectors": np.ones(32, np.float32)}, r"shape \(blocks, hidden\), got \(32,\)"),
        ({"vectors": np.ones((3, 32), np.int32)}, "floating-point numbers, got int32"),
        ({"vectors": np.zeros((3, 32), np.float32)}, "all vectors are zero"),
        ({"vectors": np.full((3, 32), np.inf, np.float32)}, "that of block 0 does not"),
        ({"separation": np.ones(2)}, r"separation must have one number for each of 3 blocks"),
        ({"activation_norm": np.full(3, np.inf)}, "activation_norm must hold finite numbers"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    parse_direction(changed(), "x.safetensors")
    with pytest.raises(BehaviourError, match=words) as error:
        parse_direction(changed(**changes), "x.safetensors")
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_written_or_has_no_format(tmp_path: Path) -> None:
    with pytest.raises(BehaviourError, match="cannot be written"):
        save_direction(tmp_path / "none" / "x.safetensors", direction(), META)
    with pytest.raises(BehaviourError, match=r"\.safetensors or \.gguf, got '\.pt'"):
        save_direction(tmp_path / "x.pt", direction(), META)
    with pytest.raises(BehaviourError, match=r"\.safetensors or \.gguf, got '\.pt'"):
        parse_direction(b"", "x.pt")
    only_first = replace(direction(), vectors=direction().vectors[:1])
    with pytest.raises(BehaviourError, match="after block 1 or later"):
        direction_bytes(only_first, META, ".gguf")


def test_gguf_without_its_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.steering.gguf_file.find_spec", lambda name: None)
    with pytest.raises(BehaviourError, match=r"pip install -r requirements\.txt"):
        direction_bytes(direction(), META, ".gguf")
    with pytest.raises(BehaviourError, match=r"pip install -r requirements\.txt"):
        parse_direction(b"", "x.gguf")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["steer", "ablate"])
def test_a_proposal_goes_along_the_file(kind: str, ending: str, tmp_path: Path) -> None:
    model, path = tiny_model(), tmp_path / f"x{ending}"
    save_direction(path, direction(), META)
    fields = {"kind": kind, "layer": 1, "strength": 0.5}
    of_file = prepare(model, build_proposal({**fields, "direction_file": str(path)}), means())
    as_built = prepare(model, build_proposal(fields), means(direction()))
    assert of_file.fingerprint == as_built.fingerprint
    here, there = of_file.edit, as_built.edit
    name = "vector" if kind == "steer" else "unit"
    np.testing.assert_array_equal(getattr(here, name), getattr(there, name))
    other = tmp_path / f"y{ending}"
    save_direction(other, direction(seed=1), META)
    changed = prepare(model, build_proposal({**fields, "direction_file": str(other)}), means())
    assert changed.fingerprint != of_file.fingerprint


def test_a_file_that_does_not_fit_names_both(tmp_path: Path) -> None:
    model, path = tiny_model(), tmp_path / "x.safetensors"
    for shape in ((4, 32), (2, 32), (3, 16)):
        save_direction(path, direction(*shape), META)
        with pytest.raises(
            SpecError,
            match=rf"{shape[0]} blocks and hidden size {shape[1]} does not fit .* 3 blocks and "
            "hidden size 32",
        ):
            prepare(model, SteerSpec(direction_file=str(path)), means())
    with pytest.raises(SpecError, match=r"'gone\.safetensors' cannot be read: No such file"):
        prepare(model, SteerSpec(direction_file="gone.safetensors"), means())


def test_other_weights_are_told_and_allowed() -> None:
    model = tiny_model()
    here = DirectionMeta.of(model, "salt")
    assert direction_note(here, model) is None
    elsewhere = replace(here, model_fingerprint="0" * 32, model="briar")
    assert "read in other weights (briar)" in str(direction_note(elsewhere, model))
    fitted(direction(), elsewhere, model)


def test_proposals_without_a_file_keep_their_keys() -> None:
    spec = SamplingSpec.build(
        model_fingerprint="m",
        query="q",
        proposals=(SteerSpec(), AblateSpec(strength=0.5)),
        fingerprints=("a", "b"),
        shares=(0.2, 0.4, 0.4),
    )
    # As stored draws have it: another hash would have every one of them drawn again.
    assert spec_hash(spec.model_dump(mode="json")) == (
        "c9133e48f5fea939c10f8da068ddae48df078496a88ce8a34e89b75ded5c3a28"
    )
    kept = SteerSpec(direction_file="x.gguf")
    assert kept.model_dump()["direction_file"] == "x.gguf"
    assert build_proposal(json.loads(kept.model_dump_json())) == kept


def test_lengths_that_a_file_does_not_tell_are_the_behaviours(tmp_path: Path) -> None:
    model, own = tiny_model(), direction(seed=1)
    path = control_vector(tmp_path / "x.gguf", {"direction.1": np.ones(32, np.float32)})
    spec = SteerSpec(direction_file=str(path), layer=1)
    found = measured_direction(model, spec, means(own))
    np.testing.assert_array_equal(found.activation_norm, own.activation_norm)
    assert found.relative_strength(1, 2.0) == pytest.approx(
        2.0 * np.sqrt(32) / own.activation_norm[1]
    )
    told = tmp_path / "y.gguf"
    save_direction(told, direction(), META)
    spec = SteerSpec(direction_file=str(told), layer=1)
    # The behaviour's is not even asked for.
    assert measured_direction(model, spec, means()).fingerprint == direction().fingerprint
