"""Starting a comparison of wordings, its report, and its wordings as a file."""

from collections.abc import Sequence

import streamlit as st

from core.errors import TailscopeError
from core.executors.base import Executor
from core.executors.local import local_executor
from core.judges import served_judge
from core.judges.rubric import RubricJudge
from core.sensitivity.comparison import Comparison, ComparisonSoFar, keep
from core.sensitivity.report import SensitivityReport, summed_up
from core.sensitivity.task import ComparisonTask, comparison_task, stored_comparison_task
from core.sensitivity.variants import ORIGINAL
from core.tasks import Progress
from pages.shared import resources
from pages.shared.comparisons import comparison_tasks
from pages.shared.judge_offers import judge_offers


def begin(plan: Comparison) -> ComparisonTask:
    """Starts a comparison in the background, or continues it; what is in the store is not drawn again."""
    store = resources.store()
    keep(store, plan)
    return comparison_tasks().start(
        plan.name, lambda: comparison_task(plan, lambda: executor(plan), store)
    )


def task_of(plan: Comparison) -> ComparisonTask:
    """Returns the comparison's task in this process; where there is none, what is stored is read."""
    store = resources.store()
    return comparison_tasks().get(plan.name) or comparison_tasks().start(
        plan.name, lambda: stored_comparison_task(plan, store)
    )


def executor(plan: Comparison) -> Executor:
    """Returns the executor that draws the answers. Raises: SpecError."""
    return local_executor(None, plan.spec.models[0].loading.device)


@st.cache_resource(show_spinner=False, max_entries=8)
def _report(
    name: str, known: Sequence[object], _plan: Comparison, _progress: Progress[ComparisonSoFar]
) -> SensitivityReport:
    order = {variant.variant_id: place for place, variant in enumerate(_plan.variants)}
    rows = sorted(_progress.partial.last_known, key=lambda row: order[row.variant.variant_id])
    return summed_up(_plan, rows, _progress.seconds or 0.0)


def report(plan: Comparison, progress: Progress[ComparisonSoFar]) -> SensitivityReport:
    """Returns the report of the rows so far."""
    known = [
        (row.variant.variant_id, row.row.estimate and row.row.estimate.estimate, row.row.error)
        for row in progress.partial.last_known
    ]
    summary: SensitivityReport = _report(plan.name, known, plan, progress)
    return summary


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
