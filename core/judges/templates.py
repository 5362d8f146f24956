"""What every judge that reads a prompt does with query and answer."""

import hashlib
import re

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
