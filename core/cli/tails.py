"""The command `tails`."""

from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import print_report
from core.cli.options import whole_number
from core.errors import SpecError


def tails(
    horizon: Annotated[
        list[str],
        typer.Option(help="Forecast the worst of so many new queries; may be given several times."),
    ],
    audit: Annotated[Path | None, typer.Option(help="Folder of an audit.")] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="Table of estimates (CSV, TSV, JSON, JSON Lines, parquet): query, estimate, standard_error, "
            "group; ci_high where a risk had no hit.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Whose estimates, where there are several models.")
    ] = None,
    fit: Annotated[
        str,
        typer.Option(
            help="pot (peaks over a threshold), gumbel (a line at unbiased positions), jones (Jones et "
            "al. 2025, as published), gev (block maxima), or the baselines "
            "lognormal and empirical."
        ),
    ] = "pot",
    largest: Annotated[
        str | None,
        typer.Option(
            help="Fit so many of the largest. Default: for pot an automatic threshold; for gumbel 10, more "
            "where queries come in groups."
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Fit those above this risk, in place of --largest.")
    ] = None,
    estimator: Annotated[
        str,
        typer.Option(
            help="Of pot and gev: posterior (with a prior that the shape is near the Gumbel line's), ml "
            "(maximum likelihood) or pwm (probability-weighted moments)."
        ),
    ] = "posterior",
    tau: Annotated[
        list[float] | None,
        typer.Option(
            help="Chance that the worst exceeds this risk; may be given several times. "
            "Default: 1e-4, 1e-3, 1e-2, 0.1."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Column whose equal values mark wordings of one query, or none where all rows are different "
            "queries. Default: group."
        ),
    ] = None,
    leave_out_doubtful: Annotated[
        bool,
        typer.Option(
            "--leave-out-doubtful", help="Without the queries whose verdict is 'do not use'."
        ),
    ] = False,
    confidence: Annotated[float, typer.Option(help="Confidence of all intervals.")] = 0.95,
    bootstraps: Annotated[
        str, typer.Option(help="Refits, or draws of the posterior, that the intervals come from.")
    ] = "500",
    seed: Annotated[int, typer.Option(help="Same seed, same intervals.")] = 0,
    report_file: Annotated[
        Path | None, typer.Option("--report", help="Write a report too: one HTML file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Forecasts the worst of many queries not seen yet, from the estimates of some."""
    from core.audit.results import read_results
    from core.tails.reading import read_csv, sample_from_table
    from core.tails.remarks import COMMAND_LINE_AUDIT, COMMAND_LINE_FILE, in_words
    from core.tails.report import TAUS, forecast_report
    from core.tails.spec import TailSpec

    horizons = [whole_number("horizon", text) for text in horizon]
    spec = TailSpec.build(
        fit=fit,
        largest=None if largest is None else whole_number("largest", largest),
        threshold=threshold,
        estimator=estimator,
        confidence=confidence,
        bootstraps=whole_number("bootstraps", bootstraps),
        seed=seed,
    )
    if largest is not None and threshold is not None:
        raise SpecError("give --largest or --threshold, not both: each says where the tail starts")
    if (audit is None) == (input_file is None):
        raise SpecError("give either --audit DIR or --input FILE, one of the two")
    keep = not leave_out_doubtful
    vocabulary = COMMAND_LINE_AUDIT if input_file is None else COMMAND_LINE_FILE
    with in_words(vocabulary):
        if audit is not None:
            read = sample_from_table(read_results(audit), model, keep_doubtful=keep, group=group)
        elif input_file is not None:
            read = read_csv(input_file, model, keep_doubtful=keep, group=group)
        report = forecast_report(read, spec, horizons, tau or TAUS, vocabulary)
    if report_file is not None:
        from core.cli.command_line import TailsCommand
        from core.reports.render import write_report
        from core.reports.tail import tail_document

        # By name: a report goes to others, whom the path does not concern.
        place = input_file if audit is None else audit
        assert place is not None, "one of the two is given"
        source = [f"{'input' if audit is None else 'audit'}={place.resolve().name}"]
        source += [f"model={model}"] if model is not None else []
        source += [f"group={group}"] if group is not None else []
        command = TailsCommand(
            spec, tuple(source), horizons[0], tuple(tau or TAUS), leave_out_doubtful
        )
        write_report(tail_document(report, command), report_file)
    print_report(report.to_dict() if as_json else report.to_text())
