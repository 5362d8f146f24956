"""The proposal that a behaviour starts from: looked up for a model, and kept once it has been measured."""

from contextlib import suppress
from typing import Any

from cache import StoreError, spec_hash
from core.behaviours.load import SAMPLE_DATA, load_behaviour
from core.files.json_text import parse_json
from core.models.loading import LoadedModel
from core.proposals import AnyProposalSpec, build_proposal
from core.sampling.shards import AnyStore
from core.spec import GenerationSpec

SHIPPED = SAMPLE_DATA / "defaults.json"
# Raise this when the same model would be given other defaults.
PILOT_VERSION = 2


def known_default(
    loaded: LoadedModel,
    behaviour: str,
    store: AnyStore,
    generation: GenerationSpec | None = None,
) -> AnyProposalSpec | None:
    """Returns the measured default for these very weights, shipped or from an earlier pilot, or None."""
    return known_for(loaded.fingerprint, behaviour, store, generation)


def known_for(
    fingerprint: str, behaviour: str, store: AnyStore, generation: GenerationSpec | None = None
) -> AnyProposalSpec | None:
    """Returns the measured default for the weights of this fingerprint, or None.

    The shipped one serves all generation settings; else one measured under these, else under the plain ones.
    """
    shipped = parse_json(SHIPPED.read_bytes()) if SHIPPED.is_file() else {}
    found = shipped.get(fingerprint, {}).get(behaviour)
    for settings in (generation, None):
        if found is None:
            try:
                found = store.get_json(_key(fingerprint, behaviour, settings))
            except StoreError:
                return None
    return None if found is None else build_proposal(found)


def remember_default(
    fingerprint: str,
    behaviour: str,
    proposal: AnyProposalSpec,
    store: AnyStore,
    generation: GenerationSpec | None = None,
) -> None:
    """Keeps a measured default; what the store cannot take is among its events.

    generation: the settings that it was measured under; None for the plain ones.
    """
    with suppress(StoreError):
        key = _key(fingerprint, behaviour, generation)
        store.put_json(key, proposal.model_dump(mode="json"))


def _key(fingerprint: str, behaviour: str, generation: GenerationSpec | None) -> str:
    fields: dict[str, Any] = {
        "pilot": PILOT_VERSION,
        "model": fingerprint,
        "behaviour": load_behaviour(behaviour).fingerprint,
    }
    # Keys of the plain settings are older than those of others.
    if generation is not None and generation != GenerationSpec():
        fields["generation"] = generation.model_dump(mode="json")
    return "default-proposal/" + spec_hash(fields)
