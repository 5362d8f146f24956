"""Options that several commands have, and what their texts stand for."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import SpecError
from core.files.json_text import parse_json
from core.glossary import meaning
from core.spec import TEMPLATE_DATE

if TYPE_CHECKING:
    from core.models.spec import LoadingSpec
    from core.proposals import AnyProposalSpec
    from core.spec import GenerationSpec

ModelOption = Annotated[
    str,
    typer.Option(
        help="aster or briar (embedded), smollm2 (once fetched), a folder, a GGUF file, or a Hugging Face id."
    ),
]
RevisionOption = Annotated[
    str | None, typer.Option(help="Branch, tag or commit on the Hugging Face Hub.")
]
DeviceOption = Annotated[
    str, typer.Option(help="cpu, cuda, cuda:N, mps, or auto (spread over all there are).")
]
DtypeOption = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
AttentionOption = Annotated[
    str, typer.Option(help="eager (exact in any batch), sdpa or flash_attention_2.")
]
BehaviourOption = Annotated[
    str,
    typer.Option(
        help="Of the invented world: misuse, sycophancy, hallucination; of a real chat model: agrees, "
        "claims, insults, secret, language; one of your own; or a behaviour's file."
    ),
]
JudgeOption = Annotated[
    str | None,
    typer.Option(
        help="Judge: a file (kind rules, classifier, grader or rubric), or grader or classifier, which "
        "come with Tailscope. Default: the behaviour's."
    ),
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(
        help="Do not start if judging may cost more, in the currency of the judge's file (rubric)."
    ),
]
SystemOption = Annotated[str | None, typer.Option(help="System prompt of the target.")]
# Left out, each of these is the default, or with --own-settings the model's own.
TemperatureOption = Annotated[
    float | None, typer.Option(help=f"{meaning('temperature')} Default: 1.")
]
TopKOption = Annotated[int | None, typer.Option(help=f"{meaning('top-k')} Default: all.")]
TopPOption = Annotated[float | None, typer.Option(help=f"{meaning('top-p')} Default: 1.")]
MinPOption = Annotated[float | None, typer.Option(help=f"{meaning('min-p')} Default: 0.")]
PenaltyOption = Annotated[
    float | None, typer.Option(help=f"{meaning('repetition penalty')} Default: 1.")
]
NgramOption = Annotated[int | None, typer.Option(help=f"{meaning('repeated runs')} Default: 0.")]
SuppressOption = Annotated[
    str | None, typer.Option(help="Ids of tokens that are never drawn, like 10,11. Default: none.")
]
DateOption = Annotated[
    str | None, typer.Option(help=f"{meaning('template date')} Default: {TEMPLATE_DATE}.")
]
OwnSettingsOption = Annotated[bool, typer.Option("--own-settings", help=meaning("own settings"))]
LengthOption = Annotated[int, typer.Option(help="Longest answer, in tokens.")]
ThresholdOption = Annotated[
    float | None,
    typer.Option(help=f"{meaning('threshold')} Default: the behaviour's, 0.75."),
]
DefensiveOption = Annotated[float, typer.Option(help=f"0..1. {meaning('defensive share')}")]
CacheOption = Annotated[
    Path | None, typer.Option(help="Folder of stored draws. Default: the user's cache.")
]
THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+")
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def loading_fields(revision: str | None, device: str, dtype: str, attention: str) -> dict[str, Any]:
    """Returns the fields of a `LoadingSpec`, not yet checked."""
    return {"revision": revision, "device": device, "dtype": dtype, "attention": attention}


def generation_of(
    own_settings: bool,
    models: Mapping[str, "LoadingSpec"],
    *,
    suppress_tokens: str | None,
    **given: Any,
) -> "GenerationSpec":
    """Returns how answers are generated: fields that are None are left out, at their defaults.

    own_settings: what is left out is the models' own where they have one. models: how each is loaded.

    Raises:
        SpecError: a field is out of range, or the models' own settings differ.
        ModelError: a model's own settings cannot be read.
    """
    from core.models.own_settings import with_own_settings
    from core.spec import GenerationSpec

    fields = {name: value for name, value in given.items() if value is not None}
    if suppress_tokens is not None:
        fields["suppress_tokens"] = whole_numbers("suppress_tokens", suppress_tokens)
    return with_own_settings(models, fields) if own_settings else GenerationSpec.build(**fields)


def whole_number(name: str, text: str) -> int:
    """Returns a whole number, also from a spelling like 1e4. Raises: SpecError."""
    # A comma parts thousands and nothing else: 1,5 is not 15.
    plain = text.replace(",", "") if THOUSANDS.fullmatch(text.strip()) else text
    try:
        number = float(plain)
        if number == int(number):
            return int(number)
    except (ValueError, OverflowError):
        pass
    raise SpecError(f"{name} must be a whole number, got {text!r}")


def numbers(name: str, text: str | None) -> tuple[float, ...]:
    """Returns the numbers of a list like 0.5,1,2. Raises: SpecError."""
    try:
        found = tuple(float(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise SpecError(f"{name} must be numbers like 0.5,1,2, got {text!r}") from None
    if not all(map(math.isfinite, found)):
        raise SpecError(f"{name} must be finite numbers like 0.5,1,2, got {text!r}")
    return found


def whole_numbers(name: str, text: str | None) -> tuple[int, ...]:
    """Returns the whole numbers of a list like 1,2. Raises: SpecError."""
    try:
        return tuple(int(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise SpecError(f"{name} must be whole numbers like 1,2, got {text!r}") from None


def parsed_proposal(text: str) -> "AnyProposalSpec":
    """Returns the proposal that a JSON object stands for. Raises: SpecError."""
    from core.proposals import build_proposal

    try:
        fields = parse_json(text)
    except ValueError as error:
        raise SpecError(
            f'proposal must be a JSON object like {{"kind": "ablate", "strength": 0.8}}, got {text!r} '
            f"({error})"
        ) from error
    if not isinstance(fields, dict):
        raise SpecError(f"proposal must be a JSON object, got {text!r}")
    return build_proposal(fields)
