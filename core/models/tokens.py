"""Which tokens a model can draw, which end an answer, and which it does not know."""

from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase


def stop_token_ids(generation: Any, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Returns every token that ends an answer, ascending. generation: a generation config, or None."""
    # The generation config may list several (Llama-3 does); leaving one out changes every probability.
    listed = getattr(generation, "eos_token_id", None)
    stops = [listed] if isinstance(listed, int) else list(listed or [])
    if not stops and tokenizer.eos_token_id is not None:
        stops = [tokenizer.eos_token_id]
    # -1 stands for "none" in some configs; no token has it.
    return tuple(sorted({int(stop) for stop in stops if int(stop) >= 0}))


def drawable_tokens(
    tokenizer: PreTrainedTokenizerBase, scored: int, stops: tuple[int, ...] = ()
) -> int:
    """Returns how many of a model's logits, from the first on, stand for tokens.

    scored: how many logits there are. What lies beyond the tokenizer's highest id is padding of the matrix;
    a stop token is drawn even where the tokenizer has no word for it. Ids may have holes, so that the number
    of entries says nothing.
    """
    ids = (*tokenizer.get_vocab().values(), *stops)
    return min(max(ids, default=-1) + 1, scored)


def unscored_tokens(tokenizer: PreTrainedTokenizerBase, scored: int) -> tuple[str, ...]:
    """Returns the tokenizer's entries that the model has no logit for, in the order of their ids."""
    beyond = [(place, word) for word, place in tokenizer.get_vocab().items() if place >= scored]
    return tuple(word for _, word in sorted(beyond))


def only_added(tokenizer: PreTrainedTokenizerBase, words: tuple[str, ...]) -> bool:
    """Returns whether all of these were added to the tokenizer by name: text is never split into them."""
    return set(words) <= set(tokenizer.get_added_vocab())
