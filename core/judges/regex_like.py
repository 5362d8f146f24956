"""Phrases that look like regular expressions: they are found as they are written, which is seldom meant."""

import re
from collections.abc import Iterator, Mapping

import regex

# What hardly any phrase holds: an escape, a repeated dot, a class, a group of alternatives or of a kind, a
# counted repetition, an anchor at an end, a question mark or a plus amid a word.
SIGNS = re.compile(
    r"\\[bBdDwWsSAZ.?*+()\[\]]|\.[*+]|\[[^\]\s]+\]|\(\?|\([^()]*\|[^()]*\)[?*+]?|\{\d+(,\d*)?\}|^\^|\w\$$|\w[?+]\w|\w\*(\s|$)"
)


def regex_like(phrase: str) -> bool:
    """Returns whether a text looks like a regular expression, and is one."""
    if not SIGNS.search(phrase):
        return False
    try:
        regex.compile(phrase)
    except (regex.error, RecursionError):
        return False
    return True


def regex_like_phrases(settings: object) -> tuple[str, ...]:
    """Returns the phrases of a judge of rules, as its file holds them, that look like regular expressions."""
    if not isinstance(settings, Mapping) or settings.get("kind", "rules") != "rules":
        return ()
    rules = settings.get("rules") or ()
    demands = [settings.get("default"), *(rules if isinstance(rules, list | tuple) else ())]
    wanted = ("query_contains", "required", "forbidden", "refusals")
    held = [one.get(name) for one in demands if isinstance(one, Mapping) for name in wanted]
    return tuple(dict.fromkeys(phrase for phrase in _phrases(held) if regex_like(phrase)))


def _phrases(held: object) -> Iterator[str]:
    if isinstance(held, str):
        yield held
    elif isinstance(held, list | tuple):
        for one in held:
            yield from _phrases(one)
