"""Looks at a model before a command fetches or reads its weights."""

import sys

from core.errors import ModelError
from core.models.loading import LoadedModel, embedded_models, load_model
from core.models.preflight import preflight
from core.models.spec import LoadingSpec


def checked_batch(name: str, loading: LoadingSpec, batch_rows: int, new_tokens: int) -> int:
    """Returns how many answers to compute at once: fewer than asked where memory has no room for more.

    Warnings are told on stderr. An embedded model needs no look.

    Raises:
        ModelError: the model cannot be used here; the first reason, and what to do.
    """
    if name in embedded_models():
        return batch_rows
    found = preflight(name, loading=loading, batch_rows=batch_rows, new_tokens=new_tokens)
    smaller = found.largest_batch or 0
    for finding in found.findings:
        if finding.level == "refused" and not (finding.code == "memory" and smaller > 0):
            raise ModelError(
                f"model {name!r} is refused ({finding.code}): {finding.message} {finding.what_to_do}"
            )
        if finding.level == "warning":
            print(f"tailscope: {finding.message} {finding.what_to_do}", file=sys.stderr)
    if smaller and smaller < batch_rows:
        print(
            f"tailscope: {smaller:,} answers are computed at once, for memory has no room for "
            f"{batch_rows:,}",
            file=sys.stderr,
        )
        return smaller
    return batch_rows


def load_checked(
    name: str, loading: LoadingSpec, batch_rows: int, new_tokens: int
) -> tuple[LoadedModel, int]:
    """Returns the model, and how many answers to compute at once. Raises: as above and `load_model`."""
    rows = checked_batch(name, loading, batch_rows, new_tokens)
    return load_model(name, loading), rows
