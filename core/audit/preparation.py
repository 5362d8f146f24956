"""Prepares a model for an audit: the same weights, proposals and judge for every worker and every run."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from core.audit.leases import Leases
from core.audit.results import check_same, noted
from core.audit.spec import AuditModel, AuditSpec
from core.errors import SpecError, TailscopeError
from core.executors.base import Done, Executor
from core.executors.worker import GetFingerprint, InstallPrepared, Prepare, Prepared, judged_by
from core.judges.base import Judge
from core.runs.defaults import known_for, remember_default
from core.runs.request import EstimateRequest
from core.sampling.shards import AnyStore
from core.spec import UNWEIGHTED
from core.tasks import BUILDING, MEASURING, Progress, Steps

WAIT = 0.5  # seconds


def preparing_steps(
    spec: AuditSpec,
    model: AuditModel,
    query: str,
    executor: Executor,
    store: AnyStore,
    leases: Leases,
    served: Judge | None,
    expected: Mapping[str, Any] | None,
) -> Steps[None, Prepared]:
    """Returns what all rows of a model depend on, installed in every worker.

    Yields what is being done, and how far that is.

    query: any of the audit's. served: the judge, if it is asked in this process. expected: what an earlier
    run has noted of the model.

    Raises:
        SpecError: the workers, or this run and the earlier one, do not have the same.
        TailscopeError: the model cannot be loaded, or no default proposal can be measured.
    """
    template = spec.request(model, query)
    yield Progress(message=f"loading {model.name}")
    found = set(executor.everywhere(GetFingerprint(template)))
    if len(found) > 1:
        raise SpecError(
            f"the workers have {len(found)} different models under the name {model.name!r}; give every "
            "machine the same files"
        )
    fingerprint = str(found.pop())
    if expected is not None:
        check_same(model.name, {"fingerprint": fingerprint}, expected)
    prepared = yield from _measured(
        template, fingerprint, executor, store, leases, judges=served is None
    )
    if served is not None:
        prepared = judged_by(prepared, served.spec())
    if expected is not None:
        check_same(model.name, noted(prepared), expected)
    executor.everywhere(InstallPrepared(prepared))
    return prepared


def _measured(
    template: EstimateRequest,
    fingerprint: str,
    executor: Executor,
    store: AnyStore,
    leases: Leases,
    *,
    judges: bool,
) -> Steps[None, Prepared]:
    """Returns what is prepared; a default is measured by one process alone, as any shard is drawn."""
    name = f"default/{fingerprint}/{template.behaviour}"
    while not leases.take(name):
        time.sleep(WAIT)
        yield Progress(message=f"another process is {MEASURING}")
    try:
        default = known_for(fingerprint, template.behaviour, store, template.generation)
        folder = store.path if executor.shares_disk else None
        executor.submit(name, Prepare(template, default, judges, folder))
        weighted = template.method not in UNWEIGHTED
        pilot = weighted and template.proposal is None and default is None
        done: Sequence[Done] = ()
        while not done:
            done = executor.collect(WAIT)
            share = max(executor.shares, default=0.0)
            yield Progress(share, 1, message=MEASURING if pilot else BUILDING)
        prepared = done[0].outcome
        if not isinstance(prepared, Prepared):
            raise TailscopeError(done[0].error)
        if prepared.measured is not None:
            remember_default(
                fingerprint, template.behaviour, prepared.measured, store, template.generation
            )
    finally:
        leases.release(name)
    return prepared
