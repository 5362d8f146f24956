"""What a kind of proposal declares of itself: how it is made, called, set and searched.

A kind's file ends in one `ProposalKind`; every list of kinds, in searches, on screens and on the command
line, is derived from the registry (`core.proposals.KINDS`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.models.loading import LoadedModel
from core.proposals.base import Proposal, ProposalContext
from core.spec import ProposalSpec


@dataclass(frozen=True)
class KindWords:
    """A kind in words.

    label: its name on a button. help: one sentence on what it does. answers: the heading over its answers.
    too_far: the beginning of a warning at too high a strength. first_tokens: the label of `t_switch`.
    layer: the label of the choice of a block, of a kind that has one.
    """

    label: str
    help: str
    answers: str
    too_far: str = "Too far from the model"
    first_tokens: str = "For the first ... tokens"
    layer: str = ""


@dataclass(frozen=True)
class StrengthScale:
    """What strength is called, and the range and step of its slider; `help` tells its unit."""

    label: str
    low: float
    high: float
    help: str
    step: float = 0.05


@dataclass(frozen=True)
class SearchReach:
    """Which strengths a search tries.

    strengths: those worth a try where none are named, ascending. reach: the largest of a search on the page,
    where the user may go up to `high`; label, help: of that field. shares: the small grid's strengths, as
    shares of the reach. relative: all of these are lengths of what is added over those of the model's own
    activations, which makes layers and directions comparable; a layer's strengths follow from them.
    """

    strengths: tuple[float, ...]
    reach: float
    label: str = "Furthest towards it"
    help: str = "The largest strength that is tried."
    high: float = 20.0
    shares: tuple[float, ...] = tuple(k / 5 for k in range(1, 6))
    relative: bool = False


@dataclass(frozen=True)
class TextField:
    """A text that a user types for a kind. start: returns what stands there first, by model and behaviour.

    lines: how many are shown.
    """

    name: str
    label: str
    placeholder: str
    help: str
    lines: int = 1
    start: Callable[[str, str], str] = lambda model, behaviour: ""


@dataclass(frozen=True)
class TextForm:
    """What must be typed before a kind can be used.

    read: returns the spec's fields from the texts by name. Raises: SpecError if one is missing.
    """

    fields: tuple[TextField, ...]
    read: Callable[[Mapping[str, str]], dict[str, object]]


def no_start(
    default: ProposalSpec, behaviour: str, common: Mapping[str, Any]
) -> ProposalSpec | None:
    """Returns None: the kind cannot be used before its form has been filled in."""
    return None


@dataclass(frozen=True)
class ProposalKind:
    """One kind of proposal: its spec, how it is made ready, and what the rest of the app shows of it.

    prepare: returns a spec made ready for a model; raises SpecError or ModelError if it does not fit.
    short: returns a spec in a few words. start: returns the spec that a user who picks this kind begins
    with, from the behaviour's default proposal, the behaviour, and `alpha_mix` and `t_switch`; None if its
    form must be filled in first.
    """

    spec: type[ProposalSpec]
    prepare: Callable[[LoadedModel, Any, ProposalContext], Proposal]
    words: KindWords
    short: Callable[[Any], str]
    strength: StrengthScale
    search: SearchReach
    start: Callable[[ProposalSpec, str, Mapping[str, Any]], ProposalSpec | None] = no_start
    form: TextForm | None = None

    @property
    def name(self) -> str:
        """The value of the spec's field `kind`."""
        return str(self.spec.model_fields["kind"].default)


# Kinds whose strength blends the logits of target and proposal share slider and search.
BLEND_SCALE = StrengthScale(
    label="How far towards it",
    low=0.0,
    high=2.0,
    help="0 is the model itself, 1 the proposal as it is. Between them the scores of the next token are "
    "blended; beyond 1 they go further away from the model.",
)
BLEND_SEARCH = SearchReach(strengths=(0.5, 0.75, 1.0, 1.25, 1.5), reach=1.25)
