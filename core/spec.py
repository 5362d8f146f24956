"""Frozen, validated specs: what is sampled, from which proposal, and how much of it.

Every spec is JSON-serialisable; its canonical JSON is what the cache hashes. Nothing here knows how a
sample is drawn.
"""

import math
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from core.errors import SpecError, first_sentence

MAX_SAMPLES = 10_000_000
MAX_QUERY_CHARACTERS = 8_000
MAX_NEW_TOKENS = 4_096
MAX_STRENGTH = 100.0

Method = Literal["mc", "is"]
SteeredPositions = Literal["prompt", "answer", "both"]
DirectionPosition = Literal["last_prompt", "answer_mean"]


def _within(name: str, value: float, low: float, high: float) -> float:
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
        return _within("temperature", value, 0.01, 10.0)

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
        return int(_within("max_new_tokens", value, 1, MAX_NEW_TOKENS))


class SteerSpec(Spec):
    """A `steer` proposal: add -strength * r to the residual stream after one block (design, section 2).

    strength is in units of the direction r. alpha_mix is the target's share at every token before
    t_switch. layer counts blocks from 0.
    """

    kind: Literal["steer"] = "steer"
    strength: float = 1.0
    alpha_mix: float = 0.1
    t_switch: int = 8
    layer: int = 2
    direction: DirectionPosition = "answer_mean"
    positions: SteeredPositions = "answer"

    @field_validator("strength")
    @classmethod
    def _strength(cls, value: float) -> float:
        return _within("strength", value, -MAX_STRENGTH, MAX_STRENGTH)

    @field_validator("alpha_mix")
    @classmethod
    def _alpha_mix(cls, value: float) -> float:
        return _within("alpha_mix", value, 0.0, 1.0)

    @field_validator("t_switch")
    @classmethod
    def _t_switch(cls, value: int) -> int:
        return int(_within("t_switch", value, 0, MAX_NEW_TOKENS))

    @field_validator("layer")
    @classmethod
    def _layer(cls, value: int) -> int:
        if value < 0:
            raise ValueError(f"layer must be 0 or more, got {value}")
        return value

    @property
    def is_target(self) -> bool:
        """Whether these settings leave the target unchanged, so that every weight is exactly 1."""
        return self.strength == 0.0 or self.alpha_mix == 1.0 or self.t_switch == 0


class SamplingSpec(Spec):
    """One stream of draws: all that decides which tokens row i holds. Its hash keys the shards."""

    model_fingerprint: str
    query: str
    generation: GenerationSpec = GenerationSpec()
    proposal: SteerSpec | None = None
    direction_fingerprint: str | None = None
    defensive_share: float = 0.1
    seed: int = 0

    @field_validator("query")
    @classmethod
    def _query(cls, value: str) -> str:
        return check_query(value)

    @field_validator("defensive_share")
    @classmethod
    def _defensive_share(cls, value: float) -> float:
        return _within("defensive_share", value, 0.0, 1.0)

    @field_validator("seed")
    @classmethod
    def _seed(cls, value: int) -> int:
        if not 0 <= value < 2**63:
            raise ValueError(f"seed must be a whole number from 0 to 2^63-1, got {value}")
        return value

    @model_validator(mode="after")
    def _switch_inside_answer(self) -> Self:
        limit = self.generation.max_new_tokens
        if self.proposal is not None and self.proposal.t_switch > limit:
            raise ValueError(
                f"t_switch must be in 0..{limit} (max_new_tokens), got {self.proposal.t_switch}"
            )
        return self

    @property
    def method(self) -> Method:
        return "mc" if self.proposal is None else "is"


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
