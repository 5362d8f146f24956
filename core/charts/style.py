"""What all charts share: their type, sizes of words, colours of lines and of words."""

from typing import Any

MILLION = 1e6
LABELS = {"labelFontSize": 14, "titleFontSize": 14, "titleFontWeight": 500, "titlePadding": 10}
GRID = {"gridOpacity": 0.3}
# Labels that would touch are left out.
APART = {"labelOverlap": "greedy", "labelSeparation": 10}
# The reference: a grey that reads on light and dark. Words on charts: as dark as other text.
NEUTRAL = "#8494a4"
INK = {"light": "#2f3d4a", "dark": "#dbe4ec"}

Chart = dict[str, Any]


def title_of(text: str) -> str:
    """Returns text that can be a title: on one line, and without backslashes.

    Vega-Lite writes titles into expressions and escapes their quotes, but neither the ends of lines nor a
    backslash before a quote: a model's name could break the chart, or speak for it.
    """
    return " ".join(text.replace("\\", "＼").split())
