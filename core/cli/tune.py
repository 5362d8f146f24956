"""The command `tune`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.console import note, print_report, progress
from core.cli.options import (
    AttentionOption,
    BehaviourOption,
    DateOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LengthOption,
    MinPOption,
    ModelOption,
    NgramOption,
    OwnSettingsOption,
    PenaltyOption,
    RevisionOption,
    SuppressOption,
    SystemOption,
    TemperatureOption,
    TopKOption,
    TopPOption,
    generation_of,
    loading_fields,
    numbers,
    parsed_proposal,
    whole_number,
    whole_numbers,
)
from core.errors import SpecError, TailscopeError

if TYPE_CHECKING:
    from core.proposals import AnyProposalSpec


def tune(
    queries: Annotated[
        Path | None,
        typer.Option(
            help="CSV, TSV, JSON, JSON Lines, parquet or text file; its column is known by its name, like "
            "'query' or 'prompt'. Default: the behaviour's own pilot queries."
        ),
    ] = None,
    query: Annotated[str | None, typer.Option(help="One query instead of a file.")] = None,
    model: ModelOption = "aster",
    revision: RevisionOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "eager",
    behaviour: BehaviourOption = "misuse",
    kind: Annotated[
        str | None, typer.Option(help="Kind of proposal: steer (default) or ablate.")
    ] = None,
    proposal: Annotated[
        str | None,
        typer.Option(
            help="Base proposal of any kind as JSON; its strength, mixing and switch are searched: "
            '{"kind": "context", "answer_prefix": "sure ,"}.'
        ),
    ] = None,
    strengths: Annotated[
        str | None,
        typer.Option(
            help="Strengths to try, like 2,4,8. Default: by the kind and the activations."
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(help="Layers to try, like 1,2. Default: up to eight; one with paper."),
    ] = None,
    grid: Annotated[str, typer.Option(help="small, or paper (25 mixings, every 5th switch).")] = (
        "small"
    ),
    rows: Annotated[str, typer.Option(help="Pilot answers a query.")] = "400",
    pilot_share: Annotated[
        float, typer.Option(help="Share of the file's queries to ask; 6 at least.")
    ] = 0.1,
    objective: Annotated[
        str, typer.Option(help="What to minimise: cross_entropy or variance.")
    ] = "cross_entropy",
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
    seed: Annotated[int, typer.Option(help="Same seed, same pilot answers.")] = 0,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of stored results. Default: the user's cache.")
    ] = None,
    dump: Annotated[
        Path | None, typer.Option(help="Write the whole surface to this parquet file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Searches for the best proposal on pilot queries, which an audit should then leave out."""
    from cache import default_folder, open_store
    from core.behaviours.load import check_behaviour
    from core.judges.trial import judge_doubts
    from core.models.spec import LoadingSpec
    from core.queries import read_query_file
    from core.queries.chat import check_no_chat
    from core.runs.dump import check_dump
    from core.search.report import write_surface
    from core.search.tune import TuneSpec, pilot_of
    from core.search.tune import tune as search
    from core.tasks.progress import result_of

    check_behaviour(behaviour)
    if query is not None and queries is not None:
        raise SpecError(f"query and queries exclude each other, got {query!r} and {str(queries)!r}")
    if not 0.0 <= pilot_share <= 1.0:
        raise SpecError(f"pilot_share must be in 0..1, got {pilot_share:g}")
    file = None if queries is None else read_query_file(queries)
    pilot = (check_no_chat(query),) if query is not None else pilot_of(file, behaviour, pilot_share)
    loading = LoadingSpec.build(**loading_fields(revision, device, dtype, attention))
    spec = TuneSpec.build(
        model=model,
        loading=loading,
        behaviour=behaviour,
        pilot=pilot,
        proposal=_base(kind, proposal),
        strengths=numbers("strengths", strengths),
        layers=whole_numbers("layers", layers),
        grid=grid,
        rows=whole_number("rows", rows),
        objective=objective,
        generation=generation_of(
            own_settings,
            {model: loading},
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
        seed=seed,
    )
    check_dump(dump)
    for doubt in judge_doubts(behaviour):
        note(doubt)
    steps = search(spec, open_store(cache or default_folder()), notify=note)
    with progress(quiet=as_json) as show:
        report = replace(result_of(steps, show), file=file)
    if dump is not None:
        write_surface(dump, report.result)
    print_report(report.to_dict() if as_json else report.to_text())
    if report.not_stored is not None:
        raise TailscopeError(report.not_stored)


def _base(kind: str | None, proposal: str | None) -> "AnyProposalSpec":
    """Returns the proposal to start from. Raises: SpecError."""
    from core.proposals import build_proposal

    if proposal is None:
        return build_proposal({} if kind is None else {"kind": kind})
    base = parsed_proposal(proposal)
    if kind is not None and kind != base.kind:
        raise SpecError(f"kind and proposal must agree, got {kind!r} and {proposal!r}")
    return base
