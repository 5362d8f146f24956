"""Charts as files: SVG and PNG, made here, without a browser and without the network."""

import json
import math
from typing import Any

import numpy as np
import pandas as pd

from core.charts.style import Chart, title_of
from core.reports.text import clean

# In pixels; a page of paper takes it as it is.
WIDTH = 720
PNG_SCALE = 2.0
# What the charts leave to the page that shows them: the colours of the app's light theme.
CONFIG = {
    "background": "white",
    "font": "sans-serif",
    "range": {
        "category": ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9"],
    },
    "view": {"stroke": "#d5dce4"},
}


# The reader's letters may be wider than those measured here.
LEGEND = {"columnPadding": 36}


def whole_spec(chart: Chart, width: int = WIDTH) -> dict[str, Any]:
    """Returns a chart as Vega-Lite JSON that needs no page around it: with its data, width and colours."""
    spec: dict[str, Any] = _as_json({"width": width, **chart})
    own = spec.get("config", {})
    return {
        **spec,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": {**CONFIG, **own, "legend": {**LEGEND, **own.get("legend", {})}},
    }


def svg(chart: Chart, width: int = WIDTH) -> str:
    """Returns a chart as SVG."""
    import vl_convert

    # No address is allowed: a chart holds its data, and nothing may be fetched.
    return str(vl_convert.vegalite_to_svg(whole_spec(chart, width), allowed_base_urls=[]))


def png(chart: Chart, width: int = WIDTH) -> bytes:
    """Returns a chart as PNG, at twice the pixels of its SVG."""
    import vl_convert

    spec = whole_spec(chart, width)
    return bytes(vl_convert.vegalite_to_png(spec, scale=PNG_SCALE, allowed_base_urls=[]))


def _as_json(value: Any) -> Any:
    """Returns a value of a chart as JSON: tables as rows, what is not known as null, all text clean."""
    if isinstance(value, pd.DataFrame):
        return [_as_json(row) for row in value.to_dict("records")]
    if isinstance(value, dict):
        return {
            _as_json(str(name)): title_of(_as_json(inner))
            if _is_title(name, inner)
            else _as_json(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, np.generic):
        return _as_json(value.item())
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    json.dumps(value)  # what is left must be a number or a truth value
    return value


def _is_title(name: object, value: object) -> bool:
    return name == "title" and isinstance(value, str)
