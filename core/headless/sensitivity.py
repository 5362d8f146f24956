"""What `sensitivity` does with its options: gather the variants, estimate each, sum them up."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache import default_folder, open_store
from core.audit.spec import AuditModel, AuditSpec
from core.behaviours.load import load_behaviour, load_paraphrases
from core.errors import SpecError, TailscopeError
from core.executors.local import local_executor
from core.judges import load_judge, served_judge
from core.judges.budget import check_cost
from core.judges.rubric import RubricJudge
from core.models.loading import load_model
from core.models.spec import LoadingSpec
from core.queries import read_query_file
from core.runs.report import not_stored
from core.sensitivity.comparison import Comparison, VariantRow, estimated
from core.sensitivity.report import SensitivityReport, summed_up
from core.sensitivity.rewordings import by_model, by_rule, by_server, read_wordings
from core.sensitivity.variants import variants
from core.spec import GenerationSpec

MAKERS = ("rule", "model", "server")


@dataclass(frozen=True)
class SensitivityOptions:
    """The options of `sensitivity`, as given: nothing is checked yet.

    paraphrases: a file of wordings. reword: how many to make here, by `maker`; server: the rubric judge's
    file that names the server. With neither, a shipped query's own paraphrases, or 25 by rule.
    """

    query: str
    model: str
    loading: Mapping[str, Any]
    behaviour: str
    paraphrases: Path | None = None
    reword: int | None = None
    maker: str = "rule"
    server: str | None = None
    systems: Sequence[str] = ()
    temperatures: Sequence[float] = ()
    lengths: Sequence[int] = ()
    method: str = "mis"
    samples: int = 500
    defensive_share: float = 0.1
    generation: Mapping[str, Any] = field(default_factory=dict)
    judge: str | None = None
    max_cost: float | None = None
    threshold: float | None = None
    seed: int = 0
    workers: int | None = None
    cache: Path | None = None


def sensitivity_headless(
    options: SensitivityOptions, progress: Callable[[str], None] | None = None
) -> SensitivityReport:
    """Returns the report of one `sensitivity` command.

    Raises:
        TailscopeError: bad input, in one sentence.
    """
    tell = progress or (lambda text: None)
    began = time.perf_counter()
    spec = sensitivity_spec(options)
    wordings, notes = gathered(options)
    asked = variants(
        options.query,
        wordings,
        spec.generation,
        systems=options.systems,
        temperatures=options.temperatures,
        lengths=options.lengths,
    )
    served = served_judge(spec.judge, spec.behaviour)
    if served is not None:
        texts = [one.text for one in asked]
        longest = max(one.generation.max_new_tokens for one in asked)
        check_cost(served, texts, spec.samples + 1, longest, options.max_cost)
    store = open_store(options.cache or default_folder())
    executor = local_executor(options.workers, str(options.loading.get("device", "cpu")))
    comparison = Comparison.build(spec=spec, asked=asked, notes=tuple(notes))
    found: dict[str, VariantRow] = {}
    try:
        with closing(estimated(comparison, executor, store)) as events:
            for event, rows in events:
                found |= {one.variant.variant_id: one for one in rows}
                tell(event.message or f"{event.finished:,} of {event.total:,} done")
    finally:
        executor.close()
    tell("")
    return summed_up(
        comparison,
        [found[one.variant_id] for one in asked],
        time.perf_counter() - began,
        not_stored(store.drain_events()),
    )


def sensitivity_spec(options: SensitivityOptions) -> AuditSpec:
    """Returns what all variants share, as the spec of an audit. Raises: SpecError, BehaviourError."""
    own = load_behaviour(options.behaviour).spec.threshold
    return AuditSpec.build(
        models=(AuditModel(name=options.model, loading=LoadingSpec.build(**options.loading)),),
        behaviour=options.behaviour,
        generation=GenerationSpec.build(**options.generation),
        method=options.method,
        samples=options.samples,
        defensive_share=options.defensive_share,
        judge=options.judge,
        threshold=own if options.threshold is None else options.threshold,
        seed=options.seed,
    )


def gathered(options: SensitivityOptions) -> tuple[tuple[str, ...], list[str]]:
    """Returns the wordings to compare, and notes on where they come from.

    Raises:
        TailscopeError: a file or a server gives none.
    """
    if options.paraphrases is not None:
        file = read_query_file(options.paraphrases)
        notes = [*file.notes, *([file.left_out] if file.left_out else [])]
        return read_wordings([query.text for query in file.queries], options.query), notes
    varied = options.systems or options.temperatures or options.lengths
    if options.reword is None and varied:
        return (), []
    if options.reword is None:
        shipped = load_paraphrases(options.behaviour, options.query)
        if shipped:
            return shipped, []
    return _made(options, 25 if options.reword is None else options.reword)


def _made(options: SensitivityOptions, count: int) -> tuple[tuple[str, ...], list[str]]:
    if options.maker not in MAKERS:
        raise SpecError(f"maker must be one of {', '.join(MAKERS)}, got {options.maker!r}")
    if options.maker == "rule":
        made = by_rule(options.query, count, options.seed)
    elif options.maker == "model":
        loaded = load_model(options.model, LoadingSpec.build(**options.loading))
        made = by_model(loaded, options.query, count, options.seed)
    else:
        judge = None if options.server is None else load_judge(options.server)
        if not isinstance(judge, RubricJudge):
            raise SpecError(
                "maker 'server' needs a server: a judge's file of kind rubric, "
                f"got {options.server!r}"
            )
        made = by_server(judge, options.query, count)
    if not made.wordings:
        raise TailscopeError(
            f"no rewording came of maker {options.maker!r}; give a file of paraphrases instead"
        )
    notes = [
        f"{len(made.wordings)} wordings made here, by {options.maker}; read them before you rely on them"
    ]
    return made.wordings, notes
