"""Findings about a model's files: config, weights' names and headers, tokenizer, chat template."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import AutoTokenizer
from transformers.configuration_utils import PreTrainedConfig
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError
from core.models import gguf_reading
from core.models.checks import (
    check_causal,
    check_tokenizer,
    check_weights,
    read_config,
    read_index,
    reason,
)
from core.models.findings import Finding, tried
from core.models.gguf_header import GgufFile, read_header
from core.models.memory import empty_model
from core.models.sources import Source
from core.settings.operator import NOTHING, Permissions


def try_config(
    findings: list[Finding], name: str, source: Source, allowed: Permissions = NOTHING
) -> PreTrainedConfig | None:
    """Returns the config of a causal language model; None if the config is not usable."""
    if source.gguf is not None:
        return _try_gguf_config(findings, name, source.folder / source.gguf)
    own_code = _brings_code(source.folder)

    def checked() -> PreTrainedConfig:
        config = read_config(name, source.folder, allowed)
        check_causal(name, config, allowed)
        return config

    code = "remote_code" if own_code else "config"
    config = tried(
        findings, code, checked, "Use a causal language model that transformers itself knows."
    )
    if config is None:
        return None
    findings.append(Finding("config", "ok", f"config.json describes a {config.model_type} model."))
    if own_code:
        if allowed.remote_code:
            message = (
                "It brings code of its own, which runs: the operator's configuration allows it."
            )
            findings.append(Finding("remote_code", "warning", message, "Read that code first."))
        else:
            message = "It brings code of its own, which is not run."
            findings.append(Finding("remote_code", "note", message))
    quantised = getattr(config, "quantization_config", None)
    if quantised:
        method = quantised.get("quant_method") if isinstance(quantised, dict) else quantised
        findings.append(
            Finding(
                "quantised",
                "warning",
                f"Its weights are quantised ({method}), which was not tested here.",
                "Use the model's full weights if memory allows.",
            )
        )
    return config


def _try_gguf_config(findings: list[Finding], name: str, path: Path) -> PreTrainedConfig | None:
    """Returns the config in a GGUF file's header, None if it is not usable; tells how weights are stored."""

    def checked() -> tuple[GgufFile, PreTrainedConfig]:
        file = read_header(path)
        config = gguf_reading.read_config(file)
        check_causal(name, config)
        gguf_reading.check_tensors(file, empty_model(config))
        return file, config

    found = tried(findings, "gguf", checked, "Use another GGUF file, or the model's safetensors.")
    if found is None:
        return None
    file, config = found
    findings.append(Finding("gguf", "ok", f"Its header describes a {file.architecture} model."))
    if file.quantised:
        message = (
            f"Its weights are quantised ({file.kind}); they are turned into plain numbers when it is loaded. "
            "The risk is the quantised model's."
        )
        findings.append(Finding("quantised", "note", message))
    cut = gguf_reading.guessed_cut(file)
    if cut is not None:
        findings.append(
            Finding(
                "tokenizer_cut",
                "warning",
                f"How its tokenizer cuts text ({cut!r}) is not known here; GPT-2's way is taken, and some "
                "prompts may become other tokens than the model learned.",
                "Use the model's safetensors folder with its own tokenizer.json.",
            )
        )
    return config


def _brings_code(folder: Path) -> bool:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return bool(config.get("auto_map"))
    except (OSError, ValueError, AttributeError):
        return False


def try_weights(
    findings: list[Finding], name: str, source: Source, allowed: Permissions = NOTHING
) -> dict[str, Any] | None:
    """Returns the index of sharded weights; None without one, or if a shard is missing."""
    if source.gguf is not None:
        # Its header has been read with the config, down to where its last tensor ends.
        return None

    def checked() -> dict[str, Any] | None:
        index = read_index(name, source.folder)
        check_weights(name, source.names, index, allowed)
        for path in sorted(source.folder.glob("*.safetensors")):
            try:
                with safe_open(
                    path, framework="pt"
                ):  # reads the header, which shows a cut-off file
                    pass
            except SafetensorError as error:
                raise ModelError(
                    f"{path.name} is damaged or was cut off ({reason(error)}); fetch it again"
                ) from error
        return index

    before = len(findings)
    index = tried(findings, "weights", checked, "Use a model with complete safetensors weights.")
    if len(findings) == before and any(name.endswith(".safetensors") for name in source.names):
        findings.append(Finding("weights", "ok", "Its weights are safetensors files."))
    elif len(findings) == before:
        message = "Its weights are pickle files, which the operator's configuration allows."
        findings.append(Finding("weights", "warning", message, "Convert them to safetensors."))
    return index


def stored_bytes(index: dict[str, Any] | None) -> int | None:
    """Returns the size of sharded weights from their index; None if it is not given."""
    metadata = (index or {}).get("metadata")
    size = metadata.get("total_size") if isinstance(metadata, dict) else None
    return int(size) if isinstance(size, int | float) and size > 0 else None


def try_tokenizer(
    findings: list[Finding], name: str, source: Source, allowed: Permissions = NOTHING
) -> PreTrainedTokenizerBase | None:
    """Returns the tokenizer, None if it is not usable; checks its chat template too."""

    def checked() -> PreTrainedTokenizerBase:
        if source.gguf is not None:
            return gguf_reading.read_tokenizer(read_header(source.folder / source.gguf))
        check_tokenizer(name, source.names)
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            source.folder, trust_remote_code=allowed.remote_code
        )
        return tokenizer

    tokenizer = tried(findings, "tokenizer", checked, "Add the model's own tokenizer.json.")
    if tokenizer is None:
        return None
    findings.append(Finding("tokenizer", "ok", f"Its tokenizer knows {len(tokenizer):,} tokens."))
    if not tokenizer.chat_template:
        message = "It has no chat template: a plain question-and-answer prompt is used."
        findings.append(Finding("chat_template", "note", message))
        return tokenizer
    text = tried(
        findings,
        "chat_template",
        lambda: tokenizer.apply_chat_template(
            [{"role": "user", "content": "hello"}], tokenize=False, add_generation_prompt=True
        ),
        "Mend the chat template, or remove it for a plain question-and-answer prompt.",
    )
    if text is not None:
        findings.append(Finding("chat_template", "ok", "It has a chat template."))
    return tokenizer
