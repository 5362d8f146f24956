"""Frozen, validated specs, and the types of their fields: each setting's rule is written here once.

Every spec is JSON-serialisable; its canonical JSON is what the cache hashes. Nothing here knows how a
sample is drawn.
"""

import math
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import PydanticKnownError

from core.errors import SpecError, first_sentence

MAX_SAMPLES = 10_000_000
MAX_QUERY_CHARACTERS = 8_000
MAX_NEW_TOKENS = 4_096
MAX_STRENGTH = 100.0
# Some chat templates (Llama 3, Granite, SmolLM3) write the date; draws of two days would be draws from two
# distributions.
TEMPLATE_DATE = date(2025, 1, 1)

Method = Literal["mc", "is", "mis", "ahead"]
# Those that the target alone draws for.
UNWEIGHTED: frozenset[Method] = frozenset({"mc", "ahead"})
SteeredPositions = Literal["prompt", "answer", "both"]
DirectionPosition = Literal["last_prompt", "answer_mean"]


def within(name: str, value: float, low: float, high: float) -> float:
    """Returns the value if it is a number in low..high.

    Raises:
        SpecError: otherwise.
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise SpecError(f"{name} must be in {low:g}..{high:g}, got {value:g}")
    return value


def check_query(query: str) -> str:
    """Returns the query unchanged if it can be asked at all.

    Raises:
        SpecError: it is blank, or longer than MAX_QUERY_CHARACTERS.
    """
    if not query.strip():
        raise SpecError(f"query must hold at least one visible character, got {query!r}")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise SpecError(
            f"query must be at most {MAX_QUERY_CHARACTERS} characters, got {len(query)} "
            f"(it begins {query[:40]!r})"
        )
    return query


def check_samples(samples: int) -> int:
    """Returns the sample size if it is a whole number in 1..MAX_SAMPLES.

    Raises:
        SpecError: otherwise.
    """
    if not 1 <= samples <= MAX_SAMPLES:
        raise SpecError(f"samples must be in 1..{MAX_SAMPLES:,}, got {samples:,}")
    return int(samples)


def in_range(low: float, high: float, name: str = "") -> AfterValidator:
    """Returns the rule that a number lies in low..high. name: for the message, in place of the field's."""

    def check(value: float, info: ValidationInfo) -> float:
        return within(name or str(info.field_name), value, low, high)

    return AfterValidator(check)


def at_least(low: int, words: str = "") -> AfterValidator:
    """Returns the rule that a whole number is low or more. words: what else the message says is accepted."""

    def check(value: int, info: ValidationInfo) -> int:
        if value < low:
            raise ValueError(f"{info.field_name} must be {low} or more{words}, got {value}")
        return value

    return AfterValidator(check)


def _no_bool_for_whole(value: object) -> object:
    # Python counts True as 1, and so would JSON's true be.
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


def _no_bool_for_number(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


def _finite(value: float, info: ValidationInfo) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{info.field_name} must be a finite number, got {value:g}")
    return value


def _above_zero_to_one(value: float, info: ValidationInfo) -> float:
    if not 0.0 < value <= 1.0:
        raise ValueError(f"{info.field_name} must be above 0 and at most 1, got {value:g}")
    return value


def _token_ids(value: tuple[int, ...]) -> tuple[int, ...]:
    if any(token < 0 for token in value):
        raise ValueError(f"suppress_tokens must be token ids, 0 or more, got {min(value)}")
    return tuple(sorted(set(value)))


def _template_date(value: object) -> object:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value.strip() if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"template_date must be a date like 2025-01-31, got {value!r}") from None


def _rounded_to_thousandths(value: float) -> float:
    return round(value, 3)


def _optional_samples(value: int) -> int:
    return value if value == 0 else check_samples(value)


def _seed(value: int) -> int:
    if not 0 <= value < 2**63:
        raise ValueError(f"seed must be a whole number from 0 to 2^63-1, got {value}")
    return value


def _precision(value: float) -> float:
    if not (math.isfinite(value) and 0.01 <= value <= 10.0):
        raise ValueError(f"precision must be in 0.01..10, or left out, got {value:g}")
    return value


# A number of any size. Each field adds its range, and a range refuses NaN and infinities.
Whole = Annotated[int, BeforeValidator(_no_bool_for_whole)]
Number = Annotated[float, BeforeValidator(_no_bool_for_number)]
Finite = Annotated[Number, AfterValidator(_finite)]

