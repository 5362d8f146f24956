"""The command `ahead`."""

from typing import Annotated

import typer

from core.cli.console import note, print_report, progress
from core.cli.options import (
    AttentionOption,
    BehaviourOption,
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
    whole_number,
)
from core.glossary import meaning


def ahead(
    query: Annotated[str, typer.Option(help="What the model is asked.")],
    model: ModelOption = "aster",
    revision: RevisionOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "eager",
    behaviour: BehaviourOption = "misuse",
    samples: Annotated[str, typer.Option(help="How many beginnings of answers to draw.")] = "1000",
    seed: Annotated[int, typer.Option(help=meaning("seed"))] = 0,
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
    as_json: JsonOption = False,
) -> None:
    """Estimates by look-ahead: counts the tokens that would complete harm, without waiting for them.

    For judges of rules. No proposal, no pilot: one pass of the model itself.
    """
    from core.models.spec import LoadingSpec
    from core.queries.chat import check_no_chat
    from core.runs.look_ahead import LookAheadRequest, look_ahead_query
    from core.spec import check_samples
    from core.tasks.progress import result_of

    count = check_samples(whole_number("samples", samples))
    loading = LoadingSpec.build(**loading_fields(revision, device, dtype, attention))
    request = LookAheadRequest.build(
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
        seed=seed,
    )
    with progress(quiet=as_json) as show:
        report = result_of(look_ahead_query(request, count, notify=note), show)
    print_report(report.to_dict() if as_json else report.to_text())
