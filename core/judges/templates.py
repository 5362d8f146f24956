"""What every judge that reads a prompt does with query and answer."""

import hashlib
import re

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

PLACEHOLDER = re.compile(r"\{(query|answer)\}")


def check_template(template: str) -> str:
    """Returns the template if {query} and {answer} each stand in it once; other braces are text.

    Raises:
        ValueError: otherwise.
    """
    if sorted(PLACEHOLDER.findall(template)) != ["answer", "query"]:
        raise ValueError(f"template must hold {{query}} and {{answer}} once each, got {template!r}")
    return template


def fill(template: str, query: str, answer: str) -> str:
    """Returns the template with both filled in at once: a '{answer}' within the query stays text."""
    return PLACEHOLDER.sub(lambda found: query if found[1] == "query" else answer, template)


def answer_tag(query: str, answer: str) -> str:
    """Returns a tag name that occurs in neither text, the same on every call.

    It comes from the texts' hash, so that an answer cannot be written to close its own delimiter.
    """
    seed = hashlib.sha256(f"{len(query)}\n{query}\n{answer}".encode(errors="replace"))
    while (tag := f"answer-{seed.hexdigest()[:16]}") in query + answer:
        seed.update(b"again")
    return tag


def without_special(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Returns text with a space for every special token spelled in it: such tokens would end a turn, and
    what follows them would be read as if it came from the judge's own prompt.
    """
    # The unknown token separates nothing, and may be spelled like a word.
    special = set(tokenizer.all_special_tokens) - {tokenizer.unk_token}
    for token in sorted(special, key=len, reverse=True):
        text = text.replace(token, " ")
    return text
