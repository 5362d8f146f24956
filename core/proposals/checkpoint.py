"""The `checkpoint` proposal: another model that spells its answers with the same tokens."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from core.errors import SpecError
from core.models.loading import LoadedModel, embedded_models
from core.proposals.base import Proposal, ProposalContext
from core.proposals.kind import (
    BLEND_SCALE,
    BLEND_SEARCH,
    KindWords,
    ProposalKind,
    TextField,
    TextForm,
)
from core.spec import ProposalSpec


class CheckpointSpec(ProposalSpec):
    """Another checkpoint, a folder or a Hugging Face id, with the target's tokenizer.

    strength: 0 is the target, 1 the other model; logits in between, and beyond 1 further away.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    model: str


def prepare(loaded: LoadedModel, spec: CheckpointSpec, context: ProposalContext) -> Proposal:
    """Returns the proposal.

    Raises:
        ModelError: the other model cannot be loaded.
        SpecError: its tokenizer is another; the first difference is named.
    """
    other = context.load(spec.model)
    check_same_tokens(loaded, other)
    return Proposal(spec, other, other.fingerprint, blend=spec.strength)


def check_same_tokens(target: LoadedModel, other: LoadedModel) -> None:
    """Raises SpecError unless both models give every token the same number, naming the first difference."""
    ours, theirs = (
        {number: token for token, number in model.tokenizer.get_vocab().items()}
        for model in (target, other)
    )
    for number in sorted(ours.keys() | theirs.keys()):
        if ours.get(number) != theirs.get(number):
            here, there = (
                "nothing" if token is None else repr(token)
                for token in (ours.get(number), theirs.get(number))
            )
            raise SpecError(
                f"a checkpoint proposal must share the tokenizer of {target.name}, got {other.name!r}: "
                f"token {number} is {here} in the one and {there} in the other"
            )
    if other.vocabulary < target.vocabulary:
        raise SpecError(
            f"a checkpoint proposal must score all {target.vocabulary} tokens of {target.name}, "
            f"got {other.name!r}, which scores {other.vocabulary}"
        )


def _first_other(model: str, behaviour: str) -> str:
    """Returns another embedded model, which shares the tokenizer, beside an embedded one."""
    embedded = embedded_models()
    others = [name for name in embedded if name != model]
    return others[0] if model in embedded and others else ""


def _read(texts: Mapping[str, str]) -> dict[str, object]:
    if not texts["model"].strip():
        raise SpecError("the other model needs a name or a folder")
    return {"model": texts["model"].strip()}


KIND = ProposalKind(
    spec=CheckpointSpec,
    prepare=prepare,
    words=KindWords(
        label="Other model",
        help="Lets another model with the same tokenizer give the answers.",
        answers="The other model",
    ),
    short=lambda spec: f"Model {Path(spec.model).name} {spec.strength:.3g}",
    strength=BLEND_SCALE,
    search=BLEND_SEARCH,
    form=TextForm(
        fields=(
            TextField(
                name="model",
                label="Model folder, or Hugging Face id",
                placeholder="organisation/name, or /path/to/model",
                help="A less careful model with the same tokenizer, such as the one before safety "
                "training.",
                start=_first_other,
            ),
        ),
        read=_read,
    ),
)
