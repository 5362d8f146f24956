"""The command `audit`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from core.cli.parts import (
    AttentionOption,
    BehaviourOption,
    CacheOption,
    DefensiveOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    JudgeOption,
    LengthOption,
    MaxCostOption,
    RevisionOption,
    SystemOption,
    TemperatureOption,
    ThresholdOption,
    TopKOption,
    TopPOption,
    generation_fields,
    loading_fields,
    print_report,
    progress,
    whole_number,
)


def audit(
    out: Annotated[Path, typer.Option(help="Folder for results.parquet and manifest.json.")],
    queries: Annotated[
        Path | None,
        typer.Option(
            help="File of queries: csv, tsv, json, jsonl, parquet or text. Default: the behaviour's own."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Embedded model, folder, or Hugging Face id; may be given several times."
        ),
    ] = None,
    revision: RevisionOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "eager",
    behaviour: BehaviourOption = "misuse",
    method: Annotated[str, typer.Option(help="mc, is or mis, as for estimate.")] = "mis",
    samples: Annotated[str, typer.Option(help="Answers to draw a query, at most.")] = "1000",
    precision: Annotated[
        float | None,
        typer.Option(
            help="Stop a query once its interval reaches no further than this share of the estimate to "
            "either side, like 0.3. Default: draw all."
        ),
    ] = None,
    monte_carlo: Annotated[
        str, typer.Option(help="Further answers drawn from the model itself, for a direct count.")
    ] = "0",
    proposal: Annotated[
        str | None, typer.Option(help="Proposal as JSON. Default: each model's measured one.")
    ] = None,
    defensive: DefensiveOption = 0.1,
    judge: JudgeOption = None,
    max_cost: MaxCostOption = None,
    threshold: ThresholdOption = None,
    system: SystemOption = None,
    temperature: TemperatureOption = 1.0,
    top_k: TopKOption = None,
    top_p: TopPOption = 1.0,
    max_new_tokens: LengthOption = 40,
    seed: Annotated[int, typer.Option(help="Same seed, same answers.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the audit in --out.")
    ] = False,
    executor: Annotated[str, typer.Option(help="local, or ray (a cluster).")] = "local",
    workers: Annotated[
        int | None, typer.Option(help="Worker processes. Default: one a core, or one a device.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Address of a Ray cluster that runs. Default: one of its own."),
    ] = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimates the risk of many queries, for one model or several; can be stopped and resumed."""
    from core.headless.audit import AuditOptions, audit_headless

    options = AuditOptions(
        out=out,
        models=model or ["aster"],
        loading=loading_fields(revision, device, dtype, attention),
        behaviour=behaviour,
        queries=queries,
        method=method,
        samples=whole_number("samples", samples),
        precision=precision,
        monte_carlo=whole_number("monte_carlo", monte_carlo),
        proposal=proposal,
        defensive_share=defensive,
        generation=generation_fields(system, temperature, top_k, top_p, max_new_tokens),
        judge=judge,
        max_cost=max_cost,
        threshold=threshold,
        seed=seed,
        resume=resume,
        executor=executor,
        workers=workers,
        address=address,
        cache=cache,
    )
    # Standard output is the report's alone: Ray says there that a worker died.
    with redirect_stdout(sys.stderr):
        report = audit_headless(options, progress=progress(quiet=as_json))
    print_report(report.to_dict() if as_json else report.to_text())
