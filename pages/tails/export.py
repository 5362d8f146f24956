"""The forecast to take away: as JSON, and as the command that makes the same."""

import json
import shlex

import streamlit as st

from core.tails.analysis import FittedTail
from core.tails.forecast import Forecast
from core.tails.reading import ReadSample
from core.tails.report import TAUS, TailsReport
from core.tails.spec import TailSpec
from pages.shared.frame import plain
from pages.tails.doubtful import leaves_out
from pages.tails.source import example_csv
from pages.tails.source_choice import EstimateSource


def take_away(
    opened: EstimateSource,
    read: ReadSample,
    fitted: FittedTail,
    told: tuple[Forecast, Forecast],
    tau: float,
    warnings: tuple[str, ...],
) -> None:
    """Draws the downloads and the command line. told: with the noise taken out, and with it left in."""
    n = int(told[0].n[0])
    taus = tuple(sorted({*TAUS, tau}))
    with st.expander("Take it with you", icon=":material/download:"):
        st.markdown("The same from the command line:")
        st.code(
            command_line(opened, fitted.spec, n, taus, left_out=leaves_out(opened.identity)),
            language="bash",
            wrap_lines=True,
        )
        notes = [opened.note] if opened.note else []
        if not fitted.spec.noise_corrected:
            notes.append("With the noise left in, look at noise_left_in of what --json prints.")
        if notes:
            st.caption(plain(" ".join(notes)))
        with st.container(horizontal=True):
            st.download_button(
                "Forecast (json)",
                data=lambda: _json(TailsReport(fitted, *told, taus, read, warnings)),
                file_name=f"tailscope-tail-{n}.json",
                on_click="ignore",
                key="tails.json",
            )
            example = example_csv(opened)
            if example is not None:
                st.download_button(
                    "Estimates (csv)",
                    data=example[1],
                    file_name=example[0],
                    on_click="ignore",
                    key="tails.example_csv",
                )


def _json(report: TailsReport) -> bytes:
    return json.dumps(report.to_dict(), indent=1, ensure_ascii=False).encode("utf-8")


def command_line(
    opened: EstimateSource, spec: TailSpec, n: int, taus: tuple[float, ...], *, left_out: bool
) -> str:
    """Returns the shell command that makes the same forecast without the app."""
    options = [*opened.options, f"horizon={n}", f"fit={spec.fit}"]
    if spec.estimator != "posterior":
        options.append(f"estimator={spec.estimator}")
    if spec.largest is not None:
        options.append(f"largest={spec.largest}")
    options += [f"tau={tau:g}" for tau in taus]
    if left_out:
        options.append("leave-out-doubtful")
    options += [f"confidence={spec.confidence:g}", f"seed={spec.seed}"]
    # One word an option, so that a name may begin with a dash.
    return shlex.join(["python", "-m", "core", "tails", *(f"--{one}" for one in options), "--json"])
