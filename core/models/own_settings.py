"""The sampling settings in a model's own files: what can be taken over, what cannot, what is not in use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import GenerationConfig

from core.errors import ModelError, SpecError
from core.models.checks import quiet_transformers
from core.models.sources import find_source
from core.models.spec import LoadingSpec
from core.settings.operator import operator
from core.spec import GenerationSpec

# What can be taken over: fields of GenerationSpec under the names that generation configs have for them.
TAKEN_OVER = (
    "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "no_repeat_ngram_size", "suppress_tokens",
)  # fmt: skip
# What cannot be had, with the values that change nothing. Beam search gives no sample; others are not built.
NOT_TAKEN_OVER: dict[str, tuple[object, ...]] = {
    "num_beams": (1,), "typical_p": (1.0,), "epsilon_cutoff": (0.0,), "eta_cutoff": (0.0,), "top_h": (),
    "min_length": (0,), "min_new_tokens": (0,), "guidance_scale": (1.0,), "bad_words_ids": ([],),
    "begin_suppress_tokens": ([],), "sequence_bias": ([], {}),
    "exponential_decay_length_penalty": (), "forced_bos_token_id": (), "forced_eos_token_id": (),
    "watermarking_config": (), "penalty_alpha": (0.0,), "dola_layers": (), "stop_strings": ([],),
}  # fmt: skip


@dataclass(frozen=True)
class OwnSettings:
    """What a model's generation config asks for beyond plain sampling.

    taken_over: fields of a `GenerationSpec`. lost: what cannot be had here, by its name in the config.
    """

    taken_over: Mapping[str, Any]
    lost: Mapping[str, Any]

    def unused(self, generation: GenerationSpec) -> dict[str, Any]:
        """Returns those that answers generated so do not have, taken over or not."""
        others = {
            name: value
            for name, value in self.taken_over.items()
            if getattr(generation, name) != value
        }
        return others | dict(self.lost)


def own_settings(config: GenerationConfig | None) -> OwnSettings:
    """Returns the settings of a generation config; none of None."""
    taken_over: dict[str, Any] = {}
    lost: dict[str, Any] = {}
    plain = GenerationSpec()
    for name in TAKEN_OVER:
        value = getattr(config, name, None)
        # A top-k of 0 is none.
        if value is None or (name == "top_k" and value == 0):
            continue
        try:
            value = getattr(GenerationSpec.build(**{name: value}), name)
        except SpecError:
            lost[name] = value
            continue
        if value != getattr(plain, name):
            taken_over[name] = value
    for name, harmless in NOT_TAKEN_OVER.items():
        value = getattr(config, name, None)
        if value is not None and value not in harmless:
            lost[name] = value
    return OwnSettings(taken_over, lost)


def read_own_settings(name: str, loading: LoadingSpec | None = None) -> OwnSettings:
    """Returns the settings in a model's files, before its weights are fetched or read.

    Raises:
        ModelError: there is no such model, or its generation config cannot be read.
        SpecError: the operator's configuration cannot be read.
    """
    quiet_transformers()
    revision = None if loading is None else loading.revision
    source, finding = find_source(name, revision, operator().permissions(name))
    if source is None:
        raise ModelError(f"{finding.message.rstrip('.')}: {finding.what_to_do}")
    if "generation_config.json" not in source.names:
        return own_settings(None)
    try:
        return own_settings(GenerationConfig.from_pretrained(source.folder))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"the generation_config.json of {name!r} cannot be read") from error


def with_own_settings(
    models: Mapping[str, LoadingSpec], fields: Mapping[str, Any]
) -> GenerationSpec:
    """Returns the generation settings with these fields, and with the models' own where a field is left out.

    models: how each is loaded, by name; all must have the same settings of their own.

    Raises:
        SpecError: two models differ, or a field is out of range.
        ModelError: as `read_own_settings`.
    """
    found = {name: read_own_settings(name, loading).taken_over for name, loading in models.items()}
    (first, *others) = found
    for other in others:
        if found[other] != found[first]:
            raise SpecError(
                f"own_settings needs models whose own settings are the same: those of {first!r} are "
                f"{in_words(found[first])}, those of {other!r} {in_words(found[other])}"
            )
    return GenerationSpec.build(**{**found[first], **fields})


def unused_in_words(own: OwnSettings, generation: GenerationSpec) -> str | None:
    """Returns one sentence on the model's own settings that are not in use; None if all are."""
    unused = own.unused(generation)
    if not unused:
        return None
    listed = in_words(unused)
    words = (
        f"The model's own sampling settings are not in use ({listed}): its risk under them differs."
    )
    lost = ", ".join(name for name in unused if name in own.lost)
    return f"{words} {lost} cannot be had." if lost else words


def in_words(settings: Mapping[str, Any]) -> str:
    """Returns settings as text: 'temperature 0.6, top_k 20'."""
    return ", ".join(f"{name} {_text(value)}" for name, value in settings.items()) or "none"


def _text(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)
