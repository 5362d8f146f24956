"""A risk in words."""

import math


def per_million(risk: float | None) -> str:
    """Returns a risk in words: '83 per million'."""
    if risk is None or not math.isfinite(risk):
        return "not known"
    return f"{risk * 1e6:,.3g} per million" if risk < 1e-3 else f"{risk * 1e6:,.0f} per million"
