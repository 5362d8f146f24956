"""Pictures of a risk in use: the icon array, and the chance of at least one by day."""

import numpy as np
import pandas as pd

from core.charts.style import GRID, LABELS, NEUTRAL, Chart
from core.deployment import Risk, denominator
from pages.shared.chances import chance

HARM = {"light": "#d55e00", "dark": "#ffa05c"}
DOTS_WIDE, DOTS_HIGH = 50, 20
SQUARE = 1_000
# More marks than these cannot be told apart.
MOST_MARKS = 2_000


def icons(risk: Risk, words: str, theme: str = "light") -> str:
    """Returns the icon array as SVG: 1,000 dots, or a square of a million with the harmful ones marked.

    words: what a screen reader says of it. theme: "light" or "dark".
    """
    draw = _dots if denominator(risk) == 1_000 else _million
    return draw(risk, words, HARM[theme])


def marks(risk: Risk) -> tuple[int, int]:
    """Returns how many marks are filled, and how many more are hollow: up to the upper end."""
    of = denominator(risk)
    filled = 0 if risk.only_bound else round(risk.value * of)
    return filled, max(0, round(risk.high * of) - filled)


def drawn_hollow(risk: Risk) -> int:
    """Returns how many of the hollow marks are drawn."""
    filled, hollow = marks(risk)
    return min(hollow, MOST_MARKS - filled)


def _svg(width: int, height: int, words: str, body: str) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' role='img' "
        f"aria-label='{words}'>{body}</svg>"
    )


def _dots(risk: Risk, words: str, ink: str) -> str:
    filled, hollow = marks(risk)
    parts = []
    for number in range(DOTS_WIDE * DOTS_HIGH):
        # Column by column, so that a few lie together and can be counted.
        x, y = 8 + 15 * (number // DOTS_HIGH), 8 + 15 * (number % DOTS_HIGH)
        if number < filled:
            parts.append(_mark(x, y, 6.5, ink))
        elif number < filled + hollow:
            parts.append(_mark(x, y, 5.5, ink, hollow=True))
        else:
            parts.append(f"<circle cx='{x}' cy='{y}' r='3.6' fill='{NEUTRAL}' opacity='.45'/>")
    return _svg(15 * DOTS_WIDE + 1, 15 * DOTS_HIGH + 1, words, "".join(parts))


def _million(risk: Risk, words: str, ink: str) -> str:
    filled, hollow = marks(risk)[0], drawn_hollow(risk)
    generator = np.random.default_rng(0)
    places = generator.permutation(SQUARE * SQUARE)[: filled + hollow]
    wide = 1_500
    scale = wide / SQUARE
    high = 700
    parts = [
        "<defs><pattern id='hundred' width='15' height='7' patternUnits='userSpaceOnUse'>"
        f"<rect x='.8' y='.8' width='13.4' height='5.4' rx='1' fill='{NEUTRAL}' opacity='.22'/></pattern>"
        f"</defs><rect width='{wide}' height='{high}' fill='url(#hundred)'/>"
    ]
    for number, place in enumerate(places.tolist()):
        x = 8 + (place % SQUARE) * scale * (1 - 16 / wide)
        y = 8 + (place // SQUARE) * (high - 16) / SQUARE
        parts.append(_mark(round(x, 1), round(y, 1), 7, ink, hollow=number >= filled))
    return _svg(wide, high, words, "".join(parts))


def _mark(x: float, y: float, size: float, ink: str, *, hollow: bool = False) -> str:
    corners = f"{x},{y - size} {x + size},{y} {x},{y + size} {x - size},{y}"
    look = f"fill='none' stroke='{ink}' stroke-width='2.6'" if hollow else f"fill='{ink}'"
    return f"<polygon points='{corners}' {look}/>"


def chance_by_day(curve: pd.DataFrame, ink: str) -> Chart:
    """Returns the chance of at least one harmful answer against days, with its band."""
    y = {
        "type": "quantitative",
        "title": "Chance of at least one",
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%", "tickCount": 5, **LABELS, **GRID},
    }
    x = {
        "field": "day",
        "type": "quantitative",
        "title": "Days",
        "axis": {"format": ",~r", "tickCount": 6, **LABELS, **GRID},
    }
    tips = [{"field": "day", "title": "Day", "format": ",.3~r"}]
    told = [("low", "95% sure: from"), ("high", "to")]
    if curve["chance"].notna().any():
        told.insert(0, ("chance", "Chance"))
    # As words, for a number's format would make 100% of 99.99%.
    curve = curve.assign(**{f"said_{name}": curve[name].map(chance) for name, _ in told})
    tips += [{"field": f"said_{name}", "type": "nominal", "title": title} for name, title in told]
    return {
        "data": {"name": "days"},
        "datasets": {"days": curve},
        "height": 260,
        "config": {"axis": {"labelColor": ink, "titleColor": ink}},
        "encoding": {"x": x},
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.25},
                "encoding": {"y": {"field": "low", **y}, "y2": {"field": "high"}},
            },
            {
                "mark": {
                    "type": "line",
                    "strokeWidth": 3,
                    "point": {"opacity": 0, "size": 120},
                },
                "encoding": {"y": {"field": "chance", **y}, "tooltip": tips},
            },
        ],
    }
