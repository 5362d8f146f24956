"""Next-token logits of target and proposal for many rows at once: prompt computed once, cache shared.

A stream is what the sampling loop sees of a model. Each kind of proposal opens one; the loop itself
never knows which kind it was.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from core.errors import ModelError
from core.models.loading import LoadedModel
from core.steering.interventions import ResidualEdit, steered

# Matrix kernels treat the last few rows of a batch in their own way. A multiple of 16 rows keeps every
# row's arithmetic, and so every bit of its result, independent of how many rows run beside it.
ROW_MULTIPLE = 16


def padded_rows(count: int) -> int:
    """Returns the number of rows to run so that `count` of them are wanted."""
    return -(-count // ROW_MULTIPLE) * ROW_MULTIPLE


class Stream(Protocol):
    """Rows that grow token by token, with the target's logits and, until dropped, the proposal's."""

    forward_tokens: int

    def logits(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Returns the next token's logits, target (rows, vocabulary) and proposal or None."""
        ...

    def advance(self, tokens: torch.Tensor) -> None:
        """Appends one token, (rows,) int64, to every row."""
        ...

    def keep(self, rows: torch.Tensor) -> None:
        """Goes on with these rows only, in this order; a row may be named twice."""
        ...

    def drop_proposal(self) -> None:
        """Stops computing the proposal: from here on it equals the target."""
        ...


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
        """Keeps these rows; only the used part is copied."""
        keys, values = self._content()
        self.fill(keys.index_select(0, indices), values.index_select(0, indices))

    def _show(self, length: int) -> None:
        self._length = length
        self.keys, self.values = self._content()

    def _content(self) -> tuple[torch.Tensor, torch.Tensor]:
        assert self._room is not None, "the layer is filled before it is read"
        keys, values = self._room
        return keys[:, :, : self._length], values[:, :, : self._length]


@dataclass(frozen=True, eq=False)
class SteerPlan:
    """How a `steer` proposal edits the residual stream, apart from which rows it edits.

    layer: block number. vector: (hidden,), the direction r. strength: in units of r, subtracted.
    on_prompt, on_answer: whether the positions that predict no answer token, and those that do, change.
    The last prompt position predicts the first answer token, so it belongs to the answer.
    """

    layer: int
    vector: torch.Tensor
    strength: float
    on_prompt: bool
    on_answer: bool

    def coefficients(self, length: int, prompt_length: int) -> torch.Tensor:
        """Returns the coefficient (length,) at each position of a prompt and its answer."""
        coefficient = torch.zeros(length, dtype=self.vector.dtype)
        if self.on_prompt:
            coefficient[: prompt_length - 1] = -self.strength
        if self.on_answer:
            coefficient[prompt_length - 1 :] = -self.strength
        return coefficient


