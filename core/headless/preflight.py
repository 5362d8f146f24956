"""What `preflight` does with its options: check them, then the model."""

from collections.abc import Mapping
from typing import Any

from core.errors import SpecError
from core.models.findings import Preflight
from core.models.preflight import preflight
from core.models.spec import LoadingSpec
from core.spec import GenerationSpec


def preflight_headless(
    model: str,
    *,
    loading: Mapping[str, Any],
    batch_rows: int,
    max_new_tokens: int,
) -> Preflight:
    """Returns the findings of one `preflight` command.

    Raises:
        TailscopeError: bad input, in one sentence.
    """
    if batch_rows < 1:
        raise SpecError(f"batch must be 1 or more, got {batch_rows}")
    generation = GenerationSpec.build(max_new_tokens=max_new_tokens)
    return preflight(
        model,
        loading=LoadingSpec.build(**loading),
        batch_rows=batch_rows,
        new_tokens=generation.max_new_tokens,
    )
