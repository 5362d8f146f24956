"""Decodes a file's bytes as text."""

import codecs


def read_text(content: bytes) -> str:
    """Returns a file's content as text: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        ValueError: the content is empty or is not text, with what to do about it.
    """
    why = "the file is empty"
    if content.strip():
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        try:
            text = content.decode("utf-16" if wide else "utf-8-sig")
            if "\0" not in text:
                return text
        except UnicodeDecodeError:
            pass
        # A compressed file, such as a spreadsheet, holds bytes that no text holds.
        packed = b"\0" in content and not wide
        why = (
            "this is no CSV; save it as CSV first" if packed else "it is not UTF-8; save it as that"
        )
    raise ValueError(why)