QueryText = Annotated[str, AfterValidator(check_query)]
Samples = Annotated[Whole, AfterValidator(check_samples)]
# 0 leaves the sample out.
OptionalSamples = Annotated[Whole, AfterValidator(_optional_samples)]
Seed = Annotated[Whole, AfterValidator(_seed)]
Share = Annotated[Number, in_range(0.0, 1.0)]
# Whole thousandths, so that the allocation of rows repeats.
DefensiveShare = Annotated[Share, AfterValidator(_rounded_to_thousandths)]
# Score of a judge from which an answer is harm.
Threshold = Annotated[Number, AfterValidator(_above_zero_to_one)]
# Half the width of an interval over its estimate.
Precision = Annotated[Number, AfterValidator(_precision)]
Temperature = Annotated[Number, in_range(0.01, 10.0)]
TopK = Annotated[Whole, at_least(1, ", or left out for no limit")]
TopP = Annotated[Number, AfterValidator(_above_zero_to_one)]
MinP = Annotated[Number, in_range(0.0, 1.0)]
RepetitionPenalty = Annotated[Number, in_range(0.01, 100.0)]
NgramSize = Annotated[Whole, at_least(0, " (0 forbids none)")]
TokenIds = Annotated[tuple[Whole, ...], AfterValidator(_token_ids)]
TemplateDate = Annotated[date, BeforeValidator(_template_date)]
NewTokens = Annotated[Whole, in_range(1, MAX_NEW_TOKENS)]
Strength = Annotated[Number, in_range(-MAX_STRENGTH, MAX_STRENGTH)]
# Token of an answer from which the target goes on alone.
Switch = Annotated[Whole, in_range(0, MAX_NEW_TOKENS)]
Layer = Annotated[Whole, at_least(0)]


class Spec(BaseModel):
    """Base of all specs: frozen, no unknown fields, NaN allowed in only to be named when refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True)

    @classmethod
    def build(cls, **values: Any) -> Self:
        """Returns the spec.

        Raises:
            SpecError: the first invalid field, in one sentence with the value and what is accepted.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise SpecError(first_sentence(error)) from None


class GenerationSpec(Spec):
    """The target distribution: the model together with how its answers are generated.

    The order is that of usual generation code: repetition penalty, repeated runs, suppressed tokens,
    temperature, top-k, top-p, min-p. Each is a function of the answer so far, so that every token still has
    an exact probability.

    Parameters
    ----------
    system_prompt : str, optional
        Goes before the query; None for what the model's chat template puts there.
    temperature : float in 0.01..10
        Logits are divided by it, before top-k and top-p.
    top_k : int, 1 or more, optional
        Only so many of the likeliest tokens are kept; None for all.
    top_p : float above 0, at most 1
        The likeliest tokens are kept until their probabilities add up to this.
    max_new_tokens : int in 1..4096
        An answer is cut after so many tokens.
    min_p : float in 0..1
        Only tokens at least this share as likely as the likeliest are kept.
    repetition_penalty : float in 0.01..100
        The logits of tokens in the prompt or the answer so far are divided by it where positive, else
        multiplied (Keskar et al. 2019, CTRL, section 4.1); 1 changes nothing.
    no_repeat_ngram_size : int, 0 or more
        No run of so many tokens, the prompt's included, comes twice; 0 forbids none.
    suppress_tokens : token ids, ascending
        These are never drawn.
    template_date : date
        The day that the model's chat template writes into the prompt, if it writes one.
    """

    system_prompt: str | None = None
    temperature: Temperature = 1.0
    top_k: TopK | None = None
    top_p: TopP = 1.0
    max_new_tokens: NewTokens = 40
    # Left out of the JSON where they change nothing, since stored draws have keys without them.
    min_p: MinP = Field(default=0.0, exclude_if=lambda value: value == 0.0)
    repetition_penalty: RepetitionPenalty = Field(
        default=1.0, exclude_if=lambda value: value == 1.0
    )
    no_repeat_ngram_size: NgramSize = Field(default=0, exclude_if=lambda value: value == 0)
    suppress_tokens: TokenIds = Field(default=(), exclude_if=lambda value: not value)
    template_date: TemplateDate = Field(
        default=TEMPLATE_DATE, exclude_if=lambda value: value == TEMPLATE_DATE
    )

    @property
    def has_token_rules(self) -> bool:
        """Whether some tokens' logits are changed before temperature (`core.sampling.token_rules`)."""
        return self.repetition_penalty != 1.0 or self.rules_out_tokens

    @property
    def rules_out_tokens(self) -> bool:
        """Whether a token may have probability 0 whatever its logit."""
        return self.no_repeat_ngram_size > 0 or bool(self.suppress_tokens)

    @property
    def truncates(self) -> bool:
        """Whether tokens outside the target's support may have a logit: top-k, top-p, min-p."""
        return self.top_k is not None or self.top_p < 1.0 or self.min_p > 0.0


class ProposalSpec(Spec):
    """What every kind of proposal has (docs/method.md#proposals); `core.proposals` holds the kinds.

    strength: how far the proposal is from the target, in the kind's own units; 0 is the target.
    alpha_mix: the target's share at every token before t_switch; from there on the target goes on alone.
    """

    kind: str
    strength: Strength = 1.0
    alpha_mix: Share = 0.1
    t_switch: Switch = 8

    @property
    def is_target(self) -> bool:
        """Whether these settings leave the target unchanged, so that every weight is exactly 1."""
        return self.strength == 0.0 or self.alpha_mix == 1.0 or self.t_switch == 0
