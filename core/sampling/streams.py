"""Next-token logits of target and proposals for many rows at once: prompt computed once, cache shared.

A stream is what the sampling loop sees of its models. The loop never knows which kind of proposal an arm
belongs to: arms on one model share every forward pass, whatever their prompts and edits.
"""

import inspect
from collections.abc import Sequence
from typing import Protocol

import torch
from transformers import DynamicCache

from core.models.batching import padded_rows
from core.models.hooks import Edit, edited_positions, steered
from core.proposals.base import Arm
from core.sampling.kv_cache import keep_rows, with_room


class Stream(Protocol):
    """Places that grow token by token, each with the logits of every arm; arm 0 is the target."""

    @property
    def prompts(self) -> tuple[tuple[int, ...], ...]:
        """The target's prompt at each place, as the stream began."""
        ...

    @property
    def forward_tokens(self) -> int:
        """How many tokens went through the models so far."""
        ...

    def logits(self) -> list[torch.Tensor | None]:
        """Returns each arm's next-token logits, (places, vocabulary), or None once it is dropped."""
        ...

    def advance(self, tokens: torch.Tensor) -> None:
        """Appends one token, (places,) int64, to every place."""
        ...

    def keep(self, places: torch.Tensor) -> None:
        """Goes on with these places only, in this order; a place may be named twice."""
        ...

    def drop(self, arm: int) -> None:
        """Stops computing an arm: from here on it equals the target."""
        ...


def open_stream(arms: Sequence[Arm], new_tokens: int) -> Stream:
    """Returns a stream of these arms, the target first. new_tokens: room to make for the answer.

    It begins with one place for each prompt, in order, and as many more as make the batch a size whose
    rows can be computed independently.
    """
    models: dict[int, list[int]] = {}
    for number, arm in enumerate(arms):
        models.setdefault(id(arm.loaded.model), []).append(number)
    if len(models) == 1 and all(arm.blend == 1.0 for arm in arms):
        return ModelStream(arms, new_tokens)
    return JointStream(arms, list(models.values()), new_tokens)


class JointStream:
    """Arms on several models, or blended with the target: one `ModelStream` a model, kept in step.

    groups: which arms run on the same model.
    """

    def __init__(
        self, arms: Sequence[Arm], groups: Sequence[Sequence[int]], new_tokens: int
    ) -> None:
        self._blend = [arm.blend for arm in arms]
        self._groups = [list(group) for group in groups]
        self._streams = [ModelStream([arms[n] for n in group], new_tokens) for group in groups]

    @property
    def prompts(self) -> tuple[tuple[int, ...], ...]:
        # The target is the first arm, and begins the first group.
        return self._streams[0].prompts

    @property
    def forward_tokens(self) -> int:
        return sum(stream.forward_tokens for stream in self._streams)

    def logits(self) -> list[torch.Tensor | None]:
        """Returns each arm's next-token logits, target + blend * (own - target)."""
        logits: list[torch.Tensor | None] = [None] * len(self._blend)
        for group, stream in zip(self._groups, self._streams, strict=True):
            for number, own in zip(group, stream.logits(), strict=True):
                logits[number] = own
        target = logits[0]
        assert target is not None, "the target is never dropped"
        # Another model's logits may come back on another device.
        return [
            own
            if own is None
            else own.to(target.device)
            if blend == 1.0
            else blended(target, own, blend)
            for own, blend in zip(logits, self._blend, strict=True)
        ]

    def advance(self, tokens: torch.Tensor) -> None:
        """Appends one token, (places,) int64, to every place."""
        for stream in self._streams:
            stream.advance(tokens)

    def keep(self, places: torch.Tensor) -> None:
        """Goes on with these places only, in this order; a place may be named twice."""
        for stream in self._streams:
            stream.keep(places)

    def drop(self, arm: int) -> None:
        """Stops computing an arm."""
        for group, stream in zip(self._groups, self._streams, strict=True):
            if arm in group:
                stream.drop(group.index(arm))


def blended(target: torch.Tensor, own: torch.Tensor, blend: float) -> torch.Tensor:
    """Returns target + blend * (own - target) over the tokens that the target scores."""
    wide = torch.promote_types(target.dtype, torch.float32)
    width = min(target.shape[-1], own.shape[-1])
    near, far = target[..., :width].to(wide), own[..., :width].to(device=target.device, dtype=wide)
    return near + blend * (far - near)


