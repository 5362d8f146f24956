"""What each token adds to an answer, as bytes."""

import re

import numpy as np

from core.look_ahead.language import NoAutomatonError
from core.models.loading import LoadedModel

BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
# Random answers that are put together from pieces and compared with the tokenizer's own text.
CHECKS, CHECKED_TOKENS = 200, 12


def token_bytes(loaded: LoadedModel) -> list[bytes]:
    """Returns what each token that can be drawn adds to an answer's text, (vocabulary,) UTF-8.

    Special tokens add nothing: answers are read without them.

    Raises:
        NoAutomatonError: the tokenizer's texts are not its pieces put together.
    """
    tokenizer = loaded.tokenizer
    special = set(tokenizer.all_special_ids)
    names = tokenizer.convert_ids_to_tokens(list(range(loaded.vocabulary)))
    added = {int(number): str(token) for number, token in tokenizer.added_tokens_decoder.items()}
    special |= {n for n, token in tokenizer.added_tokens_decoder.items() if token.special}
    bytes_of = _bytes_of_letters() if _is_byte_level(tokenizer) else None
    pieces = []
    for number, name in enumerate(names):
        if number in special or name is None:
            pieces.append(b"")
        elif number in added:
            pieces.append(added[number].encode())
        elif bytes_of is not None:
            pieces.append(bytes(bytes_of[letter] for letter in name if letter in bytes_of))
        elif match := BYTE_PIECE.fullmatch(name):
            pieces.append(bytes([int(match[1], 16)]))
        else:
            pieces.append(name.replace("▁", " ").encode())
    _check(loaded, pieces)
    return pieces


def _is_byte_level(tokenizer: object) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise NoAutomatonError("this tokenizer does not say how its pieces make a text")
    return "ByteLevel" in repr(backend.decoder)


def _bytes_of_letters() -> dict[str, int]:
    """Returns the byte that each letter of a byte-level piece stands for (GPT-2; Radford et al. 2019)."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {
        chr(256 + number): byte for number, byte in enumerate(others)
    }


def _check(loaded: LoadedModel, pieces: list[bytes]) -> None:
    """Raises NoAutomatonError unless random answers read as their pieces do."""
    generator = np.random.default_rng(0)
    usable = np.array([n for n in range(loaded.vocabulary) if n not in loaded.stop_token_ids])
    for _ in range(CHECKS):
        tokens = generator.choice(usable, CHECKED_TOKENS).tolist()
        text = str(loaded.tokenizer.decode(tokens, skip_special_tokens=True)).strip()
        own = b"".join(pieces[token] for token in tokens).decode("utf-8", "replace").strip()
        # Bytes that make no letter are shown as one mark or as several.
        if text.replace("�", "") != own.replace("�", ""):
            raise NoAutomatonError(
                f"the tokenizer of {loaded.name} spells {text[:60]!r}, which its pieces do not ({own[:60]!r})"
            )
