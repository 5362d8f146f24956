"""Converts a query to the prompt's tokens, and an answer's tokens to text."""

from collections.abc import Sequence
from datetime import date

from core.errors import ModelError
from core.models.loading import LoadedModel
from core.models.templates import PLAIN_TEMPLATE, Message, rendered
from core.spec import TEMPLATE_DATE


def prompt_ids(
    loaded: LoadedModel,
    query: str,
    system_prompt: str | None = None,
    day: date = TEMPLATE_DATE,
) -> tuple[int, ...]:
    """Returns the prompt's token ids, up to the place of the answer's first token.

    A model without a chat template gets a plain question-and-answer prompt. day: what a template that writes
    the date writes. The same arguments give the same tokens on every day.

    Raises:
        ModelError: the prompt does not fit the model's context.
    """
    messages = [{"role": "user", "content": query}]
    if system_prompt:
        messages.insert(0, {"role": "system", "content": system_prompt})
    return message_ids(loaded, messages, day)


def message_ids(
    loaded: LoadedModel, messages: Sequence[Message], day: date = TEMPLATE_DATE
) -> tuple[int, ...]:
    """Returns the tokens of a dialogue, up to the place of the next answer. day: as in `prompt_ids`.

    Raises:
        ModelError: the template refuses the dialogue, or the model does not know all of its tokens or has
            no room for them.
    """
    tokenizer = loaded.tokenizer
    if tokenizer.chat_template:
        ids = tokenizer(rendered(tokenizer, messages, day), add_special_tokens=False)["input_ids"]
    else:
        system = "".join(m["content"] + "\n\n" for m in messages if m["role"] == "system")
        query = "\n".join(m["content"] for m in messages if m["role"] == "user")
        text = PLAIN_TEMPLATE.format(system=system, query=query)
        ids = tokenizer(text)["input_ids"]
        # Left over from training, some tokenizers put a stop token after every text.
        own = tokenizer(text, add_special_tokens=False)["input_ids"]
        if ids[-1:] != own[-1:] and ids[-1] in loaded.stop_token_ids:
            ids = ids[:-1]
    _check(loaded, ids)
    return tuple(int(token) for token in ids)


def _check(loaded: LoadedModel, ids: Sequence[int]) -> None:
    """Raises ModelError unless the model can read these tokens and go on."""
    scored = int(loaded.model.config.get_text_config().vocab_size)
    unknown = next((token for token in ids if token >= scored), None)
    if unknown is not None:
        raise ModelError(
            f"the prompt holds {loaded.tokenizer.convert_ids_to_tokens(unknown)!r}, a token that "
            f"{loaded.name} does not know; leave it out"
        )
    context = int(getattr(loaded.model.config, "max_position_embeddings", 0) or 0)
    if context and len(ids) >= context:
        raise ModelError(
            f"the query takes {len(ids)} tokens, but {loaded.name} has room for {context} in all; "
            "shorten the query"
        )


def answer_text(loaded: LoadedModel, tokens: Sequence[int]) -> str:
    """Returns an answer's text without special tokens."""
    return str(loaded.tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()
