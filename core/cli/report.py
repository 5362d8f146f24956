"""The command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import note, print_report
from core.cli.options import CacheOption, JsonOption


def report(
    target: Annotated[
        str,
        typer.Argument(
            help="The folder of an audit, or the id of a run, of wordings or of an audit (from the app)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    show_answers: Annotated[
        bool,
        typer.Option(
            "--show-answers", help="With the models' answers. Default: only their lengths."
        ),
    ] = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder for the pictures, each as SVG and PNG.")
    ] = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Writes a report as one HTML file that needs no network; nothing is drawn."""
    from cache import default_folder, open_store
    from core.reports.make import document_of, write_pictures
    from core.reports.render import write_report

    store = open_store(cache or default_folder())
    made = document_of(target, store, answers_shown=show_answers, notify=note)
    size = write_report(made, out)
    files = [] if pictures is None else write_pictures(made, pictures)
    if as_json:
        print_report(
            {
                "out": str(out),
                "kind": made.kind,
                "id": made.identity,
                "bytes": size,
                "answers_shown": show_answers,
                "pictures": [str(path) for path in files],
            }
        )
        return
    redacted = "" if show_answers else "; answers are redacted"
    lines = [f"report of {made.kind} {made.identity}, {size / 1e6:.2g} MB: {out}{redacted}"]
    print_report("\n".join([*lines, *map(str, files)]))
