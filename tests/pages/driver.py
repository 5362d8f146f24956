"""A person at a page, in tests: opens it, presses, types, and reads what it says.

A page's own file is opened where its forms are submitted: AppTest cannot submit them after `switch_page`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
SECONDS = 120
OpenPage = Callable[[str], AppTest]


def open_page(
    name: str,
    *,
    session: Mapping[str, object] | None = None,
    address: Mapping[str, str] | None = None,
) -> AppTest:
    """Opens a page's own file, without navigation and sidebar."""
    return _opened(ROOT / "pages" / name / "page.py", session, address)


def open_in_app(
    name: str,
    *,
    session: Mapping[str, object] | None = None,
    address: Mapping[str, str] | None = None,
) -> AppTest:
    """Opens a page inside app.py, with navigation and sidebar."""
    app = _opened(ROOT / "app.py", session, address)
    return app if name == "start" else app.switch_page(f"pages/{name}/page.py").run()


def _opened(
    file: Path, session: Mapping[str, object] | None, address: Mapping[str, str] | None
) -> AppTest:
    app = AppTest.from_file(str(file), default_timeout=SECONDS)
    for key, value in (session or {}).items():
        app.session_state[key] = value
    for name, text in (address or {}).items():
        app.query_params[name] = text
    return app.run()


def checked(app: AppTest) -> AppTest:
    """Returns the page if it ran to its end."""
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    """Returns all that the page says outside of widgets, tables and charts."""
    parts = [*app.subheader, *app.markdown, *app.caption]
    parts += [*app.error, *app.warning, *app.info, *app.success]
    said = [str(part.value) for part in parts]
    return "\n".join(said + [html.proto.body for html in app.get("html")])


def headline(app: AppTest) -> str:
    """Returns the big words and those below them; empty where there are none."""
    found = [html.proto.body for html in app.get("html") if "font-weight:700" in html.proto.body]
    return re.sub(r"<[^>]*>", " | ", found[0]) if found else ""


def labels(app: AppTest) -> list[str]:
    """Returns what stands on the buttons."""
    return [button.label for button in app.button]


def metrics(app: AppTest) -> dict[str, str]:
    """Returns the numbers in boxes, by their label."""
    return {metric.label: metric.value for metric in app.metric}


def field(app: AppTest, label: str) -> Any:
    """Returns the number field with this label."""
    return next(one for one in app.number_input if one.label == label)


def press(app: AppTest, label: str, place: int = 0) -> AppTest:
    """Presses a button by its label. place: which one, if several have it."""
    found = [button for button in app.button if button.label == label]
    return checked(found[place].click().run())


def click(app: AppTest, key: str) -> AppTest:
    """Presses a button by its key."""
    return checked(app.button(key=key).click().run())
