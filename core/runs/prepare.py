"""What a request's draws need beyond its spec: directions, other models, and proposals made ready.

A direction takes a second to build and is needed at every move of a slider: it is built once for a model.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from core.behaviours.load import load_behaviour, load_contrast_pairs
from core.judges.base import Judge
from core.look_ahead.rule import rule_for
from core.look_ahead.witness import Witness
from core.models.loading import LoadedModel, load_model
from core.proposals import AnyProposalSpec, DirectedSpec, Proposal, ProposalContext, prepare
from core.runs.request import EstimateRequest, Fingerprints
from core.sampling.rows import OpenRows
from core.sampling.shards import DrawnShard
from core.spec import DirectionPosition
from core.steering.build import build_direction, direction_steps
from core.steering.direction import Direction
from core.tasks import BUILDING, Steps, named

# Both are dropped together with their model.
_other_models: WeakKeyDictionary[LoadedModel, dict[str, LoadedModel]] = WeakKeyDictionary()
_directions: WeakKeyDictionary[LoadedModel, dict[tuple[str, str], Direction]] = WeakKeyDictionary()


def behaviour_direction(
    loaded: LoadedModel, behaviour: str, position: DirectionPosition
) -> Direction:
    """Returns the direction that a behaviour's contrast pairs give, built once for a loaded model."""
    known = _known(loaded)
    key = (load_behaviour(behaviour).fingerprint, position)
    if key not in known:
        known[key] = build_direction(loaded, load_contrast_pairs(behaviour), position)
    return known[key]


def building_steps(
    loaded: LoadedModel, behaviour: str, specs: Sequence[AnyProposalSpec]
) -> Steps[None, None]:
    """Yields the progress of building the directions that proposals read from a behaviour's contrast pairs.

    What is built is found by `behaviour_direction`. Raises: as it does.
    """
    for spec in specs:
        if isinstance(spec, DirectedSpec) and spec.direction_file is None:
            if (load_behaviour(behaviour).fingerprint, spec.direction) in _known(loaded):
                continue
            pairs = load_contrast_pairs(behaviour)
            yield from named(BUILDING, direction_steps(loaded, pairs, spec.direction))


def install_direction(
    loaded: LoadedModel, behaviour: str, position: DirectionPosition, direction: Direction
) -> None:
    """Makes this the behaviour's direction in a loaded model: another machine has built it."""
    key = (load_behaviour(behaviour).fingerprint, position)
    _known(loaded)[key] = direction


def _known(loaded: LoadedModel) -> dict[tuple[str, str], Direction]:
    return _directions.setdefault(loaded, {})


def proposal_context(loaded: LoadedModel, behaviour: str) -> ProposalContext:
    """Returns what proposals for a behaviour may need beyond their specs; each is made once."""
    return ProposalContext(
        direction=lambda position: behaviour_direction(loaded, behaviour, position),
        load=lambda name: _other_model(loaded, name),
    )


def ready_proposals(loaded: LoadedModel, request: EstimateRequest) -> tuple[Proposal, ...]:
    """Returns a request's proposals, made ready for the model.

    Raises:
        SpecError, ModelError: one does not fit the model.
    """
    context = proposal_context(loaded, request.behaviour)
    return tuple(prepare(loaded, spec, context) for spec in request.proposals)


def ahead_witness(loaded: LoadedModel, request: EstimateRequest, judge: Judge) -> Witness | None:
    """Returns what follows the judge's rule, with method `ahead`; None with any other.

    Raises:
        NoAutomatonError: the judge has no rule that can be followed.
    """
    if request.method != "ahead":
        return None
    rule = rule_for(judge, request.query, request.threshold)
    return Witness(loaded, judge, request.query, rule)


def show(witness: Witness | None, shard: DrawnShard) -> None:
    """Shows the judge some answers that a new shard of beginnings leads to.

    Raises:
        BehaviourError: the judge does not say of them what the rule says.
    """
    if witness is not None and isinstance(shard.rows, OpenRows) and not shard.stored:
        witness.check(shard.rows, shard.start)


def fingerprints(loaded: LoadedModel, proposals: Sequence[Proposal]) -> Fingerprints:
    """Returns the hashes of a model and of proposals made ready for it."""
    return Fingerprints(loaded.fingerprint, tuple(each.fingerprint for each in proposals))


def _other_model(loaded: LoadedModel, name: str) -> LoadedModel:
    """Returns another model on the same device, loaded once for a target."""
    known = _other_models.setdefault(loaded, {})
    if name not in known:
        known[name] = load_model(name, loaded.loading.model_copy(update={"revision": None}))
    return known[name]
