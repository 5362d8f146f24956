"""The command `estimate`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

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
    parsed_proposal,
    whole_number,
)
from core.errors import SpecError, TailscopeError
from core.glossary import meaning


def estimate(
    query: Annotated[str, typer.Option(help="What the model is asked.")],
    model: ModelOption = "aster",
    revision: RevisionOption = None,
    device: DeviceOption = "cpu",
    dtype: DtypeOption = "auto",
    attention: AttentionOption = "eager",
    behaviour: BehaviourOption = "misuse",
    method: Annotated[
        str | None,
        typer.Option(
            help="mc (Monte Carlo), is (importance sampling, one proposal), mis (several, combined) or ahead "
            "(look-ahead: counts the tokens that would complete harm; for judges of rules). Default: mis for "
            "the embedded models, else ahead where the judge can be followed, else mc."
        ),
    ] = None,
    samples: Annotated[str, typer.Option(help="How many answers to draw.")] = "1000",
    seed: Annotated[int, typer.Option(help=meaning("seed"))] = 0,
    steer: Annotated[
        float | None,
        typer.Option(help="Steering strength, in units of the direction. Default: measured."),
    ] = None,
    mix: Annotated[
        float | None, typer.Option(help=f"alpha_mix, 0..1. {meaning('alpha_mix')}")
    ] = None,
    switch: Annotated[int | None, typer.Option(help=f"t_switch. {meaning('t_switch')}")] = None,
    defensive: DefensiveOption = 0.1,
    layer: Annotated[
        int | None, typer.Option(help="Block after which to steer, from 0. Default: measured.")
    ] = None,
    direction: Annotated[
        str | None, typer.Option(help="Where the direction is read: answer_mean or last_prompt.")
    ] = None,
    positions: Annotated[
        str | None, typer.Option(help="What is steered: answer, prompt or both.")
    ] = None,
    proposal: Annotated[
        list[str] | None,
        typer.Option(
            help="A proposal of any kind as JSON, instead of --steer and the like: "
            '{"kind": "ablate", "strength": 0.8, "t_switch": 20}. Kinds: steer, ablate, context, adapter, '
            "checkpoint. With mis it may be given several times."
        ),
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
    max_cost: MaxCostOption = None,
    batch: Annotated[int, typer.Option(help="Answers computed at once; changes no result.")] = 250,
    cache: CacheOption = None,
    dump: Annotated[
        Path | None, typer.Option(help="Write every draw to this parquet file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Estimates how often the model answers a query harmfully."""
    from cache import default_folder, open_store
    from core.behaviours.load import load_behaviour, own_system_prompt
    from core.judges.trial import judge_doubts
    from core.models.spec import LoadingSpec
    from core.proposals import SteerSpec
    from core.queries.chat import check_no_chat
    from core.runs.default_method import default_method
    from core.runs.dump import check_dump
    from core.runs.estimate_query import estimate_query
    from core.runs.request import EstimateRequest
    from core.spec import UNWEIGHTED, check_samples
    from core.tasks.progress import result_of

    count = check_samples(whole_number("samples", samples))
    fields = {
        "strength": steer, "alpha_mix": mix, "t_switch": switch, "layer": layer,
        "direction": direction, "positions": positions,
    }  # fmt: skip
    steering = {name: value for name, value in fields.items() if value is not None}
    proposals = [parsed_proposal(text) for text in proposal or ()]
    score = load_behaviour(behaviour).spec.threshold if threshold is None else threshold
    if method is None:
        # Whoever names a proposal wants to draw from it.
        asked = proposals or steering
        method = "mis" if asked else default_method([model], behaviour, [query], judge, score)
    _check_proposals(proposal or (), steering, method)
    if method in UNWEIGHTED:
        proposals = []
    else:
        SteerSpec.build(**steering)  # a slip in a number should not cost a model load
    loading = LoadingSpec.build(**loading_fields(revision, device, dtype, attention))
    request = EstimateRequest.build(
        query=check_no_chat(query),
        model=model,
        loading=loading,
        behaviour=behaviour,
        method=method,
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
        proposal=proposals[0] if proposals else None,
        companions=tuple(proposals[1:]),
        defensive_share=defensive,
        judge=judge,
        threshold=score,
        seed=seed,
    )
    check_dump(dump)
    if system is None and (own := own_system_prompt(behaviour, query)) is not None:
        note(
            "the behaviour asks this query under a system prompt of its own, and here it is asked without; "
            f"to ask as the behaviour does, add --system {own!r}"
        )
    for doubt in judge_doubts(behaviour, judge, threshold):
        note(doubt)
    steps = estimate_query(
        request,
        count,
        open_store(cache or default_folder()),
        steering=steering,
        batch_rows=batch,
        max_cost=max_cost,
        notify=note,
    )
    with progress(quiet=as_json) as show:
        report = result_of(steps, show)
    if dump is not None:
        report.write_draws(dump)
    print_report(report.to_dict() if as_json else report.to_text())
    if report.not_stored is not None:
        # The estimate stands and is printed; but a script must learn that a second run starts over.
        raise TailscopeError(report.not_stored)


def _check_proposals(texts: Sequence[str], steering: Mapping[str, Any], method: str) -> None:
    """Raises SpecError unless the options that set proposals go together."""
    if texts and steering:
        raise SpecError(
            f"proposal and steer, mix, switch, layer, direction or positions exclude each other, got "
            f"proposal {texts[0]!r} and {', '.join(steering)}"
        )
    if len(texts) > 1 and method != "mis":
        raise SpecError(f"method {method!r} takes one proposal, got {len(texts)}; use 'mis'")
