"""Text of others, made fit for a document: what a model says may hold anything."""

import re

# A cell that long is read by nobody; what is left out is told.
LONGEST = 2_000
# Surrogates without their pair cannot be written, and the noncharacters are forbidden in HTML and XML. The
# direction of writing must not reach beyond its own text: U+202E turns what follows around.
REPLACED = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\x80-\x9f\u202a-\u202e\u2066-\u2069]")
LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x0b\x0c]")
CONTROL = re.compile("[\x00-\x08\x0e-\x1f]")


def clean(text: str) -> str:
    """Returns text that every HTML and XML document can hold, with control characters made visible.

    >>> clean("a\\x00b\\x1b[0m")
    'a␀b␛[0m'
    """
    text = CONTROL.sub(lambda found: chr(0x2400 + ord(found[0])), LINE_ENDS.sub("\n", text))
    return REPLACED.sub("\ufffd", text.replace("\x7f", "\u2421"))


def shortened(text: str, longest: int = LONGEST) -> str:
    """Returns text cut to what a cell shows, with the number of characters left out."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]} … ({len(text) - longest:,} more characters)"


def sentence(text: str) -> str:
    """Returns a remark as a sentence: a capital first, a full stop last."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
