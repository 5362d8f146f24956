"""The proposal a behaviour starts from: measured once for a model, then looked up."""

import json
from collections.abc import Iterator
from contextlib import suppress

from cache import StoreError, spec_hash
from core.behaviours import SAMPLE_DATA, check_behaviour, load_contrast_pairs
from core.engine import AnyStore
from core.judges.base import Judge
from core.models.loading import LoadedModel
from core.search.pilot import PilotGrid, PilotResult, PilotStep, choose_proposal
from core.spec import DirectionPosition, GenerationSpec, SteerSpec
from core.steering.contrast import build_direction

SHIPPED = SAMPLE_DATA / "defaults.json"
PILOT_QUERIES = 6
MAX_PILOT_LAYERS = 8
# Raise this when the same model would be given other defaults.
PILOT_VERSION = 1


def known_default(loaded: LoadedModel, behaviour: str, store: AnyStore) -> SteerSpec | None:
    """Returns the measured default for these very weights, shipped or from an earlier pilot, or None."""
    check_behaviour(behaviour)
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() else {}
    found = shipped.get(loaded.fingerprint, {}).get(behaviour)
    if found is None:
        try:
            found = store.get_json(_key(loaded, behaviour))
        except StoreError:
            return None
    return None if found is None else SteerSpec.build(**found)


def measure_default(
    loaded: LoadedModel,
    behaviour: str,
    judge: Judge,
    store: AnyStore,
    *,
    direction_position: DirectionPosition = "answer_mean",
    grid: PilotGrid | None = None,
    generation: GenerationSpec | None = None,
) -> Iterator[PilotStep | PilotResult]:
    """Yields a pilot's progress and its result; the best proposal is stored as the default.

    The pilot asks queries of the contrast pairs, which are in no query set.
    """
    pairs = load_contrast_pairs(behaviour)
    direction = build_direction(loaded, pairs, direction_position)
    queries = pilot_queries(behaviour)
    for event in choose_proposal(
        loaded,
        direction,
        queries,
        judge,
        generation or GenerationSpec(),
        grid or default_grid(len(loaded.blocks)),
    ):
        if isinstance(event, PilotResult):
            # What the store cannot take is among its events; the result is still handed on.
            with suppress(StoreError):
                store.put_json(_key(loaded, behaviour), event.best.proposal.model_dump(mode="json"))
        yield event


def default_grid(blocks: int) -> PilotGrid:
    """Returns the grid to try on a model of this many blocks: at most eight layers, evenly spread.

    The first block is left out: its residual stream hardly differs from the tokens' embeddings.
    """
    layers = range(1, blocks) if blocks > 1 else range(1)
    step = -(-len(layers) // MAX_PILOT_LAYERS)
    return PilotGrid(layers=tuple(layers[::step]))


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


def _key(loaded: LoadedModel, behaviour: str) -> str:
    return "default-proposal/" + spec_hash(
        {"pilot": PILOT_VERSION, "model": loaded.fingerprint, "behaviour": behaviour}
    )