class ModelStream:
    """Arms on one Hugging Face model: all their rows go through it together."""

    def __init__(self, arms: Sequence[Arm], new_tokens: int) -> None:
        self._loaded = loaded = arms[0].loaded
        self._plans = [arm.edit for arm in arms]
        self._open = list(range(len(arms)))  # arms not dropped, in the order of their rows
        first = len(arms[0].prompts)
        places = torch.zeros(padded_rows(first), dtype=torch.long)
        places[:first] = torch.arange(first)
        self._places = len(places)
        self.prompts = tuple(arms[0].prompts[place] for place in places.tolist())
        self._accepts_logits_to_keep = (
            "logits_to_keep" in inspect.signature(loaded.model.forward).parameters
        )
        device = loaded.device
        prompts = [prompt for arm in arms for prompt in arm.prompts]
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        longest = int(lengths.max())
        ids = torch.zeros(len(prompts), longest, dtype=torch.long)
        mask = torch.zeros(len(prompts), longest, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            # Left padding: every prompt ends at the same column, where its answer begins.
            ids[row, longest - len(prompt) :] = torch.tensor(list(prompt))
            mask[row, longest - len(prompt) :] = 1
        padded = bool((lengths != longest).any())
        self.forward_tokens = int(lengths.sum())

        ids, mask = ids.to(device), mask.to(device)
        cache = DynamicCache(config=loaded.model.config)
        logits = self._forward(
            ids,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            attention_mask=mask if padded else None,
            cache=cache,
            edits=[
                plan.edit(edited_positions(plan, longest), slice(arm * first, (arm + 1) * first))
                for arm, plan in enumerate(self._plans)
                if plan is not None
            ],
        )
        rows = torch.cat([places + arm * first for arm in range(len(arms))]).to(device)
        self._position = lengths.to(device)[rows]
        self._layers = [with_room(layer, rows, longest + new_tokens) for layer in cache.layers]
        cache.layers = list(self._layers)
        self._cache = cache
        self._mask = mask.index_select(0, rows) if padded else None
        self._logits = logits.index_select(0, rows)

    def logits(self) -> list[torch.Tensor | None]:
        """Returns each arm's next-token logits, (places, vocabulary), or None once it is dropped."""
        logits: list[torch.Tensor | None] = [None] * len(self._plans)
        for number, arm in enumerate(self._open):
            logits[arm] = self._logits[self._rows_of(number)]
        return logits

    def advance(self, tokens: torch.Tensor) -> None:
        """Appends one token, (places,) int64, to every place and computes the next logits."""
        if not self._open:
            return
        ids = tokens.to(self._logits.device).repeat(len(self._open)).unsqueeze(1)
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(ids), 1)], dim=1)
        now = torch.ones(1, dtype=torch.bool)
        edits = []
        for number, arm in enumerate(self._open):
            plan = self._plans[arm]
            if plan is not None and plan.on_answer:
                edits.append(plan.edit(now, self._rows_of(number)))
        self._logits = self._forward(
            ids,
            position_ids=self._position.unsqueeze(1),
            attention_mask=self._mask,
            cache=self._cache,
            edits=edits,
        )
        self._position = self._position + 1
        self.forward_tokens += len(ids)

    def keep(self, places: torch.Tensor) -> None:
        """Goes on with these places only, in this order; a place may be named twice."""
        places = places.to(self._logits.device)
        arms = range(len(self._open))
        rows = [places + number * self._places for number in arms]
        self._places = len(places)
        self._select(torch.cat(rows) if rows else places[:0])

    def drop(self, arm: int) -> None:
        """Stops computing an arm."""
        if arm not in self._open:
            return
        rows = torch.arange(len(self._logits), device=self._logits.device)
        number = self._open.index(arm)
        gone = self._rows_of(number)
        self._open.remove(arm)
        self._select(torch.cat([rows[: gone.start], rows[gone.stop :]]))

    def _rows_of(self, number: int) -> slice:
        """The rows of the batch that belong to the number-th open arm."""
        return slice(number * self._places, (number + 1) * self._places)

    def _select(self, rows: torch.Tensor) -> None:
        if not len(rows):
            self._logits, self._layers = self._logits[:0], []
            return
        for layer in self._layers:
            keep_rows(layer, rows)
        self._logits = self._logits.index_select(0, rows)
        self._position = self._position.index_select(0, rows)
        if self._mask is not None:
            self._mask = self._mask.index_select(0, rows)

    def _forward(
        self,
        ids: torch.Tensor,
        *,
        position_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        cache: DynamicCache,
        edits: Sequence[Edit],
    ) -> torch.Tensor:
        extra = {"logits_to_keep": 1} if self._accepts_logits_to_keep else {}
        with torch.inference_mode(), steered(*edits):
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
