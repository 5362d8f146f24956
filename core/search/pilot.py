"""The pilot search, which measures a default proposal: its layers, strengths and queries."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.behaviours.load import Behaviour, load_behaviour, load_contrast_pairs
from core.judges.base import Judge
from core.models.loading import LoadedModel, load_model
from core.proposals import (
    AnyProposalSpec,
    DirectedSpec,
    ProposalContext,
    SteerSpec,
    kind_of,
    prepare,
)
from core.proposals.base import DirectionSource, check_layer
from core.runs.defaults import remember_default
from core.sampling.shards import AnyStore
from core.search.cross_entropy import SearchResult, SearchSteps, search
from core.search.grid import rungs, small_grid
from core.spec import DirectionPosition, GenerationSpec
from core.steering.build import direction_steps
from core.steering.direction import Direction
from core.tasks import BUILDING, MEASURING, Progress, Steps, named

PILOT_QUERIES = 6
MAX_PILOT_LAYERS = 8


def measure_default(
    loaded: LoadedModel,
    behaviour: str,
    judge: Judge,
    store: AnyStore,
    *,
    position: DirectionPosition | None = None,
    generation: GenerationSpec | None = None,
) -> SearchSteps:
    """Yields a search's progress and returns its result; its proposal of least variance becomes the default.

    The search looks through layers and strengths of `steer`. Its pilot asks queries of the contrast
    pairs, which are in no query set. position: where the direction is read; None for the behaviour's own.
    """
    generation = generation or GenerationSpec()
    position = position or load_behaviour(behaviour).spec.direction
    pairs = load_contrast_pairs(behaviour)
    direction = yield from named(BUILDING, direction_steps(loaded, pairs, position))
    context = ProposalContext(direction=lambda _: direction, load=load_model)
    chosen = default_rungs(loaded, SteerSpec(direction=position), context.direction)
    steps = search(
        loaded,
        [prepare(loaded, rung, context) for rung in chosen],
        small_grid(chosen, generation.max_new_tokens),
        pilot_queries(behaviour),
        judge,
        generation,
        store,
    )
    result = yield from named(MEASURING, steps)
    best = result.best("variance")
    remember_default(loaded.fingerprint, behaviour, best, store, generation)
    return result


@dataclass(frozen=True, eq=False)
class BuiltDirection:
    """A behaviour's direction, and the search for its settings; None where they were known."""

    direction: Direction
    search: SearchResult | None


def build_steps(
    loaded: LoadedModel, name: str, behaviour: Behaviour, judge: Judge | None, store: AnyStore
) -> Steps[None, BuiltDirection]:
    """Yields the progress of reading the pairs and then, with a judge, of the search for the settings.

    The progress is in "pairs", then in "queries". name: of the behaviour, as `load_behaviour` takes it.
    """
    pairs = load_contrast_pairs(name)
    yield Progress(0, len(pairs), "pairs", message=BUILDING)
    steps = direction_steps(loaded, pairs, behaviour.spec.direction)
    direction = yield from named(BUILDING, steps)
    if judge is None:
        return BuiltDirection(direction, None)
    search_result = yield from measure_default(loaded, name, judge, store)
    return BuiltDirection(direction, search_result)


def build_name(loaded: LoadedModel, behaviour: Behaviour) -> str:
    """Returns the name of a build's task: all that its result depends on."""
    return "\n".join([loaded.fingerprint, behaviour.fingerprint, behaviour.spec.direction])


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
    reach = kind_of(base).search
    if not isinstance(base, DirectedSpec):
        return rungs(base, strengths or reach.strengths, layers)
    layers = layers or pilot_layers(len(loaded.blocks))
    for layer in layers:
        check_layer(loaded, layer)
    if strengths or not reach.relative:
        return rungs(base, strengths or reach.strengths, layers)
    lengths = direction(base.direction)
    chosen = [
        rung
        for layer in layers
        for rung in rungs(
            base, [lengths.strength_of(layer, relative) for relative in reach.strengths], [layer]
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
    messages = [
        message["content"]
        for pair in load_contrast_pairs(behaviour)
        for message in pair.safe
        if message["role"] == "user"
    ]
    distinct = list(dict.fromkeys(messages))
    step = max(1, len(distinct) // count)
    return tuple(distinct[::step][:count])
