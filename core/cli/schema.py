"""The command `schema`."""

import json
from typing import Annotated, Any

import typer

from core.errors import SpecError

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(
    command: Annotated[
        str | None, typer.Argument(help="Whose output. Default: all commands, by name.")
    ] = None,
) -> None:
    """Prints the JSON schema of what a command prints with --json."""
    from core.cli.outputs import OUTPUTS

    if command is not None and command not in OUTPUTS:
        raise SpecError(f"command must be one of {', '.join(OUTPUTS)}, got {command!r}")
    every = {name: schema_of(name) for name in OUTPUTS}
    print(json.dumps(every if command is None else every[command], indent=2))


def schema_of(command: str) -> dict[str, Any]:
    """Returns the JSON schema of a command's output."""
    from core.cli.outputs import OUTPUTS

    return {"$schema": DIALECT, **OUTPUTS[command].model_json_schema()}
