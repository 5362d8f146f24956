"""What a file holds as text."""

import codecs


def read_text(content: bytes) -> str:
    """Returns what a file holds as text, UTF-8 or UTF-16 with its mark. Raises: ValueError, why not."""
    why = "the file is empty"
    if content.strip():
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        try:
            found = content.decode("utf-16" if wide else "utf-8-sig")
            if "\0" not in found:
                return found
        except UnicodeDecodeError:
            pass
        # What is packed, a spreadsheet's file for one, has bytes that no text has.
        packed = b"\0" in content and not wide
        why = (
            "this is no CSV; save it as CSV first" if packed else "it is not UTF-8; save it as that"
        )
    raise ValueError(why)