class ModelStream:
    """A stream over one Hugging Face model; target rows and steered rows share every forward pass.

    It begins with one place for each prompt, in order, and as many more as make the batch a size whose
    rows can be computed independently. prompts: token ids. new_tokens: room to make. plan: None for the
    target alone.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        prompts: Sequence[Sequence[int]],
        new_tokens: int,
        plan: SteerPlan | None = None,
    ) -> None:
        self._loaded = loaded
        self._plan = plan
        self._arms = 1 if plan is None else 2
        rows = torch.zeros(padded_rows(len(prompts)), dtype=torch.long)
        rows[: len(prompts)] = torch.arange(len(prompts))
        self._rows = len(rows)
        self._accepts_logits_to_keep = (
            "logits_to_keep" in inspect.signature(loaded.model.forward).parameters
        )
        device = loaded.device
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        longest = int(lengths.max())
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros(len(prompts), longest, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            # Left padding: every prompt ends at the same column, where its answer begins.
            ids[row, longest - len(prompt) :] = torch.tensor(list(prompt))
            mask[row, longest - len(prompt) :] = 1
        padded = bool((lengths != longest).any())
        self._position = lengths[rows].repeat(self._arms).to(device)
        self.forward_tokens = int(lengths.sum()) * self._arms

        ids, mask = ids.repeat(self._arms, 1).to(device), mask.repeat(self._arms, 1).to(device)
        cache = DynamicCache(config=loaded.model.config)
        edit = None
        if plan is not None:
            coefficient = torch.zeros(self._arms * len(prompts), longest, dtype=plan.vector.dtype)
            coefficient[len(prompts) :] = plan.coefficients(longest, longest)
            edit = self._edit(plan, coefficient)
        logits = self._forward(
            ids,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            attention_mask=mask if padded else None,
            cache=cache,
            edit=edit,
        )
        choice = torch.cat([rows.to(device) + arm * len(prompts) for arm in range(self._arms)])
        self._layers = [_with_room(layer, choice, longest + new_tokens) for layer in cache.layers]
        cache.layers = list(self._layers)
        self._cache = cache
        self._mask = mask.index_select(0, choice) if padded else None
        self._logits = logits.index_select(0, choice)

    def logits(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Returns the next token's logits, target (rows, vocabulary) and proposal or None."""
        if self._arms == 1:
            return self._logits, None
        return self._logits[: self._rows], self._logits[self._rows :]

    def advance(self, tokens: torch.Tensor) -> None:
        """Appends one token, (rows,) int64, to every row and computes the next logits."""
        ids = tokens.to(self._logits.device).repeat(self._arms).unsqueeze(1)
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(ids), 1)], dim=1)
        edit = None
        if self._arms == 2 and self._plan is not None and self._plan.on_answer:
            coefficient = torch.zeros(len(ids), 1, dtype=self._plan.vector.dtype)
            coefficient[self._rows :] = -self._plan.strength
            edit = self._edit(self._plan, coefficient)
        self._logits = self._forward(
            ids,
            position_ids=self._position.unsqueeze(1),
            attention_mask=self._mask,
            cache=self._cache,
            edit=edit,
        )
        self._position = self._position + 1
        self.forward_tokens += len(ids)

    def keep(self, rows: torch.Tensor) -> None:
        """Goes on with these rows only, in this order; a row may be named twice."""
        rows = rows.to(self._logits.device)
        self._select(torch.cat([rows + arm * self._rows for arm in range(self._arms)]))
        self._rows = len(rows)

    def drop_proposal(self) -> None:
        """Stops computing the steered rows."""
        if self._arms == 2:
            self._select(torch.arange(self._rows, device=self._logits.device))
            self._arms = 1

    def _select(self, rows: torch.Tensor) -> None:
        for layer in self._layers:
            layer.batch_select_indices(rows)
        self._logits = self._logits.index_select(0, rows)
        self._position = self._position.index_select(0, rows)
        if self._mask is not None:
            self._mask = self._mask.index_select(0, rows)

    def _edit(self, plan: SteerPlan, coefficient: torch.Tensor) -> ResidualEdit:
        return ResidualEdit(plan.layer, plan.vector, coefficient.to(self._loaded.device))

    def _forward(
        self,
        ids: torch.Tensor,
        *,
        position_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        cache: DynamicCache,
        edit: ResidualEdit | None,
    ) -> torch.Tensor:
        extra = {"logits_to_keep": 1} if self._accepts_logits_to_keep else {}
        with torch.inference_mode(), steered(edit):
            output = self._loaded.model(
                input_ids=ids,
                position_ids=position_ids,
                attention_mask=attention_mask,
                past_key_values=cache,
                use_cache=True,
                **extra,
            )
        logits: torch.Tensor = output.logits[:, -1]
        return logits


def _with_room(layer: object, rows: torch.Tensor, capacity: int) -> DynamicLayer:
    """Returns a prompt's cache layer for these rows: with room to grow, unless it slides anyway."""
    if not isinstance(layer, DynamicLayer) or layer.keys is None or layer.values is None:
        raise ModelError(
            f"this model keeps a {type(layer).__name__} in its cache, whose rows cannot be taken apart; "
            "models with attention layers only are supported"
        )
    if type(layer) is not DynamicLayer:
        layer.batch_select_indices(rows)
        return layer
    roomy = RoomyLayer(capacity)
    roomy.fill(layer.keys.index_select(0, rows), layer.values.index_select(0, rows))
    return roomy
