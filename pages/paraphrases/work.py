"""Starting a comparison of wordings, its report, and the command that makes the same comparison."""

import shlex
from collections.abc import Sequence

import streamlit as st

from core.behaviours.load import load_behaviour
from core.errors import TailscopeError
from core.executors.base import Executor
from core.executors.local import local_executor
from core.judges import served_judge
from core.judges.rubric import RubricJudge
from core.models.spec import LoadingSpec
from core.runs.run import GENERATION_OPTIONS, LOADING_OPTIONS
from core.sensitivity.comparison import Comparison, keep
from core.sensitivity.report import SensitivityReport, summed_up
from core.sensitivity.task import ComparisonProgress, events, stored_events
from core.sensitivity.variants import ORIGINAL
from core.spec import GenerationSpec
from core.tasks import Task
from pages.shared import resources
from pages.shared.comparisons import comparison_tasks
from pages.shared.judge_offers import judge_offers

FILE_NAME = "wordings.csv"


def begin(plan: Comparison) -> Task[ComparisonProgress]:
    """Starts or continues a comparison in the background; answers in the store are not drawn again."""
    store = resources.store()
    keep(store, plan)
    return comparison_tasks().start(
        plan.name, lambda: Task(events(plan, lambda: executor(plan), store))
    )


def work_of(plan: Comparison) -> Task[ComparisonProgress]:
    """Returns the comparison's task in this process; if there is none, starts to read what is stored."""
    store = resources.store()
    return comparison_tasks().get(plan.name) or comparison_tasks().start(
        plan.name, lambda: Task(stored_events(plan, store))
    )


def executor(plan: Comparison) -> Executor:
    """Returns the executor that draws the answers. Raises: SpecError."""
    return local_executor(None, plan.spec.models[0].loading.device)


@st.cache_resource(show_spinner=False, max_entries=8)
def _report(
    name: str, known: Sequence[object], _plan: Comparison, _at: ComparisonProgress
) -> SensitivityReport:
    order = {one.variant_id: place for place, one in enumerate(_plan.variants)}
    rows = sorted(_at.last_known, key=lambda one: order[one.variant.variant_id])
    return summed_up(_plan, rows, _at.seconds)


def report(plan: Comparison, at: ComparisonProgress) -> SensitivityReport:
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
    texts = [
        one.text for one in plan.variants if one.kind == "wording" and one.variant_id != ORIGINAL
    ]
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
    for one in plan.variants:
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
