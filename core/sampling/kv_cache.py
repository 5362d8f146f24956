"""The key-value cache of a stream: layers with room for the whole answer, whose rows can be taken apart."""

import torch
from transformers.cache_utils import DynamicLayer

from core.errors import ModelError


class RoomyLayer(DynamicLayer):
    """A cache layer with room for the whole answer, so that a step writes in place and copies nothing."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity
        self._room: tuple[torch.Tensor, torch.Tensor] | None = None
        self._length = 0

    def fill(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Takes over keys and values, each (rows, heads, length, width), as the layer's content."""
        length = keys.shape[-2]
        room = []
        for states in (keys, values):
            rows, heads, _, width = states.shape
            space = states.new_empty(rows, heads, max(self.capacity, length), width)
            space[:, :, :length] = states
            room.append(space)
        self._room = (room[0], room[1])
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._show(length)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Appends one step's keys and values and returns all of them."""
        if self._room is None:
            self.fill(key_states, value_states)
            return self._content()
        old, new = self._length, self._length + key_states.shape[-2]
        self._room[0][:, :, old:new] = key_states
        self._room[1][:, :, old:new] = value_states
        self._show(new)
        return self._content()

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keeps these rows, in one copy."""
        assert self._room is not None, "the layer is filled before it is read"
        keys, values = self._room
        self._room = (keys.index_select(0, indices), values.index_select(0, indices))
        self._show(self._length)

    def _show(self, length: int) -> None:
        self._length = length
        self.keys, self.values = self._content()

    def _content(self) -> tuple[torch.Tensor, torch.Tensor]:
        assert self._room is not None, "the layer is filled before it is read"
        keys, values = self._room
        return keys[:, :, : self._length], values[:, :, : self._length]


def with_room(layer: object, rows: torch.Tensor, capacity: int) -> DynamicLayer:
    """Returns a prompt's cache layer for these rows: with room to grow, unless it slides anyway."""
    if not isinstance(layer, DynamicLayer) or layer.keys is None or layer.values is None:
        raise ModelError(
            f"this model keeps a {type(layer).__name__} in its cache, whose rows cannot be taken apart; "
            "models with attention layers only are supported"
        )
    if type(layer) is not DynamicLayer:
        keep_rows(layer, rows)
        return layer
    rows = rows.to(layer.keys.device)
    roomy = RoomyLayer(capacity)
    roomy.fill(layer.keys.index_select(0, rows), layer.values.index_select(0, rows))
    return roomy


def keep_rows(layer: DynamicLayer, rows: torch.Tensor) -> None:
    """Keeps these rows of a layer, which may lie on another device than the logits."""
    assert layer.keys is not None, "the layer is filled before it is read"
    layer.batch_select_indices(rows.to(layer.keys.device))
