"""A model is checked before its weights are fetched or read."""

from collections.abc import Callable

from core.errors import ModelError
from core.models.loading import LoadedModel, embedded_models, load_model
from core.models.preflight import preflight
from core.models.spec import LoadingSpec


def checked_batch(
    name: str,
    loading: LoadingSpec,
    batch_rows: int,
    new_tokens: int,
    notify: Callable[[str], object],
) -> int:
    """Returns how many answers to compute at once: fewer than given where memory has no room for more.

    notify: called with each warning. An embedded model is not checked.

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
            notify(f"{finding.message} {finding.what_to_do}")
    if smaller and smaller < batch_rows:
        notify(
            f"{smaller:,} answers are computed at once, for memory has no room for {batch_rows:,}"
        )
        return smaller
    return batch_rows


def load_checked(
    name: str,
    loading: LoadingSpec,
    batch_rows: int,
    new_tokens: int,
    notify: Callable[[str], object],
) -> tuple[LoadedModel, int]:
    """Returns the model, and how many answers to compute at once. Raises: as above and `load_model`."""
    rows = checked_batch(name, loading, batch_rows, new_tokens, notify)
    return load_model(name, loading), rows
