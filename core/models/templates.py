"""Chat templates: a dialogue as the text that a model reads, the same on every day."""

import os
import re
from collections.abc import Sequence
from datetime import date

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError

Message = dict[str, str]
PLAIN_TEMPLATE = "{system}Question: {query}\nAnswer:"
# Some templates (Llama 3, Granite, SmolLM3) write today's date into the prompt: draws of two days would be
# draws from two distributions.
DATE_VARIABLE = "TAILSCOPE_TEMPLATE_DATE"
DEFAULT_DATE = date(2025, 1, 1)
_NOW = re.compile(r"""strftime_now\(\s*(?P<quote>['"])(?P<format>.*?)(?P=quote)\s*\)""")


def template_date() -> date:
    """Returns the day that templates write: $TAILSCOPE_TEMPLATE_DATE, or 2025-01-01.

    Raises:
        ModelError: the variable is no date.
    """
    named = os.environ.get(DATE_VARIABLE, "").strip()
    if not named:
        return DEFAULT_DATE
    try:
        return date.fromisoformat(named)
    except ValueError as error:
        raise ModelError(
            f"{DATE_VARIABLE} must be a date like 2025-01-31, got {named!r}"
        ) from error


def writes_date(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Returns whether the chat template writes a date of its own."""
    return "strftime_now(" in _template(tokenizer)


def rendered(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, to_answer: bool = True
) -> str:
    """Returns a dialogue as text. to_answer: up to the place of the next answer.

    Raises:
        ModelError: the template refuses the messages, or writes the date in a way that cannot be pinned.
    """
    day = template_date()
    template = _NOW.sub(lambda found: repr(day.strftime(found["format"])), _template(tokenizer))
    if "strftime_now(" in template:
        raise ModelError(
            "the model's chat template writes the date of today in a way that cannot be pinned; draws of "
            "two days would not be of one distribution"
        )
    try:
        return str(
            tokenizer.apply_chat_template(
                list(messages),
                chat_template=template,
                tokenize=False,
                add_generation_prompt=to_answer,
            )
        )
    except Exception as error:
        # Of any type: a template is a program of its own.
        raise ModelError(_refusal(messages, error)) from error


def _refusal(messages: Sequence[Message], error: Exception) -> str:
    said = " ".join(str(error).split())[:200] or type(error).__name__
    if any(message["role"] == "system" for message in messages):
        return (
            f"the model's chat template refuses a dialogue with a system prompt ({said}); leave the system "
            "prompt out, or put its words into the query"
        )
    return f"the model's chat template refuses the dialogue ({said})"


def _template(tokenizer: PreTrainedTokenizerBase) -> str:
    found = tokenizer.chat_template
    if isinstance(found, dict):
        return str(found.get("default", next(iter(found.values()), "")))
    return str(found or "")
