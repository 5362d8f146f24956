"""The proposal a behaviour starts from: measured once for a model, then looked up."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress

from cache import StoreError, spec_hash
from core.behaviours.load import SAMPLE_DATA, load_behaviour, load_contrast_pairs
from core.judges.base import Judge
from core.models.loading import LoadedModel, load_model
from core.proposals import (
    AblateSpec,
    AnyProposalSpec,
    ProposalContext,
    SteerSpec,
    build_proposal,
    prepare,
)
from core.proposals.base import DirectionSource
from core.proposals.steer import check_layer
from core.sampling.shards import AnyStore
from core.search.cross_entropy import SearchResult, SearchStep, search
from core.search.grid import rungs, small_grid
from core.spec import DirectionPosition, GenerationSpec
from core.steering.build import build_direction

SHIPPED = SAMPLE_DATA / "defaults.json"
PILOT_QUERIES = 6
MAX_PILOT_LAYERS = 8
# Length of what is subtracted, as a share of the layer's activation norm: one scale for any direction.
RELATIVE_STRENGTHS = (0.5, 0.9, 1.4, 2.0, 2.8)
# Of a direction that is ablated, and of the way to another context or model and beyond it.
FRACTIONS = (0.25, 0.5, 0.75, 1.0)
BLENDS = (0.5, 0.75, 1.0, 1.25, 1.5)
# Raise this when the same model would be given other defaults.
PILOT_VERSION = 2


def known_default(loaded: LoadedModel, behaviour: str, store: AnyStore) -> AnyProposalSpec | None:
    """Returns the measured default for these very weights, shipped or from an earlier pilot, or None."""
    return known_for(loaded.fingerprint, behaviour, store)


def known_for(fingerprint: str, behaviour: str, store: AnyStore) -> AnyProposalSpec | None:
    """Returns the measured default for the weights of this fingerprint, or None."""
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() else {}
    found = shipped.get(fingerprint, {}).get(behaviour)
    if found is None:
        try:
            found = store.get_json(_key(fingerprint, behaviour))
        except StoreError:
            return None
    return None if found is None else build_proposal(found)


def measure_default(
    loaded: LoadedModel,
    behaviour: str,
    judge: Judge,
    store: AnyStore,
    *,
    position: DirectionPosition | None = None,
    generation: GenerationSpec | None = None,
) -> Iterator[SearchStep | SearchResult]:
    """Yields a search's progress and its result; its proposal of least variance becomes the default.

    The search looks through layers and strengths of `steer`. Its pilot asks queries of the contrast
    pairs, which are in no query set. position: where the direction is read; None for the behaviour's own.
    """
    generation = generation or GenerationSpec()
    position = position or load_behaviour(behaviour).spec.direction
    direction = build_direction(loaded, load_contrast_pairs(behaviour), position)
    means = ProposalContext(direction=lambda _: direction, load=load_model)
    chosen = default_rungs(loaded, SteerSpec(direction=position), means.direction)
    for event in search(
        loaded,
        [prepare(loaded, rung, means) for rung in chosen],
        small_grid(chosen, generation.max_new_tokens),
        pilot_queries(behaviour),
        judge,
        generation,
        store,
    ):
        if isinstance(event, SearchResult):
            best = event.best("variance")
            remember_default(loaded.fingerprint, behaviour, best, store)
        yield event


def remember_default(
    fingerprint: str, behaviour: str, proposal: AnyProposalSpec, store: AnyStore
) -> None:
    """Keeps a measured default; what the store cannot take is among its events."""
    with suppress(StoreError):
        store.put_json(_key(fingerprint, behaviour), proposal.model_dump(mode="json"))


def default_rungs(
    loaded: LoadedModel,
    base: AnyProposalSpec,
    direction: DirectionSource,
    strengths: Sequence[float] = (),
    layers: Sequence[int] = (),
) -> tuple[AnyProposalSpec, ...]:
    """Returns the base proposal at every strength and layer; those worth a try if none are named.

    Raises:
        SpecError: the model has no such layer, or the kind has none.
    """
    if not isinstance(base, SteerSpec | AblateSpec):
        return rungs(base, strengths or BLENDS, layers)
    layers = layers or pilot_layers(len(loaded.blocks))
    for layer in layers:
        check_layer(loaded, layer)
    if strengths or isinstance(base, AblateSpec):
        return rungs(base, strengths or FRACTIONS, layers)
    lengths = direction(base.direction)
    chosen = [
        rung
        for layer in layers
        for rung in rungs(
            base, [lengths.strength_of(layer, relative) for relative in RELATIVE_STRENGTHS], [layer]
        )
    ]
    # Where a direction is very short, several of them come to the largest strength there is.
    return tuple(dict.fromkeys(chosen))


def pilot_layers(blocks: int) -> tuple[int, ...]:
    """Returns the layers to try on a model of this many blocks: at most eight, evenly spread.

    The first block is left out: its residual stream hardly differs from the tokens' embeddings.
    """
    layers = range(1, blocks) if blocks > 1 else range(1)
    return tuple(layers[:: -(-len(layers) // MAX_PILOT_LAYERS)])


def pilot_queries(behaviour: str, count: int = PILOT_QUERIES) -> tuple[str, ...]:
    """Returns the pilot's queries, spread evenly over the behaviour's contrast pairs."""
    asked = [
        message["content"]
        for pair in load_contrast_pairs(behaviour)
        for message in pair.safe
        if message["role"] == "user"
    ]
    distinct = list(dict.fromkeys(asked))
    step = max(1, len(distinct) // count)
    return tuple(distinct[::step][:count])


def _key(fingerprint: str, behaviour: str) -> str:
    return "default-proposal/" + spec_hash(
        {
            "pilot": PILOT_VERSION,
            "model": fingerprint,
            "behaviour": load_behaviour(behaviour).fingerprint,
        }
    )
