"""Chat templates: a dialogue as the text that a model reads, the same on every day."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from core.errors import ModelError
from core.spec import TEMPLATE_DATE

Message = dict[str, str]
PLAIN_TEMPLATE = "{system}Question: {query}\nAnswer:"
# What makes jinja write another text each time; a date is pinned, chance is not.
_DIRECTIVES = [
    *("%-" + letter for letter in "dmHIMSjy"),
    *("%" + letter for letter in "aAbBcCdDeFfgGhHIjmMnpRSTuUVwWxXyYzZ"),
]
# Put before a template, it hides the environment's own function, which tells today. Functions cannot be
# handed to a template, what they would write can. One line and its line break: the template keeps its blanks.
_PINNED = (
    "{% macro strftime_now(format) %}{% set now = namespace(text=format) %}"
    "{% for directive in tailscope_day %}"
    "{% set now.text = now.text.replace(directive[0], directive[1]) %}"
    "{% endfor %}{{ now.text }}{% endmacro %}\n"
)
_CHANCE = re.compile(r"\|\s*random\b|\blipsum\s*\(")


def writes_date(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Returns whether the chat template can write a date of its own."""
    return "strftime_now" in _template(tokenizer)


def rendered(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    day: date = TEMPLATE_DATE,
    *,
    to_answer: bool = True,
) -> str:
    """Returns a dialogue as text. day: what a template that writes the date writes, at midnight.

    to_answer: up to the place of the next answer.

    Raises:
        ModelError: the template refuses the messages, or draws a part of its text by chance.
    """
    template = _template(tokenizer)
    more: dict[str, Any] = {}
    if _CHANCE.search(template):
        raise ModelError(
            "the model's chat template draws a part of the prompt by chance, so that two draws would be of "
            "two prompts; mend the template"
        )
    if writes_date(tokenizer):
        template, more = _PINNED + template, {"tailscope_day": _written(day)}
    try:
        return str(
            tokenizer.apply_chat_template(
                list(messages),
                chat_template=template,
                tokenize=False,
                add_generation_prompt=to_answer,
                **more,
            )
        )
    except Exception as error:
        # Of any type: a template is a program of its own.
        raise ModelError(_refusal(messages, error)) from error


def _written(day: date) -> list[list[str]]:
    """Returns each directive of strftime with what it writes at midnight of the day."""
    midnight = datetime.combine(day, time())
    # A doubled % is one, and begins no directive.
    escaped = "\0"
    pairs = [[directive, midnight.strftime(directive)] for directive in _DIRECTIVES]
    return [["%%", escaped], *pairs, [escaped, "%"]]


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
