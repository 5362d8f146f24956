"""Estimating wordings in the background: what is asked, how far it is, and the command that does the same.

`events` runs in a thread: no widgets there.
"""

import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import streamlit as st

from core.behaviours.load import load_behaviour
from core.errors import TailscopeError
from core.executors.base import Executor
from core.executors.local import local_executor
from core.judges import served_judge
from core.judges.rubric import RubricJudge
from core.models.spec import LoadingSpec
from core.runs.run import GENERATION_OPTIONS, LOADING_OPTIONS
from core.sampling.shards import AnyStore
from core.sensitivity.comparison import Comparison, VariantRow, estimated, keep, stored_rows
from core.sensitivity.report import SensitivityReport, summed_up
from core.sensitivity.variants import ORIGINAL
from core.spec import GenerationSpec
from core.tasks import Registry, Task
from pages.shared import resources
from pages.shared.judge_offers import judge_offers

FILE_NAME = "wordings.csv"


@dataclass(frozen=True)
class Standing:
    """Where the work is.

    rows: what is known, an earlier time's included. finished: how many are of this time. seconds: since the
    first answer was drawn. cancel: set by whoever wants no more of it; what is in hand is finished.
    """

    cancel: threading.Event
    rows: tuple[VariantRow, ...] = ()
    total: int = 0
    finished: int = 0
    drawn: int = 0
    stored: int = 0
    seconds: float = 0.0
    message: str = "starting"

    @property
    def whole(self) -> bool:
        """Whether every variant has its row."""
        return 0 < self.total == self.finished

    @property
    def last_known(self) -> tuple[VariantRow, ...]:
        """The rows, of each variant the last."""
        return tuple({one.variant.variant_id: one for one in self.rows}.values())


def events(
    plan: Comparison, executor: Callable[[], Executor], store: AnyStore
) -> Iterator[Standing]:
    """Yields where the work is, until it is whole or cancelled. Raises: as `estimated`."""
    at = Standing(threading.Event(), total=len(plan.asked))
    for read in reading(plan, store):
        # Shown until they are had again: the model or its judge may be another by now.
        at = replace(at, rows=read.rows, stored=read.stored, message=read.message)
        yield at
        if at.cancel.is_set():
            return
    began: float | None = None
    hands = executor()
    try:
        with closing(estimated(plan, hands, store)) as found:
            for event, rows in found:
                if began is None and event.drawn + event.stored:
                    began = time.perf_counter()
                at = replace(
                    at,
                    rows=at.rows + rows,
                    finished=event.finished,
                    drawn=event.drawn,
                    stored=max(event.stored, at.stored - event.drawn),
                    seconds=0.0 if began is None else time.perf_counter() - began,
                    message=event.message,
                )
                yield at
                if at.cancel.is_set():
                    return
    finally:
        hands.close()


def reading(plan: Comparison, store: AnyStore) -> Iterator[Standing]:
    """Yields what the store holds of a comparison; nothing is drawn and no judge is asked."""
    at = Standing(threading.Event(), total=len(plan.asked), message="reading what is stored")
    yield at
    for row in stored_rows(plan, store):
        stored = at.stored + (plan.spec.samples + 1 if row.row.estimate is not None else 0)
        at = replace(at, rows=(*at.rows, row), finished=at.finished + 1, stored=stored)
        yield at
        if at.cancel.is_set():
            return


def seconds_left(at: Standing, plan: Comparison) -> float | None:
    """Returns the time left at the pace so far; None before there is one."""
    done = at.drawn + at.stored
    if not done or at.seconds <= 0:
        return None
    return at.seconds / done * max(plan.answers - done, 0)


@st.cache_resource(show_spinner=False)
def works() -> Registry[Task[Standing]]:
    """Returns the comparisons of wordings of this process."""
    return Registry()


def begin(plan: Comparison) -> Task[Standing]:
    """Starts the work in the background, or goes on with it; what is in the store is not drawn again."""
    store = resources.store()
    keep(store, plan)
    return works().start(plan.name, lambda: Task(events(plan, lambda: executor(plan), store)))


def work_of(plan: Comparison) -> Task[Standing]:
    """Returns the comparison's work in this process; where there is none, what is stored is read."""
    store = resources.store()
    return works().get(plan.name) or works().start(plan.name, lambda: Task(reading(plan, store)))


def is_compared(name: str) -> bool:
    """Returns whether this process is at work on a comparison."""
    task = works().get(name)
    return task is not None and task.running


def executor(plan: Comparison) -> Executor:
    """Returns what does the work. Raises: SpecError."""
    return local_executor(None, plan.spec.models[0].loading.device)


@st.cache_resource(show_spinner=False, max_entries=8)
def _report(
    name: str, known: Sequence[object], _plan: Comparison, _at: Standing
) -> SensitivityReport:
    order = {one.variant_id: place for place, one in enumerate(_plan.asked)}
    rows = sorted(_at.last_known, key=lambda one: order[one.variant.variant_id])
    return summed_up(_plan, rows, _at.seconds)


def report(plan: Comparison, at: Standing) -> SensitivityReport:
    """Returns what the rows so far come to."""
    known = [
        (one.variant.variant_id, one.row.estimate and one.row.estimate.estimate, one.row.error)
        for one in at.last_known
    ]
    found: SensitivityReport = _report(plan.name, known, plan, at)
    return found


def servers(behaviour: str) -> dict[str, str]:
    """Returns file -> name of the judges that name a server one may ask for wordings."""
    found = {}
    for path, name in judge_offers(None).items():
        try:
            # Not `load_judge`: a judge that is a model would be loaded.
            if isinstance(served_judge(path or None, behaviour), RubricJudge):
                found[path] = name
        except TailscopeError:
            continue
    return found


def wordings_csv(plan: Comparison) -> str:
    """Returns the wordings as the file that the command line takes."""
    texts = [one.text for one in plan.asked if one.kind == "wording" and one.variant_id != ORIGINAL]
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    return "\n".join(["paraphrase", *quoted]) + "\n"


def command_line(plan: Comparison) -> str:
    """Returns the shell command that makes the same comparison without the app."""
    spec, model = plan.spec, plan.spec.models[0]
    source = (f"paraphrases={FILE_NAME}",) if plan.source is None else plan.source
    options = [f"query={plan.query}", *source, f"model={model.name}"]
    for given, usual, names in (
        (model.loading, LoadingSpec(), LOADING_OPTIONS),
        (spec.generation, GenerationSpec(), GENERATION_OPTIONS),
    ):
        options += [
            f"{option}={getattr(given, field)}"
            for field, option in names.items()
            if getattr(given, field) != getattr(usual, field)
        ]
    options += [f"behaviour={spec.behaviour}", f"samples={spec.samples}"]
    options += [f"defensive={spec.defensive_share:g}", f"seed={spec.seed}"]
    for one in plan.asked:
        if one.kind == "system":
            options.append(f"vary-system={one.generation.system_prompt}")
        elif one.kind == "temperature":
            options.append(f"vary-temperature={one.generation.temperature:g}")
        elif one.kind == "length":
            options.append(f"vary-length={one.generation.max_new_tokens}")
    if spec.judge is not None:
        options.append(f"judge={spec.judge}")
    if spec.threshold != load_behaviour(spec.behaviour).spec.threshold:
        options.append(f"threshold={spec.threshold:g}")
    # One word an option, so that a query may begin with a dash.
    return shlex.join(["python", "-m", "core", "sensitivity", *(f"--{one}" for one in options)])
