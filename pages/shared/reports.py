"""The report to take away: a button that makes it when it is pressed, and one for its pictures."""

import io
import zipfile
from collections.abc import Callable

import streamlit as st

from core.errors import TailscopeError
from core.reports.document import Document
from core.reports.parts import made_now
from core.reports.pictures import png, svg
from core.reports.render import html_report

MakeDocument = Callable[[bool], Document]
HELP = (
    "One HTML file that needs no network, for people who do not use Tailscope; print it for a PDF. Nothing "
    "in it runs."
)


def report_buttons(name: str, make: MakeDocument, key: str, *, answers: bool = True) -> None:
    """Draws the downloads of a report.

    name: of the files. make: takes whether answers stand in it. answers: whether there are any.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        shown = answers and st.toggle(
            "With answers",
            key=f"{key}.answers",
            help="Off: the models' answers are redacted, and only their lengths are told.",
        )
        # Functions: a file is made when it is asked for.
        st.download_button(
            "Report (html)",
            data=lambda: _html(make, shown),
            file_name=f"{name}.html",
            mime="text/html",
            on_click="ignore",
            key=f"{key}.html",
            icon=":material/description:",
            help=HELP,
        )
        st.download_button(
            "Pictures (svg, png)",
            data=lambda: _pictures(make),
            file_name=f"{name}-pictures.zip",
            mime="application/zip",
            on_click="ignore",
            key=f"{key}.pictures",
            icon=":material/image:",
        )


def _html(make: MakeDocument, answers_shown: bool) -> bytes:
    try:
        return html_report(make(answers_shown)).encode("utf-8")
    except TailscopeError as error:
        return html_report(_refusal(error)).encode("utf-8")


def _pictures(make: MakeDocument) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        try:
            for picture in make(False).pictures():
                file.writestr(f"{picture.name}.svg", svg(picture.chart))
                file.writestr(f"{picture.name}.png", png(picture.chart))
        except TailscopeError as error:
            file.writestr("error.txt", str(error))
    return content.getvalue()


def _refusal(error: TailscopeError) -> Document:
    """Returns what is downloaded where no report can be made: a download cannot show an error."""
    return Document(
        kind="none",
        identity="",
        made=made_now(),
        question="This report could not be made",
        headline=("No report",),
        interval=(str(error),),
        sections=(),
    )
