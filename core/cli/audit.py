"""The command `audit`."""

import sys
from contextlib import closing, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.console import note, print_report, progress
from core.cli.options import (
    AttentionOption,
    BehaviourOption,
    CacheOption,
    DateOption,
    DefensiveOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    JudgeOption,
    LengthOption,
    MaxCostOption,
    MinPOption,
    NgramOption,
    OwnSettingsOption,
    PenaltyOption,
    RevisionOption,
    SuppressOption,
    SystemOption,
    TemperatureOption,
    ThresholdOption,
    TopKOption,
    TopPOption,
    generation_of,
    loading_fields,
    parsed_proposal,
    whole_number,
)
from core.errors import SpecError
from core.glossary import meaning

if TYPE_CHECKING:
    from core.executors.base import Executor

EXECUTORS = ("local", "ray")


def audit(
    out: Annotated[Path, typer.Option(help="Folder for results.parquet and manifest.json.")],
    queries: Annotated[
        Path | None,
        typer.Option(
            help="File of queries: csv, tsv, json, jsonl, parquet or text. Default: the behaviour's own."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Column of the file whose equal values mark wordings of one query, or none. Default: group."
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
    method: Annotated[
        str | None, typer.Option(help="mc, is, mis or ahead, as for estimate.")
    ] = None,
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
    temperature: TemperatureOption = None,
    top_k: TopKOption = None,
    top_p: TopPOption = None,
    min_p: MinPOption = None,
    repetition_penalty: PenaltyOption = None,
    no_repeat_ngram_size: NgramOption = None,
    suppress_tokens: SuppressOption = None,
    template_date: DateOption = None,
    own_settings: OwnSettingsOption = False,
    max_new_tokens: LengthOption = 40,
    seed: Annotated[int, typer.Option(help=meaning("seed"))] = 0,
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
    from cache import default_folder
    from core.audit.run import open_disk_store, run_audit
    from core.audit.spec import AuditModel, AuditSpec
    from core.behaviours.load import load_behaviour, load_queries
    from core.judges.trial import judge_doubts
    from core.models.spec import LoadingSpec
    from core.queries import read_query_file
    from core.runs.default_method import default_method
    from core.tasks.progress import result_of

    own = load_behaviour(behaviour).spec.threshold if threshold is None else threshold
    names = model or ["aster"]
    file = None if queries is None else read_query_file(queries, group)
    if file is None and group is not None:
        raise SpecError(
            f"group names a column of the file given as --queries, got {group!r} without one"
        )
    asked = load_queries(behaviour) if file is None else file.queries
    if method is None:
        texts = (query.text for query in asked)
        method = "mis" if proposal else default_method(names, behaviour, texts, judge, own)
    loading = LoadingSpec.build(**loading_fields(revision, device, dtype, attention))
    spec = AuditSpec.build(
        models=tuple(AuditModel(name=name, loading=loading) for name in names),
        behaviour=behaviour,
        generation=generation_of(
            own_settings,
            dict.fromkeys(names, loading),
            system_prompt=system,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            no_repeat_ngram_size=no_repeat_ngram_size,
            suppress_tokens=suppress_tokens,
            template_date=template_date,
            max_new_tokens=max_new_tokens,
        ),
        method=method,
        samples=whole_number("samples", samples),
        precision=precision,
        monte_carlo_samples=whole_number("monte_carlo", monte_carlo),
        proposal=None if proposal is None else parsed_proposal(proposal),
        defensive_share=defensive,
        judge=judge,
        threshold=own,
        seed=seed,
    )
    for doubt in judge_doubts(behaviour, judge, threshold):
        note(doubt)
    for line in () if file is None else file.notes:
        note(f"{queries}: {line}")
    about = {
        "queries_file": None if queries is None else queries.name,
        "left_out": [] if file is None else [vars(row) for row in file.bad],
        "executor": executor,
    }
    store = open_disk_store(cache or default_folder())
    # Standard output is the report's alone: Ray says there that a worker died.
    with redirect_stdout(sys.stderr), closing(store), progress(quiet=as_json) as show:
        steps = run_audit(
            spec,
            asked,
            out,
            store,
            lambda: chosen_executor(executor, workers, address, device),
            resume=resume,
            max_cost=max_cost,
            about=about,
            notify=note,
        )
        report = result_of(steps, show)
    if file is not None:
        report = replace(report, left_out=file.left_out)
    print_report(report.to_dict() if as_json else report.to_text())


def chosen_executor(name: str, workers: int | None, address: str | None, device: str) -> "Executor":
    """Returns what draws the answers.

    Raises:
        SpecError: there is no such executor, or not so many workers.
        TailscopeError: Ray is not installed, or its cluster cannot be reached.
    """
    from core.executors.local import check_workers, local_executor

    if name not in EXECUTORS:
        raise SpecError(f"executor must be one of {', '.join(EXECUTORS)}, got {name!r}")
    if name == "ray":
        check_workers(workers)
        from core.executors.ray_cluster import RayExecutor

        return RayExecutor(workers, address, device)
    if address is not None:
        raise SpecError(f"address needs the executor ray, got {address!r} with local")
    return local_executor(workers, device)
