"""The command `sensitivity`."""

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
    ModelOption,
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
    whole_number,
)
from core.errors import TailscopeError
from core.glossary import meaning

if TYPE_CHECKING:
    from core.audit.spec import AuditSpec


def sensitivity(
    query: Annotated[str, typer.Option(help="The query as it stands.")],
    paraphrases: Annotated[
        Path | None,
        typer.Option(
            help="File of other wordings (csv with a column 'paraphrase' or 'query', json, text, ...). "
            "Default: the shipped ones of a shipped query, or 25 made by rule."
        ),
    ] = None,
    reword: Annotated[int | None, typer.Option(help="Make so many wordings here.")] = None,
    maker: Annotated[
        str, typer.Option(help="Who makes them: rule, model (the model itself) or server.")
    ] = "rule",
    server: Annotated[
        str | None, typer.Option(help="With maker server: a rubric judge's file that names it.")
    ] = None,
    vary_system: Annotated[
        list[str] | None, typer.Option(help="Also under this system prompt; several times.")
    ] = None,
    vary_temperature: Annotated[
        list[float] | None, typer.Option(help="Also at this temperature; several times.")
    ] = None,
    vary_length: Annotated[
        list[int] | None, typer.Option(help="Also with answers this long; several times.")
    ] = None,
    model: ModelOption = "aster",
    revision: RevisionOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "eager",
    behaviour: BehaviourOption = "misuse",
    method: Annotated[
        str | None, typer.Option(help="mc, is, mis or ahead, as for estimate.")
    ] = None,
    samples: Annotated[str, typer.Option(help="Answers to draw for each.")] = "500",
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
    workers: Annotated[
        int | None, typer.Option(help="Worker processes. Default: a core each.")
    ] = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tells how far other wordings and settings move a query's risk."""
    from cache import default_folder, open_store
    from core.audit.spec import AuditModel, AuditSpec
    from core.behaviours.load import load_behaviour
    from core.executors.local import local_executor
    from core.judges.trial import judge_doubts
    from core.models.spec import LoadingSpec
    from core.runs.default_method import default_method
    from core.sensitivity.compare import compare
    from core.sensitivity.comparison import Comparison
    from core.sensitivity.variants import variants
    from core.tasks.progress import result_of

    own = load_behaviour(behaviour).spec.threshold if threshold is None else threshold
    if method is None:
        method = default_method([model], behaviour, [query], judge, own)
    loading = LoadingSpec.build(**loading_fields(revision, device, dtype, attention))
    spec = AuditSpec.build(
        models=(AuditModel(name=model, loading=loading),),
        behaviour=behaviour,
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
        method=method,
        samples=whole_number("samples", samples),
        defensive_share=defensive,
        judge=judge,
        threshold=own,
        seed=seed,
    )
    for doubt in judge_doubts(behaviour, judge, threshold):
        note(doubt)
    varied = bool(vary_system or vary_temperature or vary_length)
    wordings, notes = _wordings(spec, query, paraphrases, reword, maker, server, varied)
    asked = variants(
        query,
        wordings,
        spec.generation,
        systems=vary_system or (),
        temperatures=vary_temperature or (),
        lengths=vary_length or (),
    )
    steps = compare(
        Comparison.build(spec=spec, variants=asked, notes=tuple(notes)),
        open_store(cache or default_folder()),
        lambda: local_executor(workers, device),
        max_cost=max_cost,
        notify=note,
    )
    with progress(quiet=as_json) as show:
        report = result_of(steps, show)
    print_report(report.to_dict() if as_json else report.to_text())
    if report.not_stored is not None:
        raise TailscopeError(report.not_stored)


def _wordings(
    spec: "AuditSpec",
    query: str,
    paraphrases: Path | None,
    reword: int | None,
    maker: str,
    server: str | None,
    varied: bool,
) -> tuple[tuple[str, ...], list[str]]:
    """Returns the wordings to compare, and notes on where they come from.

    varied: whether settings are varied; then wordings are made only on request.

    Raises:
        TailscopeError: a file or a server gives none.
    """
    from core.queries import read_query_file
    from core.sensitivity.rewordings import read_wordings
    from core.sensitivity.wordings import default_wordings, make_wordings

    if paraphrases is not None:
        file = read_query_file(paraphrases)
        notes = [*file.notes, *([file.left_out] if file.left_out else [])]
        return read_wordings(file.texts(), query), notes
    if reword is not None:
        return make_wordings(spec, query, reword, maker, server)
    if varied:
        return (), []
    return default_wordings(spec, query, maker, server)
