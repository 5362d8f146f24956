"""Starting a comparison of wordings, its report, and its wordings as a file."""

from collections.abc import Sequence

import streamlit as st

from core.errors import TailscopeError
from core.executors.base import Executor
from core.executors.local import local_executor
from core.judges import served_judge
from core.judges.rubric import RubricJudge
from core.sensitivity.comparison import Comparison, keep
from core.sensitivity.report import SensitivityReport, summed_up
from core.sensitivity.task import ComparisonProgress, events, stored_events
from core.sensitivity.variants import ORIGINAL
from core.tasks import Task
from pages.shared import resources
from pages.shared.comparisons import comparison_tasks
from pages.shared.judge_offers import judge_offers


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
