"""Steering as a scoped effect: `with steered(edit): ...` adds to the residual stream, and undoes itself.

The hooks are installed once and do nothing unless an edit is in scope. The scope is a context variable,
so it ends with its `with` also after an error, and two threads that use one model never see each other's
edit.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

_HOOKED = "_tailscope_hook"


@dataclass(frozen=True, eq=False)
class ResidualEdit:
    """What to add after one block: coefficient * vector at each row and position.

    layer: block number from 0. vector: (hidden,). coefficient: (rows, positions), 0 where nothing is
    to change; positions of length 1 is one value for every position.
    """

    layer: int
    vector: torch.Tensor
    coefficient: torch.Tensor


_edit: ContextVar[ResidualEdit | None] = ContextVar("residual_edit", default=None)
_record: ContextVar[dict[int, torch.Tensor] | None] = ContextVar("residual_record", default=None)


@contextmanager
def steered(edit: ResidualEdit | None) -> Iterator[None]:
    """Applies `edit` to every forward pass of a hooked model inside the `with`, in this thread only."""
    token = _edit.set(edit)
    try:
        yield
    finally:
        _edit.reset(token)


@contextmanager
def recorded() -> Iterator[dict[int, torch.Tensor]]:
    """Yields a dict that holds, after a forward pass, block number -> residual (rows, positions, hidden)."""
    record: dict[int, torch.Tensor] = {}
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


def install_hooks(blocks: Sequence[nn.Module]) -> None:
    """Puts the (inert) hooks on a model's blocks; a second call changes nothing."""
    for layer, block in enumerate(blocks):
        if not getattr(block, _HOOKED, False):
            block.register_forward_hook(_hook(layer))
            setattr(block, _HOOKED, True)


def _hook(layer: int) -> Any:
    def after_block(module: nn.Module, inputs: Any, output: Any) -> Any:
        edit, record = _edit.get(), _record.get()
        if edit is None and record is None:
            return None
        hidden = output[0] if isinstance(output, tuple) else output
        if edit is not None and edit.layer == layer:
            change = edit.coefficient.unsqueeze(-1) * edit.vector
            hidden = hidden + change.to(device=hidden.device, dtype=hidden.dtype)
        if record is not None:
            record[layer] = hidden
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    return after_block
