"""The command `bound`."""

from typing import Annotated

import typer

from core.cli.console import note, print_report, progress
from core.cli.options import (
    AttentionOption,
    BehaviourOption,
    CacheOption,
    DateOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    JudgeOption,
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
    ThresholdOption,
    TopKOption,
    TopPOption,
    generation_of,
    loading_fields,
)


def bound(
    query: Annotated[str, typer.Option(help="What the model is asked.")],
    model: ModelOption = "aster",
    revision: RevisionOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "eager",
    behaviour: BehaviourOption = "misuse",
    seconds: Annotated[float, typer.Option(help="How long to search.")] = 60.0,
    looks: Annotated[
        int | None, typer.Option(help="Beginnings of answers to look into, at most. Default: any.")
    ] = None,
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
    threshold: ThresholdOption = None,
    judge: JudgeOption = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bounds a risk for certain: no samples, no interval, no assumption.

    For judges of rules. Looks into the likeliest beginnings of answers, and those that promise harm, and adds
    up the exact probabilities of what is settled. The same command goes on where it stopped.
    """
    from cache import default_folder, open_store
    from core.models.spec import LoadingSpec
    from core.queries.chat import check_no_chat
    from core.runs.bound import BoundRequest, bound_query
    from core.tasks.progress import result_of

    loading = LoadingSpec.build(**loading_fields(revision, device, dtype, attention))
    request = BoundRequest.build(
        query=check_no_chat(query),
        model=model,
        loading=loading,
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
        judge=judge,
        threshold=threshold,
    )
    store = open_store(cache or default_folder())
    steps = bound_query(request, store, seconds=seconds, looks=looks, notify=note)
    with progress(quiet=as_json) as show:
        report = result_of(steps, show)
    print_report(report.to_dict() if as_json else report.to_text())
