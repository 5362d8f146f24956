"""Edits as a scoped effect: `with steered(edits): ...` changes the residual stream, and undoes itself.

The hooks are installed once and do nothing unless an edit is in scope. The scope is a context variable,
so it ends with its `with` also after an error, and two threads that use one model never see each other's
edits.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, Protocol

import torch
from torch import nn

# Where in a block an edit may act: its input, the output of its attention and of its MLP, its output.
Site = Literal["input", "attention", "mlp", "output"]
_HOOKED = "_tailscope_hook"


class Edit(Protocol):
    """A change of some rows' activations. It depends on each row's own activations only."""

    def apply(self, site: Site, layer: int, hidden: torch.Tensor) -> torch.Tensor:
        """Returns the activations (rows, positions, hidden) at a site, changed or as they were."""
        ...


class EditPlan(Protocol):
    """How a proposal edits a model, apart from which rows of a batch are its own.

    on_prompt, on_answer: whether the positions that predict no answer token, and those that do, change.
    The last prompt position predicts the first answer token, so it belongs to the answer.
    """

    @property
    def on_prompt(self) -> bool: ...

    @property
    def on_answer(self) -> bool: ...

    def edit(self, positions: torch.Tensor, rows: slice) -> Edit:
        """Returns the edit of these rows. positions: (positions,) bool, those that change."""
        ...


_edits: ContextVar[Sequence[Edit]] = ContextVar("edits", default=())
_record: ContextVar[dict[int, torch.Tensor] | None] = ContextVar("residual_record", default=None)


@contextmanager
def steered(*edits: Edit) -> Iterator[None]:
    """Applies `edits` to every forward pass of a hooked model inside the `with`, in this thread only."""
    token = _edits.set(edits)
    try:
        yield
    finally:
        _edits.reset(token)


@contextmanager
def recorded() -> Iterator[dict[int, torch.Tensor]]:
    """Yields a dict that holds, after a forward pass, block number -> residual (rows, positions, hidden)."""
    record: dict[int, torch.Tensor] = {}
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


def edited_positions(plan: EditPlan, prompt: int, answer: int = 0) -> torch.Tensor:
    """Returns which positions change, (prompt + answer,) bool; both lengths in tokens."""
    changed = torch.zeros(prompt + answer, dtype=torch.bool)
    changed[: prompt - 1] = plan.on_prompt
    changed[prompt - 1 :] = plan.on_answer
    return changed


def replace_rows(hidden: torch.Tensor, rows: slice, changed: torch.Tensor) -> torch.Tensor:
    """Returns `hidden` with these rows in place of its own; the others are not touched, bit for bit."""
    start, stop, _ = rows.indices(len(hidden))
    if stop - start == len(hidden):
        return changed
    return torch.cat([hidden[:start], changed, hidden[stop:]])


def install_hooks(blocks: Sequence[nn.Module]) -> None:
    """Puts the (inert) hooks on a model's blocks; a second call changes nothing."""
    for layer, block in enumerate(blocks):
        if getattr(block, _HOOKED, False):
            continue
        block.register_forward_pre_hook(_before(layer), with_kwargs=True)
        for site, part in halves(block):
            part.register_forward_hook(_after(site, layer))
        block.register_forward_hook(_after("output", layer))
        setattr(block, _HOOKED, True)


def halves(block: nn.Module) -> list[tuple[Site, nn.Module]]:
    """Returns a block's attention and feed-forward parts, found by their names.

    In every architecture one of these words occurs in their names (self_attn, attention, mlp, feed_forward,
    block_sparse_moe, ...); norms and dropouts around them have longer names.
    """
    found: list[tuple[Site, nn.Module]] = []
    for name, child in block.named_children():
        if "norm" in name or "dropout" in name or name.startswith("ln"):
            continue
        if "attn" in name or "attention" in name:
            found.append(("attention", child))
        elif any(word in name for word in ("mlp", "feed_forward", "feedforward", "moe", "ffn")):
            found.append(("mlp", child))
    return found


def _applied(site: Site, layer: int, hidden: torch.Tensor) -> torch.Tensor:
    for edit in _edits.get():
        hidden = edit.apply(site, layer, hidden)
    return hidden


def _before(layer: int) -> Any:
    def before_block(module: nn.Module, inputs: Any, named: Any) -> Any:
        if not _edits.get():
            return None
        if inputs:
            return (_applied("input", layer, inputs[0]), *inputs[1:]), named
        return inputs, named | {"hidden_states": _applied("input", layer, named["hidden_states"])}

    return before_block


def _after(site: Site, layer: int) -> Any:
    def after_part(module: nn.Module, inputs: Any, output: Any) -> Any:
        record = _record.get() if site == "output" else None
        if record is None and not _edits.get():
            return None
        hidden = output[0] if isinstance(output, tuple) else output
        hidden = _applied(site, layer, hidden)
        if record is not None:
            record[layer] = hidden
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    return after_part
