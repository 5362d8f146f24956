"""A document as one HTML file: nothing in it runs, and it loads nothing."""

import base64
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from core.charts.style import Chart
from core.errors import TailscopeError
from core.reports import document
from core.reports.document import Document, Spoken
from core.reports.pictures import svg
from core.reports.text import clean, shortened
from core.settings.atomic import replacing

FOLDER = Path(__file__).parent
# No script, no request: what others have said stands in this file.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def html_report(report: Document) -> str:
    """Returns a report as HTML: one file, complete in itself."""
    return _template().render(report=report, policy=POLICY, style=_style())


def write_report(report: Document, path: Path) -> int:
    """Writes a report in place of an earlier one; returns its size in bytes.

    Raises:
        TailscopeError: the file cannot be written.
    """
    content = html_report(report).encode("utf-8")
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise TailscopeError(
            f"report {str(path)!r} could not be written: {error.strerror or error}"
        ) from error
    return len(content)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_fit,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"image": _image, "spoken": _spoken}
    environment.tests |= {
        name.lower(): _is_a(getattr(document, name))
        for name in (
            *("Value", "Spoken", "Badge", "Paragraph", "Bullets", "Table", "Picture", "Terms"),
            "Listing",
        )
    }
    return environment.get_template("report.html.jinja")


def _is_a(kind: type) -> Any:
    return lambda value: isinstance(value, kind)


def _fit(value: object) -> object:
    """Returns what the template writes: all text is cleaned here, and escaped after this."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _spoken(said: Spoken, shown: bool) -> str:
    """Returns an answer where answers are shown, else its length."""
    if not said.text:
        return "(an empty answer)"
    count = len(said.text)
    length = "1 character" if count == 1 else f"{count:,} characters"
    return shortened(said.text) if shown else f"redacted ({length})"


def _image(chart: Chart) -> str:
    """Returns a chart as the address of an image that holds it: in an image, no script can run."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(chart).encode("utf-8")).decode(
        "ascii"
    )


def _style() -> Markup:
    # Ours, and trusted: it holds no text of others.
    return Markup((FOLDER / "report.css").read_text("utf-8"))
