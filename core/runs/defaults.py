"""The proposal that a behaviour starts from: looked up for a model, and kept once it has been measured."""

from contextlib import suppress

from cache import StoreError, spec_hash
from core.behaviours.load import SAMPLE_DATA, load_behaviour
from core.files.json_text import parse_json
from core.models.loading import LoadedModel
from core.proposals import AnyProposalSpec, build_proposal
from core.sampling.shards import AnyStore

SHIPPED = SAMPLE_DATA / "defaults.json"
# Raise this when the same model would be given other defaults.
PILOT_VERSION = 2


def known_default(loaded: LoadedModel, behaviour: str, store: AnyStore) -> AnyProposalSpec | None:
    """Returns the measured default for these very weights, shipped or from an earlier pilot, or None."""
    return known_for(loaded.fingerprint, behaviour, store)


def known_for(fingerprint: str, behaviour: str, store: AnyStore) -> AnyProposalSpec | None:
    """Returns the measured default for the weights of this fingerprint, or None."""
    shipped = parse_json(SHIPPED.read_bytes()) if SHIPPED.is_file() else {}
    found = shipped.get(fingerprint, {}).get(behaviour)
    if found is None:
        try:
            found = store.get_json(_key(fingerprint, behaviour))
        except StoreError:
            return None
    return None if found is None else build_proposal(found)


def remember_default(
    fingerprint: str, behaviour: str, proposal: AnyProposalSpec, store: AnyStore
) -> None:
    """Keeps a measured default; what the store cannot take is among its events."""
    with suppress(StoreError):
        store.put_json(_key(fingerprint, behaviour), proposal.model_dump(mode="json"))


def _key(fingerprint: str, behaviour: str) -> str:
    return "default-proposal/" + spec_hash(
        {
            "pilot": PILOT_VERSION,
            "model": fingerprint,
            "behaviour": load_behaviour(behaviour).fingerprint,
        }
    )
