"""The report of a tail: the worst of so many queries that nobody has asked yet."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.charts.style import INK
from core.charts.tail import survival
from core.charts.tail_fan import fan as fan_chart
from core.cli.command_line import TailsCommand, command_line
from core.reports.document import (
    Bullets,
    Cell,
    Document,
    Listing,
    Paragraph,
    Picture,
    Section,
    Table,
    Terms,
    Value,
)
from core.reports.parts import data_section, made_now, number, repeat_section, setting
from core.reports.text import sentence
from core.tails.picture import fan, survival_curve, survival_points
from core.tails.report import TailsReport
from core.tails.sample import to_risk
from core.tails.words import headline, risk_text

METHOD = (
    "Each query's risk was estimated. The riskiest of them show how fast risks thin out, and a distribution "
    "of extreme values was fitted to them; the worst of many more queries was read off its continuation."
)
LIMITS = (
    "The queries to come must be like those that were asked. A riskier kind that was not seen is in no "
    "interval.",
    "Ten times as many queries as were seen is as far as a tail should carry a decision.",
    "What is harmful is what the judge of the estimates says.",
)
WITH_START = ("pot", "gumbel", "jones")


def tail_document(found: TailsReport, command: TailsCommand) -> Document:
    """Returns the report of a forecast. command: what makes it again; its source says where from."""
    values = found.to_dict()
    # Before a horizon that the fit does not reach there is nothing to say in big words.
    reached = values["worst_qrisk"] is not None
    big, small = (
        headline(found.forecast, found.fitted.spec.confidence)
        if reached
        else ("No forecast so far", f"it may be trusted up to {values['supported_horizon']:,.0f}")
    )
    horizon = values["horizon"]
    return Document(
        kind="tail",
        identity=f"{values['fit']}, {horizon:,} queries",
        made=made_now(),
        question=f"How risky is the riskiest of {horizon:,} queries that nobody has asked yet?",
        headline=(big,),
        interval=(small,),
        warnings=tuple(
            sentence(text)
            for text, remark in zip(found.warnings, found.remarks, strict=True)
            if remark.to_dict()["level"] == "caution"
        ),
        picture=_fan(found, horizon),
        sections=(
            _forecasts(values["forecasts"]),
            _levels(values),
            _survival(found),
            Section("How it was forecast", (Paragraph(METHOD), _fit(values))),
            Section("What it does not say", (Bullets((*LIMITS, *map(sentence, found.warnings))),)),
            _settings(found),
            repeat_section([command_line(command)], [("seed", str(values["seed"]))]),
            data_section(values, "the command above"),
        ),
        answers_shown=True,
    )


def _fan(found: TailsReport, horizon: int) -> Picture | None:
    fitted, supported = found.fitted, found.forecast.supported
    table = fan(fitted, supported)
    if table.empty:
        return None
    seen = float(len(set(fitted.sample.group.tolist())))
    worst = float(fitted.sample.risk.max())
    tau = found.taus[len(found.taus) // 2]
    look = {"theme": "light", "ink": INK["light"]}
    return Picture(
        "worst-of-n",
        fan_chart(table, float(horizon), tau, supported, (seen, worst), **look),
        "Risk of the riskiest of n queries against n, with its ranges, and where the fit ends",
        "Line: as likely too low as too high. Bands: half of the time, and "
        f"{fitted.spec.confidence:.0%} of the time. ◆ The worst query seen.",
    )


def _survival(found: TailsReport) -> Section:
    fitted = found.fitted
    points = survival_points(fitted.sample)
    points = points.assign(query=[found.read.queries[row] for row in points["row"]])
    curve = survival_curve(fitted, reach=10.0 * len(fitted.sample))
    start = float(to_risk(fitted.fit.threshold)) if fitted.fit.name in WITH_START else None
    chart = survival(points, curve, start, theme="light", ink=INK["light"])
    words = "Dots: the queries estimated. Line: the fitted tail with its range."
    alt = "Share of queries above a risk against the risk: those estimated, and the fitted tail"
    return Section("How many queries are how risky", (Picture("survival", chart, alt, words),))


def _forecasts(every: Sequence[Mapping[str, Any]]) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for place, one in enumerate(every):
        at = f"forecasts.{place}"
        rows.append(
            (
                number(one["horizon"], f"{at}.horizon", f"{one['horizon']:,}"),
                *(
                    _risk(one[name], f"{at}.{name}")
                    for name in ("worst_qrisk", "ci_low", "ci_high")
                ),
                *(
                    _chance(one[name], f"{at}.{name}")
                    for name in ("at_least_one", "at_least_one_low", "at_least_one_high")
                ),
            )
        )
    columns = (
        *("Queries to come", "Riskiest", "from", "to"),
        *("Any harmful answer, each asked once", "from ", "to "),
    )
    return Section("Forecasts", (Table(columns, tuple(rows), numeric=frozenset(range(7))),))


def _levels(values: Mapping[str, Any]) -> Section:
    rows: list[tuple[Cell, ...]] = []
    for level, share in values["share_above"].items():
        at = f"share_above.{level}"
        rows.append(
            (
                risk_text(float(level)),
                *(_chance(share[name], f"{at}.{name}") for name in ("share", "ci_low", "ci_high")),
                _chance(values["exceedance"][level], f"exceedance.{level}"),
            )
        )
    columns = ("Risk level", "Queries above it", "from", "to", "Chance that the riskiest is above")
    caption = f"The riskiest: of {values['horizon']:,} queries."
    table = Table(columns, tuple(rows), caption, frozenset(range(5)))
    return Section("Levels", (table,))


def _risk(value: float | None, field: str) -> Value:
    known = value is not None and math.isfinite(value)
    return Value(risk_text(value) if known and value is not None else "too far", value, field)


def _chance(value: float | None, field: str) -> Value:
    if value is None:
        return Value("not known", None, field)
    # No forecast is certain.
    text = "above 99%" if value > 0.99 else f"{value * 100:.3g}%"
    return Value(text, value, field)


def _fit(values: Mapping[str, Any]) -> Terms:
    names = (
        "fit",
        "estimator",
        "threshold",
        "exceedances",
        "queries",
        "groups",
        "zero_hit_queries",
    )
    return Terms(
        (
            *((name.replace("_", " "), setting(values[name])) for name in names),
            ("trusted up to", f"{values['supported_horizon']:,.0f} queries"),
            ("parameters", json.dumps(values["parameters"])),
            ("threshold choice", setting(values["threshold_choice"])),
        )
    )


def _settings(found: TailsReport) -> Section:
    terms = tuple((name.replace("_", " "), setting(value)) for name, value in found.fitted.spec)
    spelled = json.dumps(found.fitted.spec.model_dump(mode="json"))
    return Section("Settings", (Terms(terms), Listing(spelled)))
