"""The command `preflight`."""

from typing import Annotated

import typer

from core.cli.console import print_report
from core.cli.options import (
    AttentionOption,
    DeviceOption,
    DtypeOption,
    ModelOption,
    RevisionOption,
    loading_fields,
)
from core.errors import SpecError, TailscopeError


def preflight(
    model: ModelOption = "aster",
    revision: RevisionOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "eager",
    batch: Annotated[int, typer.Option(help="Answers computed at once.")] = 250,
    max_new_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tells whether a model can be used here, before its weights are fetched or read."""
    from core.models.preflight import preflight as check
    from core.models.spec import LoadingSpec
    from core.spec import GenerationSpec

    if batch < 1:
        raise SpecError(f"batch must be 1 or more, got {batch}")
    generation = GenerationSpec.build(max_new_tokens=max_new_tokens)
    findings = check(
        model,
        loading=LoadingSpec.build(**loading_fields(revision, device, dtype, attention)),
        batch_rows=batch,
        new_tokens=generation.max_new_tokens,
    )
    print_report(findings.to_dict() if as_json else findings.to_text())
    if not findings.ok:
        first = findings.refused[0]
        raise TailscopeError(f"model {model!r} is refused ({first.code}): {first.message}")
