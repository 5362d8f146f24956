"""Checks whether a model can be used here, before its weights are downloaded or read.

A fault of a model is a finding, not an error: a stranger's files can be damaged in any way.
"""

from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.configuration_utils import PreTrainedConfig
from transformers.modeling_utils import PreTrainedModel

from core.errors import ModelError
from core.models.blocks import find_blocks
from core.models.checks import quiet_transformers
from core.models.devices import check_device, free_memory
from core.models.file_findings import stored_bytes, try_config, try_tokenizer, try_weights
from core.models.findings import Finding, Preflight, in_bytes, tried
from core.models.memory import (
    MemoryNeed,
    dtype_of,
    empty_model,
    memory_need,
)
from core.models.number_format import computed_dtype, stored_dtype
from core.models.sources import find_source
from core.models.spec import LoadingSpec
from core.models.token_findings import token_findings
from core.settings.operator import Permissions, operator

BATCH_ROWS = 250
PROMPT_TOKENS = 200
NEW_TOKENS = 40
TIGHT_SHARE = 0.8  # of the free memory; above it there is a warning


def preflight(
    name: str,
    *,
    loading: LoadingSpec | None = None,
    batch_rows: int = BATCH_ROWS,
    new_tokens: int = NEW_TOKENS,
    prompt_tokens: int = PROMPT_TOKENS,
) -> Preflight:
    """Returns the findings on whether a model can draw `batch_rows` answers at once here. Reads no weights.

    name: an embedded model, a folder or a Hugging Face id.

    Raises:
        ModelError: the name is blank.
        SpecError: the operator's configuration cannot be read.
    """
    if not name.strip():
        raise ModelError(f"model must not be blank, got {name!r}")
    loading = loading or LoadingSpec()
    allowed = operator().permissions(name)
    quiet_transformers()
    findings: list[Finding] = []
    place = tried(findings, "device", lambda: check_device(loading.device), "Use cpu.")
    source, finding = find_source(name, loading.revision, allowed)
    findings.append(finding)
    if source is None:
        return Preflight(name, tuple(findings))
    config = try_config(findings, name, source, allowed)
    index = try_weights(findings, name, source, allowed)
    if config is None:
        return Preflight(name, tuple(findings))
    tokenizer = try_tokenizer(findings, name, source, allowed)
    model = tried(
        findings, "architecture", lambda: _usable_model(config, allowed), "Use another model."
    )
    dtype = computed_dtype(stored_dtype(config), loading)
    kind = tried(findings, "dtype", lambda: dtype_of(config, dtype), "Use auto.")
    if model is None:
        return Preflight(name, tuple(findings))
    findings += _architecture(model)
    findings.append(_context(model, new_tokens))
    if tokenizer is not None:
        findings += token_findings(model, tokenizer, source)
    if kind is None or place is None:
        return Preflight(name, tuple(findings))
    tokens = min(prompt_tokens + new_tokens, _room(model.config) or prompt_tokens + new_tokens)
    stored = stored_bytes(index) if dtype == "auto" else None
    need = tried(
        findings, "memory", lambda: memory_need(model, kind, tokens, stored), "Use another model."
    )
    if need is None:
        return Preflight(name, tuple(findings))
    free = free_memory(place)
    findings.append(_memory(need, free, place, batch_rows))
    return Preflight(
        name,
        tuple(findings),
        weights_bytes=need.weights,
        cache_bytes=need.cache(batch_rows),
        logits_bytes=need.total(batch_rows) - need.weights - need.cache(batch_rows),
        memory_bytes=free,
        largest_batch=None if free is None else need.largest_batch(free),
    )


def _usable_model(config: PreTrainedConfig, allowed: Permissions) -> PreTrainedModel:
    """Returns the model without weights. Raises ModelError if it cannot be steered or sampled from."""
    model = empty_model(config, allowed)
    find_blocks(model)
    for layer in DynamicCache(config=config).layers:
        if not isinstance(layer, DynamicLayer):
            raise ModelError(
                f"{type(model).__name__} keeps a {type(layer).__name__} in its cache, whose rows cannot be "
                "taken apart; models with attention layers only are supported"
            )
    return model


def _architecture(model: PreTrainedModel) -> list[Finding]:
    own, listed = type(model).__name__, model.config.architectures or []
    if listed and own not in listed:
        return [
            Finding(
                "architecture",
                "warning",
                f"Its weights are a {listed[0]}'s, and a {own} may need others, which would be random.",
                "Use the model's causal language model.",
            )
        ]
    return [Finding("architecture", "ok", f"{own}, {len(find_blocks(model))} blocks.")]


def _room(config: PreTrainedConfig) -> int | None:
    """Returns how many tokens prompt and answer may have together; None if unknown."""
    room = getattr(config.get_text_config(), "max_position_embeddings", None)
    return int(room) if room else None


def _context(model: PreTrainedModel, new_tokens: int) -> Finding:
    room = _room(model.config)
    if room is not None and new_tokens >= room:
        return Finding(
            "context",
            "refused",
            f"An answer of {new_tokens:,} tokens leaves no room for a query: there is room for {room:,}.",
            "Allow shorter answers.",
        )
    known = "an unknown number of" if room is None else f"{room:,}"
    return Finding("context", "ok", f"Query and answer may have {known} tokens together.")


def _memory(need: MemoryNeed, free: int | None, place: str, batch_rows: int) -> Finding:
    total = need.total(batch_rows)
    message = (
        f"{batch_rows:,} answers at once need about {in_bytes(total)} on {place}, "
        f"{in_bytes(need.weights)} of them for the weights"
    )
    if free is None:
        return Finding("memory", "note", f"{message}; how much is free is not known.")
    message += f"; {in_bytes(free)} are free."
    if total <= TIGHT_SHARE * free:
        return Finding("memory", "ok", message)
    largest = need.largest_batch(free)
    smaller = f"Draw at most {largest:,} at once, or use" if largest else "Use"
    return Finding(
        "memory",
        "refused" if total > free else "warning",
        message,
        f"{smaller} a smaller dtype, a smaller model or another device.",
    )
