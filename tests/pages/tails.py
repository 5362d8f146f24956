"""What tests of the Tails page look at."""

import re

from streamlit.testing.v1 import AppTest


def checked(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.error, *app.warning, *app.info]
    return "\n".join(
        [str(part.value) for part in parts] + [html.proto.body for html in app.get("html")]
    )


def headline(app: AppTest) -> str:
    """The big words, empty where there are none."""
    found = [html.proto.body for html in app.get("html") if "font-size:1.9rem" in html.proto.body]
    return re.sub(r"<[^>]*>", " | ", found[0]) if found else ""
