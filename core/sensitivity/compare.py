"""A comparison of wordings from its spec to its report: what the command line and the Python API share."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from core.executors.base import Executor
from core.judges import served_judge
from core.judges.budget import check_cost
from core.runs.report import not_stored
from core.sampling.shards import AnyStore
from core.sensitivity.comparison import Comparison, comparison_steps
from core.sensitivity.report import SensitivityReport, summed_up
from core.tasks import Steps


def compare(
    comparison: Comparison,
    store: AnyStore,
    executor: Callable[[], Executor],
    *,
    max_cost: float | None = None,
    notify: Callable[[str], object] = lambda note: None,
) -> Steps[None, SensitivityReport]:
    """Yields its progress and returns the report. What the store holds is not drawn again.

    executor: makes what draws the answers; it is closed at the end. max_cost: of a judge behind a server, in
    the currency of its file; None for any. notify: called with what judging may cost.

    Raises:
        TailscopeError: bad input, in one sentence.
    """
    began = time.perf_counter()
    spec, asked = comparison.spec, comparison.variants
    served = served_judge(spec.judge, spec.behaviour)
    if served is not None:
        texts = [variant.text for variant in asked]
        longest = max(variant.generation.max_new_tokens for variant in asked)
        check_cost(served, texts, spec.samples + 1, longest, max_cost, notify)
    workers = executor()
    try:
        with closing(comparison_steps(comparison, workers, store)) as steps:
            for progress in steps:
                end = progress.partial
                count = f"{end.finished:,} of {end.total:,} wordings"
                yield replace(progress.with_partial(None), message=progress.message or count)
    finally:
        workers.close()
    rows = {row.variant.variant_id: row for row in end.rows}
    return summed_up(
        comparison,
        [rows[variant.variant_id] for variant in asked],
        time.perf_counter() - began,
        not_stored(store.drain_events()),
        end.told,
    )
