"""What `audit` does with its options: read the queries, run or resume the audit, write its folder."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache import default_folder, open_store
from core.audit.driver import Audit
from core.audit.leases import Leases
from core.audit.report import AuditReport
from core.audit.results import (
    check_resumes,
    in_table_order,
    manifest,
    read_manifest,
    write_manifest,
    write_results,
)
from core.audit.rows import AuditRow
from core.audit.spec import AuditModel, AuditSpec
from core.behaviours.load import load_behaviour, load_queries
from core.errors import SpecError, TailscopeError
from core.executors.base import Executor
from core.executors.local import check_workers, local_executor
from core.headless.estimate import parsed_proposal
from core.judges import served_judge
from core.judges.budget import check_cost
from core.models.spec import LoadingSpec
from core.queries import QueryFile, read_query_file
from core.queries.query import Query
from core.runs.catalogue import audit_entry, remember
from core.sampling.shards import AnyStore
from core.spec import GenerationSpec

EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class AuditOptions:
    """The options of `audit`, as given: nothing is checked yet.

    queries: a file; None for the behaviour's own. workers: None for as many as fit. address: of a Ray
    cluster that runs already.
    """

    out: Path
    models: Sequence[str]
    loading: Mapping[str, Any]
    behaviour: str
    queries: Path | None = None
    method: str = "mis"
    samples: int = 1_000
    precision: float | None = None
    monte_carlo: int = 0
    proposal: str | None = None
    defensive_share: float = 0.1
    generation: Mapping[str, Any] = field(default_factory=dict)
    judge: str | None = None
    max_cost: float | None = None
    threshold: float | None = None
    seed: int = 0
    resume: bool = False
    executor: str = "local"
    workers: int | None = None
    address: str | None = None
    cache: Path | None = None


def audit_headless(
    options: AuditOptions, progress: Callable[[str], None] | None = None
) -> AuditReport:
    """Runs or resumes an audit, and returns its report.

    Raises:
        TailscopeError: bad input, in one sentence; or it had to stop, and can be resumed.
    """
    tell = progress or (lambda text: None)
    began = time.perf_counter()
    spec = audit_spec(options)
    file = None if options.queries is None else read_query_file(options.queries)
    queries = load_queries(spec.behaviour) if file is None else file.queries
    for query in queries:
        spec.request(spec.models[0], query.text)
    earlier = _earlier(options, spec, queries)
    served = served_judge(spec.judge, spec.behaviour)
    if served is not None:
        each = (spec.samples + spec.monte_carlo_samples + 1) * len(spec.models)
        texts = [query.text for query in queries]
        check_cost(served, texts, each, spec.generation.max_new_tokens, options.max_cost)
    store = _opened(options.cache or default_folder())
    drawn = stored = 0
    executor = make_executor(options)
    try:
        with Leases(store) as leases:
            audit = Audit(spec, queries, executor, store, leases)
            folder = _Folder(options, audit, file, earlier)
            told = 0.0
            try:
                for event in audit.run(earlier):
                    folder.add(event.rows)
                    drawn, stored = event.drawn, event.stored
                    if (event.rows and time.perf_counter() - told > 1.0) or event.message:
                        told = time.perf_counter()
                        tell(event.message or f"{event.finished:,} of {event.total:,} queries done")
                    if event.message:
                        folder.write("running")
            except BaseException:
                # Also on an interrupt: what was found so far can be read, and the rest resumed.
                folder.keep_what_there_is()
                raise
            finally:
                if done := len(folder.rows()):
                    whole = done == len(queries) * len(spec.models)
                    status = "finished" if whole else "stopped"
                    rows = drawn + stored
                    entry = audit_entry(spec, queries, options.out, rows=rows, status=status)
                    remember(store, entry, audit.sampling_keys)
            folder.write("finished")
    finally:
        executor.close()
        store.close()
    tell("")
    return AuditReport(
        out=options.out,
        rows=folder.rows(),
        spec=spec,
        drawn=drawn,
        stored=stored,
        seconds=time.perf_counter() - began,
        left_out=None if file is None else file.left_out,
    )


def audit_spec(options: AuditOptions) -> AuditSpec:
    """Returns the spec that the options stand for. Raises: SpecError, BehaviourError."""
    threshold = options.threshold
    if threshold is None:
        threshold = load_behaviour(options.behaviour).spec.threshold
    loading = LoadingSpec.build(**options.loading)
    return AuditSpec.build(
        models=tuple(AuditModel(name=name, loading=loading) for name in options.models),
        behaviour=options.behaviour,
        generation=GenerationSpec.build(**options.generation),
        method=options.method,
        samples=options.samples,
        precision=options.precision,
        monte_carlo_samples=options.monte_carlo,
        proposal=None if options.proposal is None else parsed_proposal(options.proposal),
        defensive_share=options.defensive_share,
        judge=options.judge,
        threshold=threshold,
        seed=options.seed,
    )


def make_executor(options: AuditOptions) -> Executor:
    """Returns what does the work.

    Raises:
        SpecError: there is no such executor, or not so many workers.
        TailscopeError: Ray is not installed, or its cluster cannot be reached.
    """
    if options.executor not in EXECUTORS:
        raise SpecError(f"executor must be one of {', '.join(EXECUTORS)}, got {options.executor!r}")
    device = str(options.loading.get("device", "cpu"))
    if options.executor == "ray":
        check_workers(options.workers)
        from core.executors.ray_cluster import RayExecutor

        return RayExecutor(options.workers, options.address, device)
    if options.address is not None:
        raise SpecError(f"address needs the executor ray, got {options.address!r} with local")
    return local_executor(options.workers, device)


def _opened(path: Path) -> AnyStore:
    """Returns the store at a path. Raises: TailscopeError if there is none but in memory."""
    store = open_store(path)
    if store.path is None:
        why = " ".join(event.message for event in store.drain_events())
        raise TailscopeError(f"an audit needs a store on disk, or it could not be resumed. {why}")
    return store


def _earlier(
    options: AuditOptions, spec: AuditSpec, queries: Sequence[Query]
) -> dict[str, dict[str, Any]]:
    """Returns by model name what an earlier run of this audit has noted.

    Raises:
        SpecError: the folder holds an audit that was not asked for, or no folder can be made there.
    """
    if options.out.exists() and not options.out.is_dir():
        raise SpecError(f"out must be a folder, got the file {str(options.out)!r}")
    found = read_manifest(options.out)
    if found is None:
        return {}
    if not options.resume:
        raise SpecError(
            f"{str(options.out)!r} holds an audit already; add --resume to go on with it, or give "
            "another folder"
        )
    return check_resumes(found, spec, queries, options.out)


class _Folder:
    """What an audit's folder is to hold. earlier: what a run before this one noted of the models."""

    def __init__(
        self,
        options: AuditOptions,
        audit: Audit,
        file: QueryFile | None,
        earlier: Mapping[str, Any],
    ) -> None:
        self._options, self._audit, self._file, self._earlier = options, audit, file, earlier
        self._found: dict[tuple[str, str], AuditRow] = {}

    def add(self, rows: Sequence[AuditRow]) -> None:
        """Adds rows that are finished."""
        self._found |= {(row.model, row.query.query_id): row for row in rows}

    def rows(self) -> list[AuditRow]:
        """Returns the finished rows in the table's order."""
        return in_table_order(list(self._found.values()), self._audit.spec, self._audit.queries)

    def write(self, status: str) -> None:
        """Writes the manifest, and unless the audit still runs its results. Raises: TailscopeError."""
        options, audit, file, rows = self._options, self._audit, self._file, self.rows()
        content = manifest(
            audit.spec,
            audit.queries,
            audit.prepared,
            self._earlier,
            status=status,
            rows=len(rows),
            queries_file=None if options.queries is None else options.queries.name,
            left_out=[] if file is None else [vars(row) for row in file.bad],
            executor=options.executor,
        )
        if status != "running" and rows:
            write_results(options.out, rows)
        write_manifest(options.out, content)

    def keep_what_there_is(self) -> None:
        """Writes what there is after something went wrong, if it can be written."""
        with suppress(TailscopeError):
            if read_manifest(self._options.out) is not None:
                self.write("stopped")
