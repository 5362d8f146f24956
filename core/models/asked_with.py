"""What a reader must know about how a model is asked: its own settings that are not in use, a pinned date."""

from typing import Any

from core.models.loading import LoadedModel
from core.models.own_settings import OwnSettings, own_settings, unused_in_words
from core.models.templates import writes_date
from core.spec import GenerationSpec


def own_settings_of(loaded: LoadedModel) -> OwnSettings:
    """Returns a loaded model's own sampling settings."""
    config: Any = getattr(loaded.model, "generation_config", None)
    return own_settings(config)


def written_date(loaded: LoadedModel, generation: GenerationSpec) -> str | None:
    """Returns the date that stands in the model's prompts, as ISO 8601; None where its template has none."""
    return generation.template_date.isoformat() if writes_date(loaded.tokenizer) else None


def asked_with(loaded: LoadedModel, generation: GenerationSpec) -> tuple[str, ...]:
    """Returns a sentence for each thing that a number of this model rests on and a reader may not expect."""
    told = []
    unused = unused_in_words(own_settings_of(loaded), generation)
    if unused is not None:
        told.append(unused)
    day = written_date(loaded, generation)
    if day is not None:
        told.append(
            f"The model's chat template writes a date into the prompt: {day}, whatever the day."
        )
    return tuple(told)


def drawn_with(generation: GenerationSpec) -> str:
    """Returns how tokens are drawn, 'temperature 0.6, top k 20, at most 40 tokens', without what is off."""
    usual = GenerationSpec(temperature=generation.temperature)
    apart = {"system_prompt", "temperature", "max_new_tokens"}
    changed = [
        f"{name.replace('_', ' ')} {_setting(value)}"
        for name, value in generation
        if name not in apart and value != getattr(usual, name)
    ]
    parts = [f"temperature {generation.temperature:g}", *changed]
    return ", ".join([*parts, f"at most {generation.max_new_tokens} tokens"])


def _setting(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
