"""Exports of the forecast: as JSON, and as the command line that makes the same."""

import json

import streamlit as st

from core.cli.command_line import TailsCommand, command_line
from core.reports.tail import tail_document
from core.tails.remarks import COMMAND_LINE_AUDIT, COMMAND_LINE_FILE, Remark
from core.tails.report import TAUS, TailsReport
from pages.shared.frame import plain
from pages.shared.reports import report_buttons
from pages.tails.doubtful import leaves_out
from pages.tails.pictures import ShownForecast
from pages.tails.source import example_csv
from pages.tails.source_choice import AUDIT, LIVE
from pages.tails.state import kept


def take_away(shown: ShownForecast, remarks: tuple[Remark, ...]) -> None:
    """Draws the downloads and the command line."""
    opened, fitted, n = shown.opened, shown.fitted, shown.n
    taus = tuple(sorted({*TAUS, shown.tau}))
    report = TailsReport(
        fitted,
        shown.forecast,
        shown.as_estimated,
        taus,
        shown.read,
        remarks,
        COMMAND_LINE_AUDIT if opened.kind in (AUDIT, LIVE) else COMMAND_LINE_FILE,
    )
    group = kept(f"group.{opened.identity}", None)
    options = (*opened.options, *(() if group is None else (f"group={group}",)))
    command = TailsCommand(fitted.spec, options, n, taus, leaves_out(opened.identity))
    with st.expander("Take it with you", icon=":material/download:"):
        st.markdown("The same from the command line:")
        st.code(command_line(command), language="bash", wrap_lines=True)
        notes = [opened.note] if opened.note else []
        if not fitted.spec.noise_corrected:
            notes.append("With the noise left in, look at noise_left_in of what --json prints.")
        if notes:
            st.caption(plain(" ".join(notes)))
        with st.container(horizontal=True):
            st.download_button(
                "Forecast (json)",
                data=lambda: _json(report),
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
        report_buttons(
            f"tailscope-tail-{n}",
            lambda shown: tail_document(report, command),
            "tails.report",
            answers=False,
        )


def _json(report: TailsReport) -> bytes:
    return json.dumps(report.to_dict(), indent=1, ensure_ascii=False).encode("utf-8")
