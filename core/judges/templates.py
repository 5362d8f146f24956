"""Prompt templates of judges: checking them, and filling in query and answer."""

import hashlib
import re

PLACEHOLDER = re.compile(r"\{(query|answer)\}")


def check_template(template: str) -> str:
    """Returns the template if it holds {query} and {answer} once each; other braces are text.

    Raises:
        ValueError: otherwise.
    """
    if sorted(PLACEHOLDER.findall(template)) != ["answer", "query"]:
        raise ValueError(f"template must hold {{query}} and {{answer}} once each, got {template!r}")
    return template


def fill(template: str, query: str, answer: str) -> str:
    """Returns the template with both filled in together: an '{answer}' within the query stays text."""
    return PLACEHOLDER.sub(lambda match: query if match[1] == "query" else answer, template)


def answer_tag(query: str, answer: str) -> str:
    """Returns a tag name that occurs in neither text, the same on every call.

    It is made from the texts' hash, so that no answer can contain its own closing tag.
    """
    seed = hashlib.sha256(f"{len(query)}\n{query}\n{answer}".encode(errors="replace"))
    while (tag := f"answer-{seed.hexdigest()[:16]}") in query + answer:
        seed.update(b"again")
    return tag
