"""Rules on tokens before temperature: read ones made less likely, runs not repeated, some never drawn.

The next token's distribution then depends on which tokens stand in the prompt and the answer, and stays
exact: both densities of a draw are taken after these rules. Target and proposals look back on the same
tokens, the target's prompt and the answer, whatever prompt a proposal is computed with.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from core.errors import NumericsError
from core.spec import GenerationSpec

if TYPE_CHECKING:
    from core.sampling.streams import Stream

# Stands before a history that is shorter than the longest.
NOTHING = -1


def under_rules(
    logits: torch.Tensor, history: torch.Tensor, generation: GenerationSpec, vocabulary: int
) -> torch.Tensor:
    """Returns the logits (rows, width) after the rules, given each row's history, (rows, length) int64.

    history: token ids, NOTHING before the first of a shorter one. vocabulary: how many ids can be drawn.
    float32, or wider where the logits are; -inf where a token is ruled out.

    Raises:
        NumericsError: a logit is NaN or infinite, or every token is ruled out.

    References: Keskar et al. (2019), "CTRL", section 4.1; Paulus et al. (2018), section 2.5, for runs.
    """
    scores = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if not bool(torch.isfinite(scores[..., :vocabulary].sum())):
        raise NumericsError("the model returned NaN or infinite logits")
    history = history.to(scores.device)
    penalty = generation.repetition_penalty
    if penalty != 1.0:
        seen = _marked(history, scores.shape)
        lowered = torch.where(scores < 0, scores * penalty, scores / penalty)
        scores = torch.where(seen, lowered, scores)
    size, never = generation.no_repeat_ngram_size, generation.suppress_tokens
    if 0 < size <= history.shape[1]:
        scores = scores.masked_fill(_marked(_completions(history, size), scores.shape), -torch.inf)
    if never:
        width = scores.shape[1]
        columns = torch.tensor([token for token in never if token < width], device=scores.device)
        scores = scores.index_fill(1, columns.long(), -torch.inf)
    if generation.rules_out_tokens and bool((scores[:, :vocabulary] == -torch.inf).all(1).any()):
        raise NumericsError(
            f"no_repeat_ngram_size {size} and suppress_tokens {list(never)} leave no token to go on with; "
            "allow shorter answers, or rule out less"
        )
    return scores


def _marked(tokens: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Returns whether each row's tokens, (rows, any) with NOTHING for none, hold an id; bool, `shape`."""
    rows, width = shape
    # One column more, for what is none.
    found = torch.zeros(rows, width + 1, dtype=torch.bool, device=tokens.device)
    is_one = (tokens >= 0) & (tokens < width)
    found.scatter_(1, tokens.masked_fill(~is_one, width), True)
    return found[:, :width]


def _completions(history: torch.Tensor, size: int) -> torch.Tensor:
    """Returns the tokens that followed the last size - 1 tokens earlier, NOTHING at all other places."""
    runs = history.unfold(1, size, 1)
    last = history[:, history.shape[1] - size + 1 :]
    again = (runs[..., :-1] == last.unsqueeze(1)).all(-1)
    return runs[..., -1].masked_fill(~again, NOTHING)


class RuledStream:
    """A stream whose logits are those under the rules: a `Stream` around a `Stream`."""

    def __init__(self, stream: "Stream", generation: GenerationSpec, vocabulary: int) -> None:
        self._stream, self._generation, self._vocabulary = stream, generation, vocabulary
        self._history = aligned(stream.prompts)

    @property
    def prompts(self) -> tuple[tuple[int, ...], ...]:
        return self._stream.prompts

    @property
    def forward_tokens(self) -> int:
        return self._stream.forward_tokens

    def logits(self) -> list[torch.Tensor | None]:
        """Returns each arm's logits after the rules, (places, vocabulary), or None once it is dropped."""
        return [
            own
            if own is None
            else under_rules(own, self._history, self._generation, self._vocabulary)
            for own in self._stream.logits()
        ]

    def advance(self, tokens: torch.Tensor) -> None:
        """Appends one token, (places,) int64, to every place."""
        self._stream.advance(tokens)
        self._history = torch.cat([self._history, tokens.cpu().unsqueeze(1)], dim=1)

    def keep(self, places: torch.Tensor) -> None:
        """Goes on with these places only, in this order; a place may be named twice."""
        self._stream.keep(places)
        self._history = self._history.index_select(0, places.cpu())

    def drop(self, arm: int) -> None:
        """Stops computing an arm."""
        self._stream.drop(arm)


def aligned(prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Returns prompts as rows that end together, (n, longest) int64, NOTHING before shorter ones."""
    longest = max(len(prompt) for prompt in prompts)
    return torch.tensor([[NOTHING] * (longest - len(prompt)) + [*prompt] for prompt in prompts])
