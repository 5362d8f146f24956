"""Frozen, validated specs: what is sampled, from which proposal, and how much of it.

Every spec is JSON-serialisable; its canonical JSON is what the cache hashes. Nothing here knows how a
sample is drawn.
"""

import math
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from core.errors import SpecError, first_sentence

MAX_SAMPLES = 10_000_000
MAX_QUERY_CHARACTERS = 8_000
MAX_NEW_TOKENS = 4_096
MAX_STRENGTH = 100.0

Method = Literal["mc", "is", "mis"]
SteeredPositions = Literal["prompt", "answer", "both"]
DirectionPosition = Literal["last_prompt", "answer_mean"]


def within(name: str, value: float, low: float, high: float) -> float:
    """Returns the value if it is a number in low..high.

    Raises:
        ValueError: otherwise.
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must be in {low:g}..{high:g}, got {value:g}")
    return value


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
    """The target distribution: the model together with how its answers are generated."""

    system_prompt: str | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    max_new_tokens: int = 40

    @field_validator("temperature")
    @classmethod
    def _temperature(cls, value: float) -> float:
        return within("temperature", value, 0.01, 10.0)

    @field_validator("top_k")
    @classmethod
    def _top_k(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            raise ValueError(f"top_k must be 1 or more, or left out for no limit, got {value}")
        return value

    @field_validator("top_p")
    @classmethod
    def _top_p(cls, value: float) -> float:
        if not 0.0 < value <= 1.0:
            raise ValueError(f"top_p must be above 0 and at most 1, got {value:g}")
        return value

    @field_validator("max_new_tokens")
    @classmethod
    def _max_new_tokens(cls, value: int) -> int:
        return int(within("max_new_tokens", value, 1, MAX_NEW_TOKENS))


class ProposalSpec(Spec):
    """What every kind of proposal has (docs/method.md#proposals); `core.proposals` holds the kinds.

    strength: how far the proposal is from the target, in the kind's own units; 0 is the target.
    alpha_mix: the target's share at every token before t_switch; from there on the target goes on alone.
    """

    kind: str
    strength: float = 1.0
    alpha_mix: float = 0.1
    t_switch: int = 8

    @field_validator("strength")
    @classmethod
    def _strength(cls, value: float) -> float:
        return within("strength", value, -MAX_STRENGTH, MAX_STRENGTH)

    @field_validator("alpha_mix")
    @classmethod
    def _alpha_mix(cls, value: float) -> float:
        return within("alpha_mix", value, 0.0, 1.0)

    @field_validator("t_switch")
    @classmethod
    def _t_switch(cls, value: int) -> int:
        return int(within("t_switch", value, 0, MAX_NEW_TOKENS))

    @property
    def is_target(self) -> bool:
        """Whether these settings leave the target unchanged, so that every weight is exactly 1."""
        return self.strength == 0.0 or self.alpha_mix == 1.0 or self.t_switch == 0


def check_query(query: str) -> str:
    """Returns the query unchanged if it can be asked at all.

    Raises:
        ValueError: it is blank, or longer than MAX_QUERY_CHARACTERS.
    """
    if not query.strip():
        raise ValueError(f"query must hold at least one visible character, got {query!r}")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise ValueError(
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
