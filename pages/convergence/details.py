"""What lies behind a run's number, for those who open it: diagnostics, answers, data, command."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from core.charts.convergence import arm_names
from core.cli.command_line import EstimateCommand, command_line
from core.reports.run import run_document
from core.runs.dump import write_dump
from core.runs.figures import FIGURES, SECOND_LABEL, SECOND_MEANING, in_figures, second_interval
from core.runs.run import ARMS, RunSpec
from core.runs.stored import RunFindings, identity_of
from core.runs.task import RunSnapshot
from pages.convergence.components import components_view, forecast_view
from pages.convergence.threshold import threshold_view
from pages.shared import resources
from pages.shared.reports import report_buttons
from pages.shared.run_arms import ArmEstimate, arm_estimates, at_session_threshold
from pages.shared.weight_view import weight_view


def run_details(run: RunSpec, snapshot: RunSnapshot) -> None:
    """Draws the details of a run that is not going on."""
    threshold_view(run, snapshot)
    run = at_session_threshold(run)
    arms = arm_estimates(run, snapshot)
    weighted = arms.get("weighted")
    if weighted is not None and weighted.estimate.components:
        with st.expander("What each proposal says", icon=":material/stacked_bar_chart:"):
            components_view(run, weighted.estimate, weighted.progress.partial)
            forecast_view(run, weighted.estimate, weighted.progress.partial)
    if weighted is not None:
        with st.expander("The answers that carry the weight", icon=":material/format_quote:"):
            weight_view(run, weighted.progress.partial)
    with st.expander("Diagnostics", icon=":material/monitoring:"):
        if arms:
            st.dataframe(
                _diagnostics(arms, arm_names(run.request.method)),
                hide_index=True,
                width="stretch",
                height="content",
            )
    with st.expander("Take it with you", icon=":material/download:"):
        _commands(run)
        _downloads(run, snapshot)
        if weighted is not None:
            report_buttons(
                f"tailscope-run-{run.run_id}",
                lambda shown: run_document(_findings(run, snapshot), answers_shown=shown),
                "run_details.report",
            )


def _findings(run: RunSpec, snapshot: RunSnapshot) -> RunFindings:
    arms = {name: arm.partial for name, arm in snapshot.progress.partial.arms.items()}
    judge = identity_of(resources.judge(run.request), run.request)
    return RunFindings(run, resources.model_of(run.request), judge, arms)


def _diagnostics(arms: Mapping[str, ArmEstimate], names: Mapping[str, str]) -> pd.DataFrame:
    heard = any(arm.estimate.second is not None for arm in arms.values())
    labels, meanings = [label for _, label, _ in FIGURES], [meaning for _, _, meaning in FIGURES]
    if heard:
        labels, meanings = [*labels, SECOND_LABEL], [*meanings, SECOND_MEANING]
    table: dict[str, list[str]] = {"": labels}
    for method, arm in arms.items():
        found = arm.estimate
        figures = [in_figures(getattr(found, name)) for name, _, _ in FIGURES]
        table[names[method]] = [*figures, second_interval(found)] if heard else figures
    table["What it means"] = meanings
    return pd.DataFrame(table)


def _commands(run: RunSpec) -> None:
    st.markdown("The same numbers from the command line:")
    for method in ("weighted", "mc"):
        if run.arm_samples(method) == 0:
            continue
        command = EstimateCommand(run.arm_request(method), run.arm_samples(method))
        st.code(command_line(command), language="bash", wrap_lines=True)


def _downloads(run: RunSpec, snapshot: RunSnapshot) -> None:
    with st.container(horizontal=True):
        for method, arm in snapshot.progress.partial.arms.items():
            if method not in ARMS or not arm.partial:
                continue
            drawn = sum(len(one.drawn) for one in arm.partial)
            name = f"{arm_names(run.request.method)[method]}, {drawn:,} draws"
            for kind in ("parquet", "csv"):
                st.download_button(
                    f"{name} ({kind})",
                    # A function: the file is made when it is asked for.
                    data=partial(_file, run, snapshot, method, kind),
                    file_name=f"tailscope-{run.run_id}-{method}.{kind}",
                    on_click="ignore",
                    key=f"run_details.{method}.{kind}",
                )


def _file(run: RunSpec, snapshot: RunSnapshot, method: str, kind: str) -> bytes:
    request = run.arm_request("weighted" if method == "weighted" else "mc")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "draws.parquet"
        write_dump(
            path,
            resources.model_of(request),
            list(snapshot.progress.partial.arms[method].partial),
            request,
        )
        if kind == "parquet":
            return path.read_bytes()
        return pd.read_parquet(path).to_csv(index=False).encode("utf-8")
