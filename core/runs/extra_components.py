"""Which proposals are combined with the first one: unlike ones, each a witness for the others."""

from core.models.loading import LoadedModel
from core.proposals import AnyProposalSpec
from core.runs.defaults import known_default
from core.sampling.shards import AnyStore
from core.spec import GenerationSpec

# Softer than the default and closer to the target at every token, so that its hits take other ways.
SOFTER = 0.85
SOFTER_ALPHA = 0.15


def softened(proposal: AnyProposalSpec, new_tokens: int) -> AnyProposalSpec:
    """Returns a softer proposal that acts on the whole answer, with much of the target at every token.

    It comes by the words that the given one may have steered past.
    """
    return proposal.model_copy(
        update={
            "strength": SOFTER * proposal.strength,
            "alpha_mix": SOFTER_ALPHA,
            "t_switch": new_tokens,
        }
    )


def companions(
    loaded: LoadedModel,
    behaviour: str,
    first: AnyProposalSpec,
    new_tokens: int,
    store: AnyStore,
    generation: GenerationSpec | None = None,
) -> tuple[AnyProposalSpec, ...]:
    """Returns the proposals to combine with `first`: the behaviour's measured default, and it softened.

    generation: the settings under which the default was measured; None for the plain ones.
    """
    base = known_default(loaded, behaviour, store, generation) or first
    base = base.model_copy(update={"t_switch": min(base.t_switch, new_tokens)})
    return tuple(proposal for proposal in (base, softened(base, new_tokens)) if proposal != first)
