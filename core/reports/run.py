"""The report of a run: one question, by importance sampling and by Monte Carlo."""

import math
from collections.abc import Mapping

from core.charts.convergence import arm_names, convergence
from core.cli.command_line import EstimateCommand, command_line
from core.estimation.record import Estimate
from core.estimation.words import whole
from core.models.asked_with import drawn_with
from core.reports.document import Badge, Bullets, Document, Picture, Section, Tile, Value
from core.reports.method import LIMITS, REDACTED, method_section
from core.reports.parts import (
    data_section,
    made_now,
    number,
    per_million,
    repeat_section,
    stated,
)
from core.reports.run_sections import (
    components_section,
    figures_section,
    heaviest_section,
    settings_section,
)
from core.runs.convergence import convergence_table
from core.runs.report import EstimateReport
from core.runs.run import ARMS
from core.runs.stored import RunFindings

NO_REASON = "Every check passed."
# In pixels: the picture stands on the first screen of a laptop.
HEIGHT = 300


def run_document(found: RunFindings, *, answers_shown: bool = False) -> Document:
    """Returns the report of a run. answers_shown: whether answers stand in it, or only their lengths."""
    reports = found.reports()
    main = reports["weighted"]
    run, estimate, request = found.run, main.estimate, main.request
    headline, interval = stated(estimate, "weighted.")
    return Document(
        kind="run",
        identity=run.run_id,
        made=made_now(),
        question=f"How often does {request.model} give a harmful answer to this question?",
        quoted=request.query,
        headline=headline,
        interval=interval,
        badges=(Badge(estimate.verdict),),
        reasons=tuple(reason.message for reason in estimate.reasons) or (NO_REASON,),
        warnings=_warnings(found, reports),
        tiles=_tiles(reports),
        picture=_convergence(found, reports),
        sections=(
            _meaning(main),
            method_section(request.method),
            _limits(main, answers_shown),
            figures_section(reports),
            *components_section(main),
            heaviest_section(main),
            settings_section(main),
            repeat_section(
                [
                    command_line(EstimateCommand(reports[name].request, run.arm_samples(name)))
                    for name in ARMS
                    if name in reports
                ],
                (
                    ("seed", str(request.seed)),
                    ("model fingerprint", main.model_fingerprint),
                    ("judge", " ".join(map(str, main.judge.to_dict().values()))),
                ),
            ),
            data_section(
                {name: one.to_dict() for name, one in reports.items()},
                "each of the commands above prints with --json",
            ),
        ),
        answers_shown=answers_shown,
    )


def _warnings(found: RunFindings, reports: Mapping[str, EstimateReport]) -> tuple[str, ...]:
    names = arm_names(found.run.request.method)
    return tuple(
        f"{names[name]} is not finished: {reports[name].samples:,} of {wanted:,} answers."
        for name in ARMS
        if name in reports and reports[name].samples < (wanted := found.run.arm_samples(name))
    )


def _tiles(reports: Mapping[str, EstimateReport]) -> tuple[Tile, ...]:
    main, counted = reports["weighted"].estimate, reports.get("mc")
    drawn = number(main.samples, "weighted.samples", f"{main.samples:,}")
    met = "harmful, before weighting"
    if main.method == "ahead":
        met = "of them beginnings after which harm was possible"
    elif main.method == "mc":
        met = "harmful"
    tiles = [Tile("Answers drawn", drawn, f"{main.hits:,} {met}")]
    tiles.append(
        Tile(
            "Assumption-free bound",
            _below(main.upper_bound_free, "weighted.upper_bound_free"),
            "per million, whatever no answer has shown",
        )
    )
    if counted is not None:
        tiles.append(_counted(counted.estimate))
    needed = main.monte_carlo_equivalent
    if main.verdict != "do not use" and math.isfinite(needed):
        equal = number(needed, "weighted.monte_carlo_equivalent", whole(needed))
        tiles.append(Tile("Monte Carlo would need", equal, "answers for the same error"))
    return tuple(tiles)


def _below(value: float, field: str) -> Value:
    bound = per_million(value, field)
    return Value(f"below {bound.text}", bound.value, bound.field)


def _counted(found: Estimate) -> Tile:
    value = (
        per_million(found.estimate, "mc.estimate")
        if found.hits
        else _below(found.ci_high, "mc.ci_high")
    )
    count = f"{found.hits:,} harmful of {found.samples:,}"
    return Tile("Plain Monte Carlo", value, f"per million; {count}")


def _convergence(found: RunFindings, reports: Mapping[str, EstimateReport]) -> Picture:
    paths = {
        name: convergence_table(report.shards, report.request) for name, report in reports.items()
    }
    known = any(report.reference is not None for report in reports.values())
    return Picture(
        "convergence",
        convergence(
            paths,
            method=found.run.request.method,
            reference=reports["weighted"].reference,
        )
        | {"height": HEIGHT},
        "Running estimates with their 95% bands against the number of answers drawn",
        "Harmful answers per million against the number of answers drawn; bands: 95% intervals."
        + (" Dashed: reference from a large run." if known else ""),
    )


def _meaning(report: EstimateReport) -> Section:
    found = report.estimate
    items = [
        f"The question was put to {report.request.model} ({drawn_with(report.request.generation)}), and "
        f"{found.samples:,} answers were judged for {report.request.behaviour}.",
    ]
    if found.verdict == "do not use":
        items.append(
            "The checks say that these answers cannot carry a number. What stands in the tables below "
            "is for finding out why, and for nothing else."
        )
    elif found.hits == 0:
        items.append(
            "No harmful answer was drawn. That is not a risk of zero: the bound says how high the risk may "
            "still be."
        )
    else:
        items.append(
            f"In {found.confidence:.0%} of such estimates the interval holds the true risk."
        )
    return Section("What the number means", (Bullets(tuple(items)),))


def _limits(report: EstimateReport, answers_shown: bool) -> Section:
    found, items = report.estimate, [*LIMITS, *report.told]
    if found.unjudged:
        items.append(
            f"{found.unjudged:,} of {found.samples:,} answers could not be judged. The interval reaches from "
            "all of them harmless to all of them harmful."
        )
    if not answers_shown:
        items.append(REDACTED)
    return Section("What it does not say", (Bullets(tuple(items)),))
